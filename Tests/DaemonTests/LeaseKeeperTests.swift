import Archive
import Foundation
import JetStream
import KVModel
import KeyValue
import Logging
import NATSClient
import TestSupport
import Testing

@testable import Daemon

private let versions = ["2.15.1", "2.9.10"]

@Suite("Leases on real servers", .serialized)
struct LeaseKeeperTests {
    @Test(
        "Three daemons share twelve jobs, each on one at a time, and take over from one that goes",
        arguments: versions
    )
    func sharing(version: String) async throws {
        let rig = try await LeaseRig(.named(version), jobs: 12, duration: .seconds(3))
        try await rig.watched {
            let proxy = try TCPProxy(to: rig.server.port)
            let (a, b) = (try rig.add("a", jobs: []), try rig.add("b", jobs: []))
            let c = try rig.add("c", at: proxy.url, jobs: [])
            try await eventually("everyone to know the others") {
                [a, b, c].allSatisfy { $0.keeper.daemons().map(\.daemon) == ["a", "b", "c"] }
            }
            for one in [a, b, c] { one.keeper.candidates = rig.jobs }
            try await eventually("every job to be held") { rig.isAllHeld(a, b, c) }
            #expect([a, b, c].map(\.jobs.count).reduce(0, +) == 12)
            #expect([a, b, c].allSatisfy { !$0.jobs.isEmpty })
            try await eventually("everyone to know all") {
                [a, b, c].allSatisfy { one in
                    one.keeper.daemons().map(\.daemon) == ["a", "b", "c"]
                        && one.keeper.holders().mapValues(\.daemon)
                            == Dictionary(
                                uniqueKeysWithValues: [("a", a), ("b", b), ("c", c)].flatMap { name, keeper in
                                    keeper.jobs.map { ($0, name) }
                                }
                            )
                }
            }
            // One that stops gives its leases up: nobody waits for them to expire.
            let left = a.jobs
            let stopping = ContinuousClock.now
            try await a.stop()
            #expect(a.events.count { if case .lost(_, .givenUp) = $0 { true } else { false } } == left.count)
            try await eventually("the jobs to be taken over") { rig.isAllHeld(b, c) }
            #expect(stopping.duration(to: .now) < rig.duration)
            // One that is cut off keeps nothing, and the other has all within two durations.
            proxy.block()
            proxy.cut()
            let cutting = ContinuousClock.now
            try await eventually("the rest to be taken over") { rig.isAllHeld(b) }
            #expect(cutting.duration(to: .now) < rig.duration * 2)
            #expect(c.jobs.isEmpty)
            #expect(b.keeper.surplus() == 0 && b.keeper.holders().values.allSatisfy { $0.daemon == "b" })
            // And it takes part again when it is back.
            try proxy.unblock()
            await b.keeper.giveUpAll()
            try await eventually("some jobs to go back") { !c.jobs.isEmpty && rig.isAllHeld(b, c) }
        }
    }

    @Test("Leases outlive a restart of the server, or are taken again", arguments: versions)
    func serverRestart(version: String) async throws {
        let rig = try await LeaseRig(.named(version), jobs: 6)
        try await rig.watched {
            let (a, b) = (try rig.add("a"), try rig.add("b"))
            try await eventually("every job to be held") { rig.isAllHeld(a, b) }
            try await rig.server.restart()
            try await eventually("every job to be held again") { rig.isAllHeld(a, b) }
            try await rig.server.kill()
            try await eventually("every lease to lapse") { a.jobs.isEmpty && b.jobs.isEmpty }
            try await rig.server.restart()
            try await eventually("every job to be held once more") { rig.isAllHeld(a, b) }
        }
    }

    @Test("Answers that are lost with the connection cost no lease")
    func lostAnswers() async throws {
        let rig = try await LeaseRig(nil, jobs: 4)
        try await rig.watched {
            let proxy = try TCPProxy(to: rig.server.port)
            let a = try rig.add("a", at: proxy.url)
            try await eventually("every job to be held") { rig.isAllHeld(a) }
            let tokens = rig.jobs.map { a.keeper.lease($0)?.token }
            for _ in 0..<4 {
                // What was sent reaches the server; of its answers some do not come back.
                let count = proxy.count
                proxy.plan(.cut, at: count.toClient + 150, in: \.toClient)
                let faults = proxy.faults
                try await eventually("a cut") { proxy.faults > faults }
            }
            try await eventually("renewals after the cuts") { a.connection.isConnected }
            #expect(rig.jobs.map { a.keeper.lease($0)?.token } == tokens)
            #expect(a.events.count == 4)
        }
    }

