import JetStream
import KVModel
import TestSupport
import Testing

@testable import KeyValue

@Suite("Counters")
struct PatternCounterTests {
    private func makeBucket(_ buckets: Buckets) async throws -> KeyValueBucket {
        var configuration = BucketConfiguration(name: try BucketName("counts"))
        configuration.history = 64
        return KeyValueBucket(try await buckets.create(configuration))
    }

    @Test("A counter adds, is read, set, and refuses what is no number", .serialized, arguments: ServerBinary.all)
    func adding(binary: ServerBinary) async throws {
        try await withBuckets(binary) { buckets, _ in
            let bucket = try await makeBucket(buckets)
            let counter = AtomicCounter(bucket, key: "orders.total")
            #expect(try await counter.value == 0)
            #expect(try await counter.add() == 1)
            #expect(try await counter.add(41) == 42)
            #expect(try await bucket.get("orders.total", consistency: .leader)?.string == "42")
            #expect(try await counter.add(-50) == -8)
            #expect(try await counter.reset(to: 7) == -8)
            #expect(try await counter.value == 7)
            try await bucket.delete("orders.total")
            #expect(try await counter.value == 0)
            #expect(try await counter.add(2) == 2)
            try await bucket.purge("orders.total")
            #expect(try await counter.add(3) == 3)
            try await bucket.put("orders.total", String(Int64.max))
            await expect(.invalidOption) { try await counter.add(1) }
            #expect(try await counter.add(-1) == .max - 1)
            for text in ["", "seven", "1.5", "9223372036854775808", " 1"] {
                try await bucket.put("orders.total", text)
                await expect(.undecodable) { _ = try await counter.value }
                await expect(.undecodable) { try await counter.add() }
            }
            await expect(.invalidKey) { try await AtomicCounter(bucket, key: "not legal").add() }
        }
    }

    @Test(
        "No addition is lost or counted twice over connections that are cut",
        .serialized,
        arguments: ServerBinary.all
    )
    func cutConnections(binary: ServerBinary) async throws {
        try await withBuckets(binary) { buckets, server in
            let bucket = try await makeBucket(buckets)
            let answers = Collected<Int64>()
            let uncertain = Collected<Bool>()
            // Twenty tasks on four connections.
            let additions = binary == ServerBinary.all.first ? 100 : 25
            try await withThrowingTaskGroup { group in
                for _ in 0..<4 {
                    group.addTask {
                        try await withBucket(bucket.name, through: server) { bucket, proxy in
                            // Answers and questions are lost in turn.
                            proxy.plan(.cut, at: 10_000, 30_000, in: \.toServer)
                            proxy.plan(.cut, at: 20_000, 60_000, in: \.toClient)
                            let counter = AtomicCounter(bucket, key: "n", attempts: 10_000)
                            try await withThrowingTaskGroup { adders in
                                for _ in 0..<5 {
                                    adders.addTask {
                                        for _ in 0..<additions {
                                            do {
                                                answers.add(try await counter.add())
                                            } catch let error as KeyValueError where error.code == .unanswered {
                                                // The others were too quick for the history to tell.
                                                uncertain.add(true)
                                            }
                                        }
                                    }
                                }
                                try await adders.waitForAll()
                            }
                            #expect(proxy.faults >= 2)
                        }
                    }
                }
                try await group.waitForAll()
            }
            let sum = try await AtomicCounter(bucket, key: "n").value
            let all = answers.all.sorted()
            #expect(all.count + uncertain.all.count == 20 * additions)
            #expect(Set(all).count == all.count && all.last ?? 0 <= sum)
            #expect(sum <= Int64(20 * additions) && sum >= Int64(all.count))
            // Every number was handed out, but for those that nobody got an answer about.
            #expect(Set(1...sum).subtracting(all).count == Int(sum) - all.count)
            #expect(uncertain.all.count < additions, "\(uncertain.all.count) of \(20 * additions) without an answer")
        }
    }

    @Test("No addition is lost or counted twice by a server that is killed", .serialized, arguments: ServerBinary.all)
    func killedServer(binary: ServerBinary) async throws {
        try await withBuckets(binary) { buckets, server in
            let bucket = try await makeBucket(buckets)
            let answers = Collected<Int64>()
            try await withThrowingTaskGroup { group in
                for _ in 0..<8 {
                    group.addTask {
                        let counter = AtomicCounter(bucket, key: "n", attempts: 10_000)
                        for _ in 0..<25 { answers.add(try await counter.add()) }
                    }
                }
                group.addTask {
                    for mark in [50, 120] {
                        try await eventually("\(mark) additions") { answers.all.count >= mark }
                        try await server.kill()
                        try await server.restart()
                    }
                }
                try await group.waitForAll()
            }
            #expect(answers.all.sorted() == Array(1...200))
        }
    }

    @Test("Who is too late each time is told so")
    func conflicts() async throws {
        try await withBuckets { buckets, _ in
            let bucket = try await makeBucket(buckets)
            let waits = Collected<Duration>()
            let refused = Collected<Bool>()
            let counter = AtomicCounter(bucket, key: "n", attempts: 2, random: { 1 }) { waits.add($0) }
            try await withThrowingTaskGroup { group in
                for _ in 0..<100 {
                    group.addTask {
                        do {
                            try await counter.add()
                        } catch let error as KeyValueError where error.code == .conflictTooOften {
                            refused.add(true)
                        }
                    }
                }
                try await group.waitForAll()
            }
            #expect(!refused.all.isEmpty)
            #expect(Set(waits.all) == [.milliseconds(2)])
            #expect(try await counter.value == Int64(100 - refused.all.count))
        }
    }

    @Test("A counter that waits for others ends with its task")
    func cancellation() async throws {
        try await withBuckets { buckets, server in
            let bucket = try await makeBucket(buckets)
            let counter = AtomicCounter(bucket, key: "n")
            try await counter.add()
            server.pause()
            let adding = Task { try await counter.add() }
            adding.cancel()
            await #expect(throws: CancellationError.self) { try await adding.value }
            server.resume()
        }
    }
}
