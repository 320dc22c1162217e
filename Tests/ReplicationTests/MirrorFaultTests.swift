import JetStream
import KVModel
import KeyValue
import TestSupport
import Testing

@testable import Replication

/// Mirrors whose servers, connections or buckets go away.
@Suite("Mirrors through faults", .serialized)
struct MirrorFaultTests {
    @Test("Connections that are cut again and again lose and repeat nothing")
    func cuts() async throws {
        let rig = try await MirrorRig(servers: 2)
        defer { rig.close() }
        let (reading, writing) = (try TCPProxy(to: rig.from.port), try TCPProxy(to: rig.to.port))
        defer {
            reading.close()
            writing.close()
        }
        try await rig.from.withClient { try $0.fill("src", count: 4000, keys: 1500, size: 300, seed: 11) }
        reading.plan(.cut, at: 200_000, 700_000, 1_300_000, in: \.toClient)
        writing.plan(.cut, at: 150_000, 500_000, 900_000, 1_400_000, in: \.toServer)
        let mirror = rig.start(from: reading.url, to: writing.url)
        try await rig.awaitEqual()
        try await mirror.live()
        let writer = BackgroundWriter(port: rig.from.port, bucket: "src", keys: 100, size: 60, perSecond: 800, seed: 12)
        for _ in 0..<3 {
            let before = writer.written
            try await eventually("some writes") { writer.written > before + 200 }
            reading.cut()
            writing.cut()
        }
        try await writer.stop()
        try await rig.awaitEqual()
        #expect(try await rig.disorder().isEmpty)
        let report = try await mirror.stop()
        #expect(report.interruptions > 2 && report.foreignChanges == 0)
        #expect(reading.faults + writing.faults > 3)
    }

    @Test("Either server may be killed and come back")
    func restarts() async throws {
        let rig = try await MirrorRig(servers: 2)
        defer { rig.close() }
        try await rig.from.withClient { try $0.fill("src", count: 500, keys: 200, size: 100, seed: 21) }
        let mirror = rig.start()
        try await mirror.live()
        try await rig.to.kill()
        try await rig.from.withClient { try $0.fill("src", count: 500, keys: 250, size: 100, seed: 22) }
        try await rig.to.restart()
        try await rig.awaitEqual()
        try await rig.from.kill()
        try await rig.from.restart()
        try await rig.from.withClient { try $0.fill("src", count: 500, keys: 300, size: 100, seed: 23) }
        try await rig.awaitEqual()
        #expect(try await rig.disorder().isEmpty)
        #expect(try await mirror.stop().interruptions > 1)
    }

    @Test("A stop takes a moment only, whatever stands still", arguments: [true, false])
    func stop(isTarget: Bool) async throws {
        let rig = try await MirrorRig(servers: 2)
        defer { rig.close() }
        let proxy = try TCPProxy(to: isTarget ? rig.to.port : rig.from.port)
        defer { proxy.close() }
        let mirror = isTarget ? rig.start(to: proxy.url) : rig.start(from: proxy.url)
        try await mirror.live()
        proxy.stall()
        try await rig.from.withClient { try $0.fill("src", count: 3000, size: 2000, seed: 31) }
        // Until it has sent what it can, or asked in vain.
        try await Task.sleep(for: .milliseconds(300))
        let clock = ContinuousClock()
        let before = clock.now
        let report = try await mirror.stop()
        let time = before.duration(to: clock.now)
        #expect(report.outcome == .stopped)
        #expect(time < .seconds(4), "it took \(time)")
        proxy.resume()
        #expect(try await rig.mirror(try MirrorRig.once()).outcome == .caughtUp)
        #expect(try await rig.differences().isEmpty)
        #expect(try await rig.disorder().isEmpty)
    }

