import Archive
import JetStream
import KVModel
import KeyValue
import Replication
import TestSupport
import Testing

@Suite("Rates", .serialized)
struct RateTests {
    private static func seconds(_ duration: Duration) -> Double {
        Double(duration.components.seconds) + Double(duration.components.attoseconds) / 1e18
    }

    @Test("Whatever the pieces, no more passes than the rate allows, and hardly less", arguments: 0..<40)
    func tokenBucket(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let rate = UInt64.random(in: 1...50_000_000, using: &random)
        let start = Duration.seconds(Int64.random(in: 0...1000, using: &random))
        var bucket = TokenBucket(bytesPerSecond: rate, at: start)
        var now = start
        var passed = 0.0
        var rested = Duration.zero
        for _ in 0..<500 {
            let bytes = Int.random(in: 0...Int(rate / 2 + 10), using: &random)
            // What has passed before is within the rate; this piece is let pass whole.
            #expect(passed <= Self.seconds(now - start) * Double(rate) + bucket.capacity + 1)
            passed += Double(bytes)
            now += bucket.take(bytes, at: now)
            guard random.chance(1, in: 5) else { continue }
            let rest = Duration.milliseconds(Int64.random(in: 0...2000, using: &random))
            rested += rest
            now += rest
        }
        let needed = passed / Double(rate)
        #expect(Self.seconds(now - start) <= needed + Self.seconds(rested) + 0.001)
    }

    @Test("A clock that steps back brings nothing")
    func clock() {
        var bucket = TokenBucket(bytesPerSecond: 1000, at: .seconds(10))
        #expect(bucket.take(100, at: .seconds(10)) == .zero)
        #expect(bucket.take(500, at: .seconds(5)) == .milliseconds(500))
        #expect(bucket.take(0, at: .seconds(10)) == .milliseconds(500))
        #expect(bucket.take(0, at: .seconds(11)) == .zero)
    }

    @Test("A backup and a restore keep to their rates, and lose nothing", arguments: ServerBinary.all)
    func throttled(binary: ServerBinary) async throws {
        let server = try await ServerProcess.start(binary)
        defer { server.close() }
        let folder = try TemporaryDirectory("rate")
        defer { folder.remove() }
        try await server.withClient { client in
            try client.createBucket("src", history: 64)
            try client.fill("src", count: 3000, keys: 500, size: 1000, seed: 1)
        }
        try await server.withBuckets { buckets in
            let path = folder.file("a.cistern")
            let writer = try ArchiveWriter.open(path: path, createIfMissing: true)
            var options = Capture.Options()
            options.bytesPerSecond = 2_000_000
            let report = try await Capture(
                try await buckets.bucket(try BucketName("src")),
                into: writer,
                options: options
            )
            .run()
            #expect(report.outcome == .complete && report.entries == 3000)
            #expect(report.interruptions == 0)
            #expect(report.duration > .milliseconds(1250), "3 MB at 2 MB/s took \(report.duration)")
            let reader = try ArchiveReader.open(path: path)
            for mode in [RestoreOptions.Mode.exact, .replay] {
                var restoring = RestoreOptions()
                restoring.newName = try BucketName(mode.rawValue)
                restoring.mode = mode
                restoring.bytesPerSecond = 2_000_000
                let restore = Restore(from: reader, to: buckets, options: restoring)
                let restored = try await restore.run(try await restore.prepare())
                #expect(restored.mode == mode && restored.interruptions == 0)
                #expect(restored.comparison?.isEqual == true)
                #expect(restored.duration > .milliseconds(1250), "3 MB at 2 MB/s took \(restored.duration)")
            }
        }
    }

    @Test("A rate far below the size of an entry only takes its time")
    func slow() async throws {
        let server = try await ServerProcess.start()
        defer { server.close() }
        let folder = try TemporaryDirectory("rate")
        defer { folder.remove() }
        _ = try await server.withClient { client in
            try client.createBucket("src")
            try client.fill("src", count: 12, size: 400_000, seed: 2)
        }
        try await server.withBuckets { buckets in
            let writer = try ArchiveWriter.open(path: folder.file("a.cistern"), createIfMissing: true)
            var options = Capture.Options()
            options.bytesPerSecond = 600_000
            let report = try await Capture(
                try await buckets.bucket(try BucketName("src")),
                into: writer,
                options: options
            )
            .run()
            #expect(report.outcome == .complete && report.entries == 12 && report.interruptions == 0)
            #expect(report.duration > .seconds(6), "4.8 MB at 600 kB/s took \(report.duration)")
        }
    }
}
