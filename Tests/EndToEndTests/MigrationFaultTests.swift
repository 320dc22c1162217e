import Foundation
import TestSupport
import Testing

/// Migrations during which a node, a leader or the network goes away: they wait, go on, or stop with instructions.
@Suite("Migrating while servers go away", .serialized)
struct MigrationFaultTests {
    private enum Fault: String, CaseIterable {
        /// The node that leads the bucket is killed, and started again when the migration has gone on or ended.
        case leader
        /// The node that the migration talks to is restarted.
        case restart
        /// All ways to the servers are cut, and stay so for two seconds.
        case cut
        /// The migration itself is killed.
        case kill
    }

    /// What happens when.
    private struct Event: CustomStringConvertible {
        var fault: Fault
        var step: String
        /// How long after the step was written down, in microseconds.
        var delay: UInt32
        var description: String { "\(fault) \(delay / 1000) ms after \(step)" }

        static let steps = ["trial", "fence", "capture", "delete", "restore"]

        /// A seeded few; in the long form more, and of the newest server every fault at every step, at three moments.
        static func some(_ faults: [Fault], on binary: ServerBinary, _ count: Int, seed: UInt64) throws -> [Event] {
            var random = SeededGenerator(seed: seed)
            let delays: [UInt32] = [0, 60_000, 250_000]
            let all = faults.map { fault in
                steps.flatMap { step in delays.map { Event(fault: fault, step: step, delay: $0) } }.shuffled(
                    using: &random
                )
            }
            if isLongRun, try binary.version == ServerBinary.newest.version { return all.flatMap(\.self) }
            return (0..<(isLongRun ? 6 : count)).map { all[$0 % all.count][$0 / all.count] }
        }
    }

    @Test(
        "On one server",
        arguments: isLongRun ? ServerBinary.all : ServerBinary.all.filter { ["2.15.1", "2.12.8"].contains($0.version) }
    )
    func single(binary: ServerBinary) async throws {
        let server = try await ServerProcess.start(binary)
        for (number, event) in try Event.some([.restart, .cut], on: binary, 2, seed: 31).enumerated() {
            try await Migrated("b\(number)", on: [server], replicas: (1, 1)).meets(event)
        }
        server.close()
    }

    @Test(
        "In a cluster, with one copy and with three",
        arguments: isLongRun ? ServerBinary.all : ServerBinary.all.filter { ["2.15.1"].contains($0.version) }
    )
    func cluster(binary: ServerBinary) async throws {
        let cluster = try await ServerCluster.start(binary, advertises: false)
        defer { cluster.close() }
        for (number, event) in try Event.some(Fault.allCases, on: binary, 3, seed: 32).enumerated() {
            let replicas = [(3, 1), (3, 3), (1, 3)][number % 3]
            try await Migrated("b\(number)", on: cluster.nodes, replicas: replicas).meets(event)
        }
    }

    /// A bucket that is migrated, through a proxy for each node.
    private struct Migrated {
        let bucket: String
        let nodes: [ServerProcess]
        let replicas: (before: Int, after: Int)
        let rig: Rig

        init(_ bucket: String, on nodes: [ServerProcess], replicas: (Int, Int)) throws {
            self.bucket = bucket
            self.nodes = nodes
            self.replicas = replicas
            rig = try Rig(on: nodes[0])
        }

        private var arguments: [String] { ["migrate", bucket, "--archive", rig.archive] }
        private var servers: [String] { ["-s", nodes.map(\.url).joined(separator: ",")] }