    @Test("A daemon that cannot ask lets go before anybody else can take, and its late write is refused")
    func lapse() async throws {
        let rig = try await LeaseRig(nil, jobs: 1)
        let job = "job 0"
        try await rig.watched {
            let proxy = try TCPProxy(to: rig.server.port)
            let a = try rig.add("a", at: proxy.url)
            try await eventually("the job to be held") { rig.isAllHeld(a) }
            let old = try #require(a.keeper.lease(job))
            try old.check()
            let directory = try TemporaryDirectory("fenced")
            let path = directory.file("test.cistern")
            let late = try ArchiveWriter.open(path: path, createIfMissing: true, fencing: old.fencing)
            let b = try rig.add("b")
            try await eventually("the other one to be known") { b.keeper.holders()[job]?.daemon == "a" }
            proxy.stall()
            try await eventually("the lease to lapse") { !old.isValid }
            #expect(b.keeper.lease(job) == nil)
            #expect(throws: DaemonError.self) { try old.check() }
            try await eventually("the take-over") { b.keeper.lease(job) != nil }
            let new = try #require(b.keeper.lease(job))
            #expect(new.token > old.token && new.fencing.scope == old.fencing.scope)
            // As on two machines that do not see each other's locks.
            unlink(path + ".lock")
            try ArchiveWriter.open(path: path, fencing: new.fencing).close()
            #expect {
                try late.beginRun(kind: "backup", at: Timestamp(nanoseconds: 1))
            } throws: { error in
                guard case .fencedOff = (error as? ArchiveError)?.code else { return false }
                return true
            }
            try late.close()
            proxy.resume()
            try await eventually("the first one to see it") { a.keeper.holders()[job]?.daemon == "b" }
            #expect(a.events == [.gained(job: job, token: old.token), .lost(job: job, why: .lapsed)])
            #expect(!old.isValid && new.isValid)
        }
    }

    @Test("After minutes in which it did not run, a daemon knows at once that its lease is over")
    func sleep() async throws {
        let rig = try await LeaseRig(nil, jobs: 2)
        let clock = MovableClock()
        try await rig.watched {
            let a = try rig.add("a", now: { clock.now() })
            try await eventually("the jobs to be held") { rig.isAllHeld(a) }
            let leases = try rig.jobs.map { try #require(a.keeper.lease($0)) }
            clock.advance(by: .seconds(180))
            // Nothing has run since: whoever asks is told.
            #expect(leases.allSatisfy { !$0.isValid })
            #expect(rig.jobs.allSatisfy { a.keeper.lease($0) == nil })
            // The server holds them still, but what lapsed is over: new leases have new tokens.
            try await eventually("new leases") { rig.isAllHeld(a) }
            #expect(leases.allSatisfy { !$0.isValid })
            for old in leases { #expect(try #require(a.keeper.lease(old.job)).token > old.token) }
            #expect(a.events.count { if case .lost(_, .lapsed) = $0 { true } else { false } } == 2)
        }
    }

    @Test("Whoever has more than its share can pass some on; a job that is no candidate is given up")
    func surplus() async throws {
        let rig = try await LeaseRig(nil, jobs: 6)
        try await rig.watched {
            let a = try rig.add("a")
            try await eventually("every job to be held") { rig.isAllHeld(a) }
            let b = try rig.add("b")
            try await eventually("the surplus to show") { a.keeper.surplus() == 3 }
            for job in a.jobs.sorted().prefix(3) { await a.keeper.giveUp(job) }
            try await eventually("the other one to have them") { b.jobs.count == 3 && rig.isAllHeld(a, b) }
            #expect(a.keeper.surplus() == 0 && b.keeper.surplus() == 0)
            let dropped = try #require(a.jobs.first)
            a.keeper.candidates.remove(dropped)
            try await eventually("the other one to have that too") { b.jobs.contains(dropped) }
        }
    }

    @Test("A bucket of leases that is deleted is made again, and old leases are over")
    func bucketReplaced() async throws {
        let rig = try await LeaseRig(nil, jobs: 2)
        try await rig.watched(bucketStays: false) {
            let a = try rig.add("a")
            try await eventually("the jobs to be held") { rig.isAllHeld(a) }
            let old = try #require(a.keeper.lease("job 0"))
            try await rig.withBuckets { try await $0.delete(BucketName(rig.settings.bucket)) }
            try await eventually("new leases") { rig.isAllHeld(a) && a.keeper.lease("job 0") !== old }
            let new = try #require(a.keeper.lease("job 0"))
            #expect(new.fencing.generation > old.fencing.generation && !old.isValid)
        }
    }

    @Test("A bucket that cannot serve is refused with what to do", arguments: versions)
    func unusableBuckets(version: String) async throws {
        let rig = try await LeaseRig(.named(version), jobs: 1)
        defer { rig.server.close() }
        try await rig.withBuckets { buckets in
            var configuration = BucketConfiguration(name: try BucketName(rig.settings.bucket))
            configuration.ttl = 3_600_000_000_000
            _ = try await buckets.create(configuration)
            let keeper = LeaseKeeper(
                buckets: { buckets },
                settings: rig.settings,
                daemon: "a",
                logger: .init(label: "test")
            )
            await #expect {
                try await keeper.run()
            } throws: { error in
                guard let error = error as? DaemonError else { return false }
                return error.code == .leases && error.text.contains("its TTL is 1h, not 1s800ms")
            }
        }
    }

    @Test("A user who may not make the bucket is told so")
    func permissions() async throws {
        let server = try await ServerProcess.start(
            options: ServerProcess.Options(
                configuration: """
                    authorization { users: [ { user: u, password: p, permissions: {
                        publish: { allow: ["$JS.API.INFO"] } } } ] }
                    """
            )
        )
        defer { server.close() }
        let url = server.url.replacingOccurrences(of: "nats://", with: "nats://u:p@")
        let keeper = try RunningKeeper("a", at: url, LeaseSettings(cluster: "test"), jobs: ["j"])
        await #expect {
            try await keeper.ended()
        } throws: { error in
            guard let error = error as? DaemonError else { return false }
            return error.code == .leases && error.text.contains("permission") && error.hint?.contains("$JS.API") == true
        }
    }

    @Test("No job is ever held twice, whatever happens to servers, connections, daemons and their time")
    func chaos() async throws {
        let rig = try await LeaseRig(nil, jobs: 8)
        let seed = isLongRun ? UInt64.random(in: .min ... .max) : 3
        print("leases under chaos, seed \(seed)")
        var random = SeededGenerator(seed: seed)
        try await rig.watched {
            let proxies = try (0..<3).map { _ in try TCPProxy(to: rig.server.port) }
            let clocks = (0..<3).map { _ in MovableClock() }
            var keepers = try (0..<3).map { index in
                try rig.add("daemon \(index)", at: proxies[index].url, now: { clocks[index].now() })
            }
            for _ in 0..<(isLongRun ? 60 : 4) {
                let index = Int.random(in: 0..<3, using: &random)
                switch Int.random(in: 0..<6, using: &random) {
                case 0: proxies[index].cut()
                case 1:
                    proxies[index].stall()
                    let held = keepers[index].keeper
                    try await eventually("leases to lapse") { rig.jobs.allSatisfy { held.lease($0) == nil } }
                    proxies[index].resume()
                case 2:
                    try await keepers[index].kill()
                    keepers[index] = try rig.add(
                        "daemon \(index)",
                        at: proxies[index].url,
                        now: { clocks[index].now() }
                    )
                case 3:
                    try await keepers[index].stop()
                    keepers[index] = try rig.add(
                        "daemon \(index)",
                        at: proxies[index].url,
                        now: { clocks[index].now() }
                    )
                case 4: clocks[index].advance(by: rig.duration * Double.random(in: 0..<3, using: &random))
                default: try await rig.server.restart()
                }
                let all = keepers
                if Bool.random(using: &random) {
                    try await eventually("every job to be held") { rig.isAllHeld(all[0], all[1], all[2]) }
                }
            }
            let all = keepers
            try await eventually("every job to be held in the end") { rig.isAllHeld(all[0], all[1], all[2]) }
        }
    }

    @Test("In a cluster the bucket has three copies, and leases outlive the loss of a server", .enabled(if: isLongRun))
    func cluster() async throws {
        let cluster = try await ServerCluster.start()
        defer { cluster.close() }
        let rig = LeaseRig(cluster.nodes[0], jobs: 6, duration: .seconds(6))
        try await rig.watched {
            let urls = cluster.nodes.map(\.url).joined(separator: ",")
            let (a, b) = (try rig.add("a", at: urls), try rig.add("b", at: urls))
            try await eventually("every job to be held") { rig.isAllHeld(a, b) }
            let bucket = try await rig.withBuckets { try await $0.bucket(BucketName(rig.settings.bucket)) }
            #expect(bucket.configuration.replicas == 3)
            let leader = bucket.info.reply["cluster"]?["leader"]?.string
            let node = try #require(cluster.nodes.enumerated().first { "node-\($0.offset + 1)" == leader }?.element)
            try await node.kill()
            try await eventually("every job to be held after that") { rig.isAllHeld(a, b) }
            try await node.restart()
            let more = ContinuousClock.now + rig.duration
            try await eventually("every job to be held later") { .now > more && rig.isAllHeld(a, b) }
        }
    }
}
