import Archive
import Foundation
import JetStream
import KVModel
import KeyValue
import Logging
import NATSClient
import NATSProtocol
import Replication
import TestSupport
import Testing

/// What the archive says that a bucket held at each captured point, against what the server was seen to hold there.
@Suite("Points in time on real servers")
struct TimeTravelTests {
    /// Histories on each version of the server.
    static let histories = isLongRun ? 84 : 4

    private struct Point: Sendable {
        var incarnation: IncarnationID
        var revision: Revision
        var time: Timestamp
        var held: [RandomHistory.Held]
        var readUntil: Timestamp
        var history: RandomHistory
    }

    @Test("Every captured point is read back as the server held it", arguments: ServerBinary.all)
    func points(binary: ServerBinary) async throws {
        let server = try await ServerProcess.start(binary)
        defer { server.close() }
        let folder = try TemporaryDirectory("time-travel")
        let configuration = ConnectionConfiguration(servers: try ServerAddress.list(server.url))
        var removals = 0
        for seed in 0..<Self.histories {
            let path = folder.file("\(seed).cistern")
            let found = try await Connection.withConnection(configuration, logger: Logger(label: "test")) {
                connection in
                let buckets = Buckets(JetStreamContext(connection))
                let history = RandomHistory(
                    bucket: "h\(seed)",
                    seed: UInt64(seed),
                    takesTTL: binary.isAtLeast("2.11")
                )
                return try await Self.live(history, server, buckets, path)
            }
            let reader = try ArchiveReader.open(path: path)
            for point in found.points { try Self.check(point, reader, "history \(seed)") }
            #expect(try reader.verify().problems.isEmpty)
            removals += found.removals
        }
        #expect(removals > 0, "nothing vanished: the test proves little")
    }

    private static func live(
        _ start: RandomHistory,
        _ server: ServerProcess,
        _ buckets: Buckets,
        _ path: String
    ) async throws -> (points: [Point], removals: Int) {
        let writer = try ArchiveWriter.open(path: path, createIfMissing: true)
        var history = start
        history = try await server.withClient { client in
            var history = start
            try history.create(client)
            return history
        }
        var points: [Point] = []
        var removals = 0
        for _ in 0..<8 {
            let before = history
            history = try await server.withClient { client in
                var history = before
                try history.live(client)
                return history
            }
            let name = try BucketName(history.bucket)
            let report = try await Capture(try await buckets.bucket(name), into: writer).run()
            let now = history
            let held = try await server.withClient { try now.held($0) }
            removals += report.removals
            let latest = try writer.latestIncarnation(cluster: report.cluster, bucket: name)
            let incarnation = try #require(latest)
            #expect(incarnation.created == report.created)
            let checkpoint = try #require(try writer.checkpoint(incarnation.id))
            points.append(
                Point(
                    incarnation: incarnation.id,
                    revision: try #require(report.consistentRevision),
                    time: try #require(checkpoint.consistentTime),
                    held: held,
                    readUntil: .wallClock(),
                    history: history
                )
            )
        }
        try writer.close()
        return (points, removals)
    }

    private static func check(_ point: Point, _ reader: ArchiveReader, _ name: String) throws {
        let state = try reader.state(of: point.incarnation, at: point.revision, asOf: point.time)
        var cursor = state.makeCursor()
        var archived: [Revision: Timestamp?] = [:]
        while let run = try cursor.next() {
            try run.forEachEntry { archived[$0.revision] = point.history.expiry(of: $0.time, headers: $0.headers) }
        }
        let held = point.held.filter { $0.revision <= point.revision }
        for entry in held where archived[entry.revision] == nil {
            // The server looks for what has expired about once a second: it may hold it a little longer.
            let hasExpired = entry.expiry.map { $0 <= point.time } ?? false
            #expect(hasExpired, "\(name): revision \(entry.revision) is missing at \(point.revision)")
        }
        let there = Set(held.map(\.revision))
        for (revision, expiry) in archived where !there.contains(revision) {
            let hasExpired = expiry.map { $0 <= point.readUntil } ?? false
            #expect(hasExpired, "\(name): revision \(revision) is not gone at \(point.revision)")
        }
    }
}