        func meets(_ event: Event) async throws {
            defer { rig.folder.remove() }
            try await rig.createBucket(bucket, history: 8)
            try await rig.fill(bucket, count: 2000, keys: 400, size: 200)
            if replicas.before > 1 { try await set("num_replicas", replicas.before) }
            let (before, old) = (try await rig.messages(bucket), try await configuration())
            try await CisternProcess.run(["backup", bucket, "--archive", rig.archive] + servers).expectSuccess(
                "\(event)"
            )
            let leader = try await leader()
            // Every request takes its time, so that a step lasts long enough to be met.
            let proxies = try nodes.map { try TCPProxy(to: $0.port, delay: 20) }
            defer { for proxy in proxies { proxy.close() } }
            let process = try CisternProcess.start(
                arguments + ["--set", "storage=memory", "--set", "replicas=\(replicas.after)", "--yes", "-s"]
                    + [proxies.map(\.url).joined(separator: ",")]
            )
            try await rig.whenMigrating(event.step, microseconds: event.delay)
            let down = try await cause(event.fault, leader: leader, proxies, during: process)
            let result = try await process.waitForExit(timeout: .seconds(240))
            try await awaitAll()
            var outcome = try rig.migrationSteps().last
            if outcome != "done", outcome != "rolled-back" {
                #expect(result.code != 0, "\(event): \(result)")
                let isTold = event.fault == .kill || result.errorText.contains("--r")
                #expect(isTold, "\(event): how to go on is not said: \(result)")
                let way = event.delay == 0 ? "--resume" : "--rollback"
                try await CisternProcess.run(arguments + [way, "--yes"] + servers, timeout: .seconds(240))
                    .expectSuccess("\(event), \(way), \(result)")
                outcome = try rig.migrationSteps().last
            } else {
                let isRight = event.fault == .kill || (result.code == 0) == (outcome == "done")
                #expect(isRight, "\(event): \(result)")
            }
            print(
                "\(rig.server.binary) \(event), \(replicas): exit code \(result.code), \(outcome ?? "-") \(result.errorText)"
            )
            let new = old.replacing(#""storage":"file""#, with: #""storage":"memory""#)
                .replacing("\"num_replicas\":\(replicas.before)", with: "\"num_replicas\":\(replicas.after)")
            #expect(try await configuration() == (outcome == "done" ? new : old), "\(event): \(result)")
            let after = try await rig.messages(bucket)
            // What only one node had in its memory goes with it, even after it was proved to be there.
            let isOnOneNode = outcome == "done" && replicas.after == 1
            let isGone = isOnOneNode && after.isEmpty ? try await self.leader() == down : false
            if isGone {
                print("\(event): the node went down after the migration's end")
            } else if rig.server.binary.isAtLeast("2.12") || outcome != "done" {
                #expect(after == before, "\(event): \(result)")
            } else {
                #expect(after.map(\.subject) == before.map(\.subject), "\(event): \(result)")
                #expect(after.map(\.data) == before.map(\.data), "\(event): \(result)")
            }
            let bucket = bucket
            try await rig.server.withClient { client in
                _ = try client.put(bucket, "more", "x")
                let streams = try client.api("STREAM.NAMES")["streams"] as? [String] ?? []
                #expect(streams.filter { $0.hasPrefix("CISTERN") }.isEmpty, "\(event): \(streams)")
                try client.deleteStream("KV_" + bucket)
            }
        }

        /// Answers which node went down.
        private func cause(
            _ fault: Fault,
            leader: Int,
            _ proxies: [TCPProxy],
            during process: CisternProcess
        ) async throws -> Int? {
            let clock = ContinuousClock()
            switch fault {
            case .leader:
                try await nodes[leader].kill()
                let end = clock.now.advanced(by: .seconds(3))
                try await eventually("the migration's end, or its time") { !process.isRunning || clock.now > end }
                try await nodes[leader].restart()
                return leader
            case .restart:
                let node = proxies.firstIndex { $0.accepted > 0 } ?? 0
                try await nodes[node].restart()
                return node
            case .kill:
                process.kill()
            case .cut:
                for proxy in proxies { proxy.block() }
                for proxy in proxies { proxy.cut() }
                let end = clock.now.advanced(by: .seconds(2))
                try await eventually("the migration's end, or its time") { !process.isRunning || clock.now > end }
                for proxy in proxies { try proxy.unblock() }
            }
            return nil
        }

        /// Waits until every node answers for the cluster and the bucket, if there is one.
        private func awaitAll() async throws {
            let bucket = bucket
            for node in nodes {
                let port = node.port
                try await eventually("node \(port) to answer") {
                    try await onOwnThread {
                        do {
                            let client = try RawNATS(port: port, timeout: 2)
                            defer { client.close() }
                            _ = try client.streamInfo("KV_" + bucket)
                            return true
                        } catch RawNATSError.api(_, let code, _) {
                            return code == 10_059
                        } catch is RawNATSError {
                            return false
                        }
                    }
                }
            }
        }

        private func leader() async throws -> Int {
            let bucket = bucket
            let name = try await rig.server.withClient { client in
                let cluster = try client.api("STREAM.INFO.KV_" + bucket)["cluster"] as? [String: Any]
                return cluster?["leader"] as? String
            }
            return ["node-1", "node-2", "node-3"].firstIndex(of: name ?? "") ?? 0
        }

        private func set(_ field: String, _ value: Int) async throws {
            let bucket = bucket
            try await rig.server.withClient { client in
                let json = try client.streamInfo("KV_" + bucket).configuration
                var changed = try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any] ?? [:]
                changed[field] = value
                let data = try JSONSerialization.data(withJSONObject: changed)
                try client.updateStream(String(decoding: data, as: UTF8.self))
            }
            try await eventually("the copies") {
                try await rig.server.withClient { client in
                    let cluster = try client.api("STREAM.INFO.KV_" + bucket)["cluster"] as? [String: Any]
                    let followers = cluster?["replicas"] as? [[String: Any]] ?? []
                    return followers.count == value - 1 && followers.allSatisfy { $0["current"] as? Bool == true }
                }
            }
        }

        private func configuration() async throws -> String {
            let bucket = bucket
            return try await rig.server.withClient { try $0.streamInfo("KV_" + bucket).configuration }
        }
    }
}

extension CisternProcess.Result {
    fileprivate func expectSuccess(_ what: String, _ location: SourceLocation = #_sourceLocation) throws {
        #expect(code == 0, "\(what): \(self)", sourceLocation: location)
    }
}