    @Test("A source that was made anew stops the mirror, or the target becomes equal to it")
    func recreated() async throws {
        let rig = try await MirrorRig()
        defer { rig.close() }
        try await rig.from.withClient { client in
            for index in 0..<30 { try client.put("src", "key.\(index % 15)", "old \(index)") }
            try client.putMany("src", [.delete(Array("key.3".utf8))])
        }
        let stopping = rig.start()
        try await stopping.live()
        let before = try await rig.histories("dst", on: rig.to)
        try await rig.from.withClient { client in
            try client.deleteStream("KV_src")
            try client.createBucket("src", history: 5)
            for index in 0..<20 { try client.put("src", "key.\(index % 10 + 10)", "new \(index)") }
        }
        await expect(.sourceRecreated) { try await stopping.report() }
        await expect(.sourceRecreated) { try await rig.mirror(try MirrorRig.once()) }
        #expect(try await rig.histories("dst", on: rig.to) == before)
        let mirror = rig.start(try MirrorRig.following { $0.onRecreate = .resync })
        try await mirror.live()
        try await awaitResync(rig)
        // Once more, under way.
        try await rig.from.withClient { client in
            try client.deleteStream("KV_src")
            try client.createBucket("src", history: 5)
            for index in 0..<8 { try client.put("src", "key.\(index % 4)", "newest \(index)") }
        }
        try await awaitResync(rig)
        let report = try await mirror.stop()
        #expect(report.resynced && report.removed > 0 && report.foreignChanges == 0)
    }

    /// Waits until every key of the source has its history in the target, and every other key there is gone.
    private func awaitResync(_ rig: MirrorRig) async throws {
        try await eventually("the target to be equal", timeout: .seconds(30)) {
            let (source, target) = (
                try await rig.histories("src", on: rig.from), try await rig.histories("dst", on: rig.to)
            )
            return Set(source.keys).isSubset(of: target.keys)
                && target.allSatisfy { key, history in
                    source[key].map { $0 == history } ?? (history.count == 1 && history[0][0] == "KV-Operation: PURGE")
                }
        }
    }

    @Test("A source that lost writes stops the mirror, or the target becomes equal to it")
    func regressed() async throws {
        let rig = try await MirrorRig(servers: 2)
        defer { rig.close() }
        try await rig.from.withClient { try $0.fill("src", count: 100, keys: 40, size: 20, seed: 41) }
        let store = rig.from.directory.file("store")
        try await rig.from.stop()
        try await copy(store, to: rig.from.directory.file("before"))
        try await rig.from.restart()
        try await rig.from.withClient { try $0.fill("src", count: 50, keys: 50, size: 20, seed: 42) }
        #expect(try await rig.mirror(try MirrorRig.once()).resumeRevision == 150)
        try await rig.from.stop()
        try await copy(rig.from.directory.file("before"), to: store)
        try await rig.from.restart()
        await expect(.sourceRegressed) { try await rig.mirror(try MirrorRig.once()) }
        try await rig.from.withClient { try $0.fill("src", count: 50, keys: 45, size: 20, seed: 43) }
        await expect(.sourceDiverged) { try await rig.mirror(try MirrorRig.once()) }
        #expect(try await rig.mirror(try MirrorRig.once { $0.onRecreate = .resync }).resynced)
        try await awaitResync(rig)
        #expect(try await rig.mirror(try MirrorRig.once()).written == 0)
    }

    private func copy(_ folder: String, to other: String) async throws {
        var plan = ChildProcess.Plan(program: "/bin/sh")
        plan.arguments = ["-c", "rm -rf '\(other)' && cp -a '\(folder)' '\(other)'"]
        let child = try ChildProcess(plan)
        #expect(try await onOwnThread { child.blockUntilExit(seconds: 20) } != nil)
    }

    @Test("A source that is gone is waited for; a target that is gone ends the mirror, and the next run fills it anew")
    func gone() async throws {
        let rig = try await MirrorRig()
        defer { rig.close() }
        try await rig.from.withClient { try $0.fill("src", count: 100, keys: 40, size: 20, seed: 51) }
        let mirror = rig.start()
        try await mirror.live()
        _ = try await rig.to.withClient { try $0.deleteStream("KV_dst") }
        await expect(.targetChanged) { try await mirror.report() }
        let again = try await rig.mirror(try MirrorRig.once())
        #expect(again.isTargetNew && again.fromRevision == 0)
        #expect(try await rig.differences().isEmpty)
        #expect(try await rig.disorder().isEmpty)
        let orphan = rig.start()
        try await orphan.live()
        _ = try await rig.from.withClient { try $0.deleteStream("KV_src") }
        await expect(.sourceGone) { try await orphan.report() }
    }

