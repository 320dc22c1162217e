import JetStream
import KVModel
import Synchronization
import TestSupport
import Testing

@testable import KeyValue

@Suite("Locks")
struct PatternLockTests {
    /// Runs `body` for each way in which a bucket of this version can let leases expire, at the same time, on servers
    /// of their own.
    private func inEachWay(
        _ binary: ServerBinary,
        seconds: Int64,
        _ body: @escaping @Sendable (KeyValueBucket, ServerProcess) async throws -> Void
    ) async throws {
        try await withThrowingTaskGroup { group in
            for way in Expiring.all(binary) {
                group.addTask {
                    try await withBuckets(binary) { buckets, server in
                        let configuration = try way.configuration("locks", seconds: seconds)
                        try await body(KeyValueBucket(try await buckets.create(configuration)), server)
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    @Test("One has it, others wait for its release", arguments: ServerBinary.all)
    func release(binary: ServerBinary) async throws {
        try await inEachWay(binary, seconds: 60) { bucket, server in
            let lock = try DistributedLock(bucket, key: "jobs.nightly", lease: .seconds(60), label: "first")
            let first = try #require(try await lock.tryAcquire())
            #expect(first.isValid)
            #expect(first.remaining > .seconds(30))
            let entry = try #require(try await bucket.get("jobs.nightly", consistency: .leader))
            #expect(entry.revision == first.token)
            #expect(entry.string?.hasSuffix(" first") == true)
            #expect(try await lock.tryAcquire() == nil)
            await expect(.lockHeld) { _ = try await lock.acquire(timeout: .milliseconds(50)) }
            // Another key is another lock.
            let other = try await DistributedLock(bucket, key: "jobs.other", lease: .seconds(60)).acquire()
            #expect(other.isValid)

            let waiting = Task { try await lock.acquire() }
            try await eventually("the waiter watches") {
                try await server.withClient { try $0.consumers(of: bucket.name.streamName) } == 1
            }
            try await first.renew()
            #expect(first.isValid)
            try await first.release()
            #expect(!first.isValid)
            await expect(.lockLost) { try first.check() }
            await expect(.lockLost) { try await first.renew() }
            let second = try await waiting.value
            #expect(second.isValid)
            #expect(second.token > first.token)
            // What was released long ago takes nothing from who has it now.
            try await first.release()
            try await second.renew()
            #expect(try await bucket.get("jobs.nightly", consistency: .leader) != nil)
            try await second.release()
            try await other.release()
            #expect(try await bucket.get("jobs.nightly", consistency: .leader) == nil)
            try await eventually("the waiter's consumer is gone") {
                try await server.withClient { try $0.consumers(of: bucket.name.streamName) } == 0
            }
        }
    }

    @Test("Who waits has it when a holder's connection dies, not before it knows", arguments: ServerBinary.all)
    func expiry(binary: ServerBinary) async throws {
        try await inEachWay(binary, seconds: 6) { bucket, server in
            try await withBucket(bucket.name, through: server) { lonely, proxy in
                let lock = try DistributedLock(lonely, key: "k", lease: .seconds(6))
                let holder = try await lock.acquire()
                let running = Task { try await holder.run() }
                let waiting = Task {
                    let lease = try await DistributedLock(bucket, key: "k", lease: .seconds(6)).acquire()
                    // Both judge by the same clock here.
                    #expect(!holder.isValid)
                    return lease
                }
                // It is renewed for longer than it lasts.
                try await eventually("two renewals") {
                    (try await bucket.latest("k", consistency: .leader)?.revision ?? 0) >= holder.token + 2
                }
                #expect(holder.isValid)
                proxy.block()
                proxy.cut()
                await expect(.lockLost) { try await running.value }
                let next = try await waiting.value
                #expect(next.token > holder.token)
                await expect(.lockLost) { try await holder.renew() }
                try await next.release()
            }
        }
    }

    @Test("Never two have it while connections are killed", .serialized, arguments: ServerBinary.all)
    func killedConnections(binary: ServerBinary) async throws {
        try await inEachWay(binary, seconds: 2) { bucket, server in
            let guarded = Guarded()
            try await withThrowingTaskGroup { group in
                for number in 0..<3 {
                    group.addTask {
                        try await withBucket(bucket.name, through: server) { bucket, proxy in
                            proxy.plan(.cut, at: 4_000 + 500 * number, 12_000, in: \.toServer)
                            proxy.plan(.cut, at: 7_000 + 500 * number, 16_000, in: \.toClient)
                            let lock = try DistributedLock(bucket, key: "k", lease: .seconds(2))
                            while guarded.holders < 40 || proxy.faults < 3 {
                                try await useOnce(lock, guarded)
                            }
                        }
                    }
                }
                try await group.waitForAll()
            }
            #expect(guarded.violations.isEmpty)
        }
    }

    @Test("Never two have it while the server stands still", .serialized, arguments: ServerBinary.all)
    func frozenServer(binary: ServerBinary) async throws {
        try await inEachWay(binary, seconds: 1) { bucket, server in
            let guarded = Guarded()
            let (losses, isFrozen, isOver) = (Collected<Void>(), Flag(), Flag())
            try await withThrowingTaskGroup { group in
                for _ in 0..<3 {
                    group.addTask {
                        let lock = try DistributedLock(bucket, key: "k", lease: .seconds(1))
                        while !isOver.isSet {
                            // Who has it then stays until told to go.
                            if try await !useOnce(lock, guarded, whileSet: isFrozen) { losses.add(()) }
                        }
                    }
                }
                group.addTask {
                    try await eventually("some holders") { guarded.holders >= 5 }
                    isFrozen.set(true)
                    try await eventually("a holder") { guarded.isInUse }
                    server.pause()
                    try await eventually("the loss of the lock") { !losses.all.isEmpty }
                    isFrozen.set(false)
                    server.resume()
                    let before = guarded.holders
                    try await eventually("new holders") { guarded.holders >= before + 5 }
                    isOver.set(true)
                }
                try await group.waitForAll()
            }
            #expect(guarded.violations.isEmpty)
        }
    }

    /// Takes the lock and uses what it guards for a moment, or as long as a flag is set; false if it was lost meanwhile.
    @discardableResult
    private func useOnce(_ lock: DistributedLock, _ guarded: Guarded, whileSet flag: Flag = Flag()) async throws -> Bool
    {
        do {
            try await lock.withLock { lease in
                defer { guarded.leave() }
                for _ in 0..<3 {
                    guarded.use(lease)
                    try await Task.sleep(for: .milliseconds(1))
                }
                while flag.isSet {
                    guarded.use(lease)
                    try await Task.sleep(for: .milliseconds(5))
                }
                guarded.use(lease)
            }
            return true
        } catch let error as KeyValueError where error.code == .lockLost {
            return false
        }
    }

    @Test("A lock whose answer was lost is known again", .serialized, arguments: ServerBinary.all)
    func lostAnswer(binary: ServerBinary) async throws {
        try await inEachWay(binary, seconds: 60) { bucket, server in
            try await withBucket(bucket.name, through: server) { distant, proxy in
                let lock = try DistributedLock(distant, key: "k", lease: .seconds(60))
                // Beyond the answer to a server's PING, which may come just then.
                proxy.plan(.stall, at: proxy.count.toServer + 100, in: \.toServer)
                let taking = Task { try await lock.tryAcquire() }
                try await eventually("the entry") { try await bucket.get("k", consistency: .leader) != nil }
                let stored = try #require(try await bucket.get("k", consistency: .leader))
                proxy.cut()
                proxy.resume()
                let lease = try #require(try await taking.value)
                #expect(lease.token == stored.revision)
                #expect(lease.isValid)
                // And so is a renewal.
                let faults = proxy.faults
                proxy.plan(.stall, at: proxy.count.toServer + 100, in: \.toServer)
                let renewing = Task { try await lease.renew() }
                try await eventually("the stall") { proxy.faults > faults }
                proxy.cut()
                proxy.resume()
                // Whether the question or the answer was lost is up to chance.
                _ = await renewing.result
                try await eventually("a renewal with an answer") {
                    do {
                        try await lease.renew()
                        return true
                    } catch let error as KeyValueError where error.code == .unanswered {
                        return false
                    }
                }
                #expect(lease.isValid)
                try await lease.release()
                #expect(try await bucket.get("k", consistency: .leader) == nil)
            }
        }
    }

    @Test("The body of a lock that is lost is cancelled, and its result is none")
    func lostBody() async throws {
        try await inEachWay(try .newest, seconds: 4) { bucket, server in
            let lock = try DistributedLock(bucket, key: "k", lease: .seconds(4))
            #expect(try await lock.withLock { _ in 7 } == 7)
            await #expect(throws: TestFailure.self) { try await lock.withLock { _ in throw TestFailure() } }
            // Released early, it is not lost.
            #expect(
                try await lock.withLock { lease in
                    try await lease.release()
                    return 8
                } == 8
            )
            #expect(try await bucket.get("k", consistency: .leader) == nil)
            // Taken away: by the key's removal.
            let wasCancelled = Flag()
            await expect(.lockLost) {
                try await lock.withLock { _ in
                    try await bucket.purge("k")
                    do { try await Task.sleep(for: .seconds(60)) } catch { wasCancelled.set(true) }
                }
            }
            #expect(wasCancelled.isSet)
            // Cancelled from outside it is given back.
            let isInside = Flag()
            let holding = Task {
                try await lock.withLock { _ in
                    isInside.set(true)
                    try await Task.sleep(for: .seconds(60))
                }
            }
            try await eventually("the body") { isInside.isSet }
            holding.cancel()
            await #expect(throws: CancellationError.self) { try await holding.value }
            #expect(try await bucket.get("k", consistency: .leader) == nil)
        }
    }

    @Test("A clock that jumps ends a lease for its holder")
    func jumpingClock() async throws {
        try await inEachWay(try .newest, seconds: 60) { bucket, _ in
            let jump = Jump()
            let lock = try DistributedLock(bucket, key: "k", lease: .seconds(60)) { .now + jump.length }
            let lease = try await lock.acquire()
            let running = Task { try await lease.run() }
            jump.length = .seconds(40)
            #expect(lease.isValid)
            jump.length = .seconds(51)
            #expect(!lease.isValid)
            #expect(lease.remaining == .zero)
            // Nor does it come back with the clock.
            await expect(.lockLost) { try lease.check() }
            jump.length = .zero
            #expect(!lease.isValid)
            running.cancel()
            _ = await running.result
            // What is left of it can be given back all the same.
            try await lease.release()
            #expect(try await bucket.get("k", consistency: .leader) == nil)
        }
    }

    @Test("Waiters that are cancelled leave nothing behind")
    func cancelledWaiters() async throws {
        try await inEachWay(try .newest, seconds: 60) { bucket, server in
            let lock = try DistributedLock(bucket, key: "k", lease: .seconds(60))
            let holder = try await lock.acquire()
            let waiting = (0..<8).map { _ in Task { try await lock.acquire() } }
            try await eventually("eight waiters") {
                try await server.withClient { try $0.consumers(of: bucket.name.streamName) } == 8
            }
            for waiter in waiting { waiter.cancel() }
            for waiter in waiting { await #expect(throws: CancellationError.self) { try await waiter.value } }
            try await eventually("no waiters") {
                try await server.withClient { try $0.consumers(of: bucket.name.streamName) } == 0
            }
            #expect(holder.isValid)
            try await holder.release()
            #expect(try await bucket.latest("k", consistency: .leader)?.operation == .purge)
        }
    }

    @Test("Who waits goes on waiting over a restart of the server", .serialized, arguments: ServerBinary.all)
    func restart(binary: ServerBinary) async throws {
        try await inEachWay(binary, seconds: 60) { bucket, server in
            let lock = try DistributedLock(bucket, key: "k", lease: .seconds(60))
            let holder = try await lock.acquire()
            let waiting = Task { try await lock.acquire() }
            try await eventually("the waiter watches") {
                try await server.withClient { try $0.consumers(of: bucket.name.streamName) } == 1
            }
            try await holder.renew()
            try await server.kill()
            try await server.restart()
            try await eventually("the release") {
                do {
                    try await holder.release()
                    return true
                } catch let error as KeyValueError where error.code == .unanswered {
                    return false
                }
            }
            let next = try await waiting.value
            #expect(next.token > holder.token)
            try await next.release()
        }
    }

    @Test("Buckets in which nothing expires are refused", .serialized, arguments: ServerBinary.all)
    func refusals(binary: ServerBinary) async throws {
        try await withBuckets(binary) { buckets, _ in
            let bucket = KeyValueBucket(try await buckets.create(BucketConfiguration(name: try BucketName("plain"))))
            await expect(.unsupported) { _ = try DistributedLock(bucket, key: "k") }
            await expect(.unsupported) { _ = try ServiceRegistry(bucket) }
            let expiring = try Expiring.bucket.configuration("short", seconds: 60)
            let short = KeyValueBucket(try await buckets.create(expiring))
            await expect(.invalidOption) { _ = try DistributedLock(short, key: "k", lease: .seconds(61)) }
            await expect(.invalidOption) { _ = try DistributedLock(short, key: "k", lease: .milliseconds(999)) }
            await expect(.invalidKey) { _ = try DistributedLock(short, key: "not legal", lease: .seconds(60)) }
            // What somebody else put under the key is held by them.
            let lock = try DistributedLock(short, key: "k", lease: .seconds(60))
            try await short.put("k", "mine")
            #expect(try await lock.tryAcquire() == nil)
            await expect(.bucketNotFound) {
                try await buckets.delete(short.name)
                _ = try await lock.acquire(timeout: .seconds(20))
            }
        }
    }
}

/// By how much a clock is wrong.
private final class Jump: Sendable {
    private let state = Mutex(Duration.zero)

    var length: Duration {
        get { state.withLock { $0 } }
        set { state.withLock { $0 = newValue } }
    }
}

/// What a body of these tests throws.
struct TestFailure: Error {}

extension RawNATS {
    /// How many consumers a stream has.
    func consumers(of stream: String) throws -> Int {
        (try api("CONSUMER.NAMES.\(stream)")["consumers"] as? [String])?.count ?? 0
    }
}
