import JetStream
import KVModel
import TestSupport
import Testing

@testable import KeyValue

@Suite("Feature flags")
struct PatternFlagTests {
    private struct Limits: Codable, Equatable {
        var requests = 10
        var burst: Int?
    }

    private let isDark = FeatureFlag<Bool>("dark-mode", default: false)
    private let limit = FeatureFlag<Int>("limit", default: 10)

    private func makeBucket(_ buckets: Buckets) async throws -> KeyValueBucket {
        KeyValueBucket(try await buckets.create(BucketConfiguration(name: try BucketName("flags"))))
    }

    /// Follows a bucket's flags while `body` runs.
    private func following(
        _ flags: FeatureFlags,
        _ body: @escaping @Sendable () async throws -> Void
    ) async throws {
        try await withThrowingTaskGroup { group in
            group.addTask { try await flags.run() }
            try await flags.waitUntilCurrent()
            try await body()
            group.cancelAll()
            try await group.waitForAll()
        }
    }

    @Test("Values are read as people type them, and nothing else is taken for one")
    func decoding() throws {
        func decode<Value>(_ flag: FeatureFlag<Value>, _ text: String) -> Value? {
            do { return try flag.decode(Array(text.utf8)) } catch { return nil }
        }
        for text in ["true", "on", "yes", "1", "ON", " True\n"] { #expect(decode(isDark, text) == true, "\(text)") }
        for text in ["false", "off", "no", "0", "Off\r\n"] { #expect(decode(isDark, text) == false, "\(text)") }
        for text in ["", "2", "truely", "on off", "null"] { #expect(decode(isDark, text) == nil, "\(text)") }
        #expect(decode(limit, "-12\n") == -12)
        for text in ["", "1.5", "ten", "9223372036854775808"] { #expect(decode(limit, text) == nil, "\(text)") }
        let share = FeatureFlag<Double>("share", default: 0.5)
        #expect(decode(share, "0.25") == 0.25)
        for text in ["", "nan", "inf", "1e999", "half"] { #expect(decode(share, text) == nil, "\(text)") }
        let color = FeatureFlag<String>("color", default: "blue")
        #expect(decode(color, " red\n") == " red\n")
        #expect(throws: (any Error).self) { try color.decode([0xff]) }
        let limits = FeatureFlag(json: "limits", default: Limits())
        #expect(decode(limits, #"{"requests":3}"#) == Limits(requests: 3))
        for text in ["", "[]", #"{"requests":"3"}"#] { #expect(decode(limits, text) == nil, "\(text)") }
        // What is written is read again.
        #expect(try isDark.decode(isDark.encode(true)))
        #expect(try limit.decode(limit.encode(.min)) == .min)
        #expect(try share.decode(share.encode(1e-300)) == 1e-300)
        #expect(try color.decode(color.encode("grün")) == "grün")
        #expect(try limits.decode(limits.encode(Limits(requests: 7, burst: 1))) == Limits(requests: 7, burst: 1))
    }

    @Test("Flags follow the bucket, and go on after the server was killed", .serialized, arguments: ServerBinary.all)
    func restart(binary: ServerBinary) async throws {
        try await withBuckets(binary) { buckets, server in
            let bucket = try await makeBucket(buckets)
            try await bucket.put("limit", "20")
            let problems = Collected<KeyValueError>()
            let flags = FeatureFlags(bucket) { problems.add($0) }
            #expect(!flags.isCurrent)
            #expect(flags[limit] == 10)
            let seen = Collected<Int>()
            try await following(flags) { [isDark, limit] in
                #expect(flags.isCurrent)
                #expect(flags[limit] == 20)
                #expect(!flags[isDark])
                try await withThrowingTaskGroup { group in
                    group.addTask { for await value in flags.changes(of: limit) { seen.add(value) } }
                    try await eventually("the present value") { seen.all == [20] }
                    try await flags.set(isDark, to: true)
                    try await eventually("the flag") { flags[isDark] }
                    try await bucket.put("limit", "many")
                    try await eventually("the default") { seen.all == [20, 10] }
                    #expect(flags[limit] == 10)
                    #expect(problems.all.map(\.code) == [.undecodable])
                    #expect(problems.last?.key == "limit")

                    try await server.kill()
                    #expect(flags[isDark])
                    try await server.restart()
                    try await eventually("the server") {
                        do {
                            try await flags.set(limit, to: 30)
                            return true
                        } catch let error as KeyValueError where error.code == .unanswered {
                            return false
                        }
                    }
                    try await eventually("the value after the restart") { seen.last == 30 }
                    #expect(flags[isDark])
                    #expect(flags.isCurrent)
                    try await bucket.delete("dark-mode")
                    try await bucket.purge("limit")
                    try await eventually("the defaults") { !flags[isDark] && seen.last == 10 }
                    #expect(problems.all.count == 1)
                    group.cancelAll()
                }
            }
            #expect(!flags.isCurrent)
        }
    }

    @Test("A bucket that is out of reach, or made again, is told and followed again")
    func patience() async throws {
        try await withBuckets { buckets, server in
            let bucket = try await makeBucket(buckets)
            try await bucket.put("limit", "20")
            try await bucket.put("dark-mode", "on")
            let problems = Collected<KeyValueError>()
            let flags = FeatureFlags(bucket, patience: .milliseconds(300)) { problems.add($0) }
            try await following(flags) { [isDark, limit] in
                try await server.stop()
                try await eventually("the end of patience") { !flags.isCurrent }
                #expect(flags[limit] == 20)
                #expect(problems.all.count == 1)
                try await server.restart()
                try await flags.waitUntilCurrent()
                #expect(flags[limit] == 20)

                try await buckets.delete(bucket.name)
                try await eventually("the end of the bucket") { !flags.isCurrent }
                #expect(flags[limit] == 20)
                let again = try await makeBucket(buckets)
                try await again.put("limit", "40")
                try await eventually("the values of the new bucket") { flags[limit] == 40 && !flags[isDark] }
                try await flags.waitUntilCurrent()
            }
        }
    }

    @Test("Flags are followed by one task, and end with it")
    func ending() async throws {
        try await withBuckets { buckets, server in
            let bucket = try await makeBucket(buckets)
            let flags = FeatureFlags(bucket, matching: [try KeyPattern("limit"), try KeyPattern("web.>")])
            let waiting = Task { try await flags.waitUntilCurrent() }
            waiting.cancel()
            await #expect(throws: CancellationError.self) { try await waiting.value }
            let changes = Task { [limit] in
                var seen: [Int] = []
                for await value in flags.changes(of: limit) { seen.append(value) }
                return seen
            }
            try await following(flags) { [isDark] in
                await expect(.invalidOption) { try await flags.run() }
                #expect(flags.isCurrent)
                // Another key is not watched.
                try await flags.set(isDark, to: true)
                let depth = FeatureFlag("web.depth", default: 0)
                try await flags.set(depth, to: 3)
                try await eventually("the flag") { flags[depth] == 3 }
                #expect(!flags[isDark])
            }
            #expect(await changes.value == [10])
            try await eventually("the consumer is gone") {
                try await server.withClient { try $0.consumers(of: bucket.name.streamName) } == 0
            }
        }
    }
}