    @Test("What was pending and is gone from the source before it was sent is not waited for")
    func pendingThatIsGone() async throws {
        let rig = try await MirrorRig(servers: 2)
        defer { rig.close() }
        // More than a server sends ahead.
        try await rig.from.withClient { try $0.fill("src", count: 12_000, size: 4000, seed: 71) }
        let proxy = try TCPProxy(to: rig.from.port)
        defer { proxy.close() }
        proxy.plan(.stall, at: 2_000_000, in: \.toClient)
        let mirror = rig.start(from: proxy.url)
        try await eventually("the source to stall") { proxy.faults == 1 }
        try await rig.from.withClient { _ = try $0.api("STREAM.PURGE.KV_src") }
        proxy.resume()
        try await mirror.live()
        let report = try await mirror.stop()
        #expect(report.written < 12_000, "all was sent before the purge: the test proves nothing")
        #expect(try await rig.mirror(try MirrorRig.once()).outcome == .caughtUp)
    }

    @Test("While the server of a source that is gone is away as well, the source is waited for")
    func goneWithItsServer() async throws {
        let rig = try await MirrorRig()
        defer { rig.close() }
        let server = rig.from
        try await MirrorRig.withBuckets(server.url) { buckets in
            let impatient = Buckets(JetStreamContext(buckets.context.connection, timeout: .milliseconds(500)))
            let source = try await impatient.bucket(try BucketName("src"))
            var mirror = Mirror(source, to: impatient, as: try BucketName("dst"))
            mirror.returnPatience = .seconds(1)
            let waiting = mirror
            try await server.kill()
            let task = Task { try await waiting.awaitReturn(of: MirrorFailure.gone(source)) }
            let begin = ContinuousClock.now
            try await eventually("more time than a deleted source has") { begin.duration(to: .now) > .seconds(2) }
            try await server.restart()
            try await task.value
        }
    }

    @Test("Leaders that change, and a node that dies, lose and repeat nothing", .enabled(if: isLongRun))
    func leaders() async throws {
        let cluster = try await ServerCluster.start(configuration: "")
        defer { cluster.close() }
        let (first, second) = (cluster.nodes[0], cluster.nodes[1])
        try await first.withClient { client in
            try client.createBucket("src", history: 5, more: #""duplicate_window":100000000"#)
            try client.updateStream(
                try client.streamInfo("KV_src").configuration.replacing(
                    "\"num_replicas\":1",
                    with: "\"num_replicas\":3"
                )
            )
        }
        let rig = MirrorRig(from: first, to: second)
        let mirror = rig.start()
        try await mirror.live()
        for round in 0..<8 {
            let stream = round % 2 == 0 ? "KV_dst" : "KV_src"
            try await insist("some writes", on: first) {
                try $0.fill("src", count: 400, keys: 200, size: 50, seed: UInt64(round))
            }
            try await insist("another leader of \(stream)", on: second) {
                _ = try $0.api("STREAM.LEADER.STEPDOWN.\(stream)")
            }
        }
        // A question that nobody leads is never answered.
        let leaders: @Sendable (RawNATS) throws -> Void = { client in
            for stream in ["KV_src", "KV_dst"] { _ = try client.streamInfo(stream) }
        }
        try await insist("leaders", on: second, leaders)
        try await rig.awaitEqual()
        try await cluster.nodes[2].kill()
        try await insist("writes after that", on: first) {
            try $0.fill("src", count: 300, keys: 200, size: 50, seed: 62)
        }
        try await insist("leaders after that", on: second, leaders)
        try await rig.awaitEqual()
        try await cluster.nodes[2].restart()
        #expect(try await rig.disorder().isEmpty)
        #expect(try await mirror.stop().foreignChanges == 0)
    }

    /// Asks until there is an answer: while a stream has no leader there is none.
    private func insist(
        _ what: String,
        on server: ServerProcess,
        _ body: @escaping @Sendable (RawNATS) throws -> Void
    ) async throws {
        try await eventually(what) {
            do {
                try await onOwnThread {
                    let client = try RawNATS(port: server.port, timeout: 3)
                    defer { client.close() }
                    try body(client)
                }
                return true
            } catch is RawNATSError {
                return false
            }
        }
    }
}
