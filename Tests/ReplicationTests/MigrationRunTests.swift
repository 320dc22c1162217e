import Archive
import KVModel
import KeyValue
import Replication
import Synchronization
import TestSupport
import Testing

/// What happens between a migration's plan and its end.
@Suite("Migrations as they run", .serialized)
struct MigrationRunTests {
    private func migrate(
        _ rig: ExactRig,
        _ settings: [String],
        between: @Sendable () async throws -> Void = {},
        progress: @escaping @Sendable (MigrationProgress) -> Void = { _ in }
    ) async throws -> MigrationReport {
        let archive = rig.archive
        return try await rig.withBuckets { buckets in
            let writer = try ArchiveWriter.open(path: archive, createIfMissing: true)
            defer { writer.closeQuietly() }
            var options = Migration.Options()
            options.settings = settings
            let name = try BucketName("src")
            let migration = Migration(of: name, in: buckets, by: writer, options: options, progress: progress)
            let plan = try await migration.plan()
            try await between()
            return try await migration.run(plan)
        }
    }

    @Test("What comes after the plan and does not go with it is found before the bucket is deleted")
    func cameMeanwhile() async throws {
        var rig = try await ExactRig(try ServerBinary.newest)
        defer { rig.close() }
        try await rig.prepare(300, largeValues: 0)
        let (before, server) = (try await rig.server.withClient { try $0.streamInfo("KV_src") }, rig.server)
        let large = RawPut(key: Array("large".utf8), value: [UInt8](repeating: 1, count: 100_000))
        await #expect {
            _ = try await migrate(rig, ["storage=memory", "max-value-size=64KiB"]) {
                try await server.withClient { _ = try $0.putMany("src", [large]) }
            }
        } throws: { ($0 as? ReplicationError)?.code == .targetRefuses }
        let after = try await server.withClient { try $0.streamInfo("KV_src") }
        #expect(after.configuration == before.configuration && after.created == before.created)
        #expect(after.lastSequence == before.lastSequence + 1)
        try await server.withClient { _ = try $0.put("src", "goes", "on") }
    }

    @Test("It goes by the life that the bucket has, not by the newest in the archive")
    func olderLife() async throws {
        var rig = try await ExactRig(try ServerBinary.newest)
        defer { rig.close() }
        try await rig.server.withClient { client in
            try client.createBucket("src", history: 5)
            try client.fill("src", count: 100, keys: 50, size: 20, seed: 1)
        }
        try await rig.capture()
        let (first, created) = (rig.messages, try await rig.server.withClient { try $0.streamInfo("KV_src").created })
        try await rig.server.withClient { client in
            try client.deleteStream("KV_src")
            try client.createBucket("src", history: 5)
            try client.fill("src", count: 100, keys: 60, size: 30, seed: 2)
        }
        try await rig.capture()
        try await rig.restore("src") { options in
            options.created = created
            options.replaces = true
        }
        #expect(try await rig.read("src") == first)
        let report = try await migrate(rig, ["storage=memory"])
        #expect(report.outcome == .migrated)
        #expect(try await rig.read("src") == first)
    }

    @Test("Where a server cannot keep writers out of a replay, it stops, and what they wrote is kept")
    func strays() async throws {
        var rig = try await ExactRig(try ServerBinary.named("2.9.10"))
        defer { rig.close() }
        try await rig.prepare(8000, largeValues: 0)
        let before = rig.messages
        let intruder = Intruder(port: rig.server.port)
        await #expect {
            _ = try await migrate(
                rig,
                ["storage=memory"],
                progress: { if $0.activity == .writing, $0.entries > 0 { intruder.attempt() } }
            )
        } throws: { "\($0)".contains("--rollback") }
        #expect(intruder.stored > 0)
        let archive = rig.archive
        let report = try await rig.withBuckets { buckets in
            let writer = try ArchiveWriter.open(path: archive, createIfMissing: false)
            defer { writer.closeQuietly() }
            let name = try BucketName("src")
            let open = try #require(try JournaledMigration.last(of: name, cluster: nil, in: try writer.reader()))
            return try await Migration(of: name, in: buckets, by: writer, options: .init()).rollBack(open)
        }
        #expect(report.outcome == .rolledBack)
        #expect(try await rig.read("src") == before)
        let strays = try #require(report.strays)
        let reader = try ArchiveReader.open(path: archive)
        let revision = try reader.resolve(.newest, in: strays.id)
        var found = 0
        try reader.state(of: strays.id, at: revision).forEachOutline { entry, _ in
            if entry.key.elementsEqual("intruder".utf8) { found += 1 }
        }
        #expect(found == intruder.stored)
    }
}

/// Writes into the bucket, a few times at most.
private final class Intruder: Sendable {
    private let port: Int
    private let counts = Mutex((stored: 0, attempts: 0))

    init(port: Int) {
        self.port = port
    }

    var stored: Int { counts.withLock { $0.stored } }

    func attempt() {
        let attempts = counts.withLock { counts in
            counts.attempts += 1
            return counts.attempts
        }
        guard attempts <= 3 else { return }
        do {
            let client = try RawNATS(port: port, timeout: 5)
            defer { client.close() }
            try client.put("src", "intruder", "value")
            counts.withLock { $0.stored += 1 }
        } catch {
            Issue.record("the intruder was kept out: \(error)")
        }
    }
}
