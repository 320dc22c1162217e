import Foundation
import JetStream
import KVModel
import KeyValue
import NATSClient
import Synchronization
import TestSupport
import Testing

@Suite("One connection under load", .serialized)
struct LoadTests {
    /// What a sanitizer says is allocated, in bytes, in a process that has one.
    ///
    /// Its shadow grows with every address that was ever in use and is never given back, so that the pages in memory say
    /// nothing there.
    private static let allocated = dlsym(nil, "__sanitizer_get_current_allocated_bytes").map {
        unsafeBitCast($0, to: (@convention(c) () -> Int).self)
    }

    /// What the process holds in memory, in bytes, without what the allocator keeps for later.
    private static func heldMemory() throws -> Int {
        if let allocated { return allocated() }
        // Swift's overlay of glibc leaves `malloc.h` out.
        if let symbol = dlsym(nil, "malloc_trim") {
            _ = unsafeBitCast(symbol, to: (@convention(c) (Int) -> Int32).self)(0)
        }
        let text = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
        let pages = text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
    }

    @Test("100,000 gets and puts at once leave nothing behind", .serialized, arguments: ServerBinary.all)
    func gets(binary: ServerBinary) async throws {
        // In a debug build, and for the versions in between, a part of them shows the same.
        let isEnd = binary == ServerBinary.all.first || binary == ServerBinary.all.last
        let count = isLongRun || (isEnd && Self.isOptimised) ? 100_000 : 10_000
        try await ConformanceRig.run(binary) { rig in
            let server = try await SharedServers.server(binary)
            // In a process of its own: what other tests hold in memory says nothing.
            var plan = ChildProcess.Plan(program: CommandLine.arguments[0])
            plan.arguments = ["--testing-library", "swift-testing", "--filter", "KeyValueTests.LoadTests/measured"]
            plan.environment["CISTERN_LOAD"] = "\(server.url) \(rig.name) \(count)"
            let log = try TemporaryDirectory("load")
            defer { log.remove() }
            plan.output = log.file("log")
            plan.errors = plan.output
            let exit = await (try ChildProcess(plan)).waitForExit()
            let said = try String(contentsOfFile: plan.output, encoding: .utf8)
            #expect(exit.code == 0 && said.contains("Test run with 1 test in 1 suite passed"), "\(said)")
        }
    }

    /// What `gets` has another process do: where, in which bucket, and how many.
    private static let order = ProcessInfo.processInfo.environment["CISTERN_LOAD"]

    @Test("Memory after many gets and puts at once", .enabled(if: order != nil, "a part of another test"))
    func measured() async throws {
        let parts = try #require(Self.order).split(separator: " ").map(String.init)
        let count = try #require(Int(parts[2]))
        let name = try BucketName(parts[1])
        try await withBuckets(at: parts[0]) { buckets in
            // So many at once take a slow machine longer than a request usually may.
            let patient = JetStreamContext(buckets.context.connection, timeout: .seconds(60))
            let kv = try await Buckets(patient).open(name)
            var after: [Int] = []
            for round in 0..<6 {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for number in 0..<count {
                        let key = Key("k.\(number % 1000)")
                        if number % 2 == 0 {
                            group.addTask { try await kv.put(key, "\(round)") }
                        } else {
                            group.addTask { _ = try await kv.get(key) }
                        }
                    }
                    try await group.waitForAll()
                }
                #expect(kv.bucket.context.connection.requestsUnderWay == 0)
                after.append(try Self.heldMemory())
            }
            // The first rounds fill caches; from then on there is no growth. A buffer may still be on its way out.
            let end = min(after[4], after[5])
            let buffers = Self.allocated == nil ? 8 << 20 : 1 << 20
            #expect(end < after[1] + after[1] / 10 + buffers, "\(after.map { $0 >> 10 }) KiB")
            print("after each round: \(after.map { $0 >> 10 }) KiB")
        }
    }

    @Test("1,000 watchers see each its own, one that never reads keeps nobody waiting")
    func watchers() async throws {
        try await withBuckets { buckets, server in
            // While a watch is away nothing that it is to see may be superseded.
            var configuration = BucketConfiguration(name: try BucketName("app"))
            configuration.history = 64
            let bucket = try await buckets.create(configuration)
            let kv = KeyValueBucket(bucket)
            // Newer servers take no more than 1,000 consumers of a stream.
            let (watchers, rounds) = (999, 5)
            let ready = Count()
            // Reads its first event and then nothing more.
            var lazy = kv.watch().makeAsyncIterator()
            _ = try await lazy.next()
            try await withThrowingTaskGroup(of: [Revision].self) { group in
                for number in 0..<watchers {
                    let pattern = try KeyPattern(number < 20 ? ">" : "k.\(number)")
                    group.addTask {
                        var revisions: [Revision] = []
                        for try await event in kv.watch([pattern]) {
                            switch event {
                            case .endOfInitialData: ready.add()
                            case .undecodable(let error): throw error
                            case .entry(let entry):
                                revisions.append(entry.revision)
                                if entry.string == "last" { return revisions }
                            }
                        }
                        return revisions
                    }
                }
                try await eventually("all watches to begin", timeout: .seconds(20)) {
                    ready.value == watchers
                }
                for round in 0..<rounds {
                    if round == rounds / 2 { try await server.restart() }
                    for number in 20..<watchers {
                        try await patiently { try await kv.put(Key("k.\(number)"), "\(round)") }
                    }
                }
                for number in 20..<watchers { try await kv.put(Key("k.\(number)"), "last") }
                for try await revisions in group {
                    #expect(revisions == revisions.sorted() && Set(revisions).count == revisions.count)
                    #expect(revisions.count >= rounds + 1 || revisions.count >= watchers - 20)
                }
            }
        }
    }

    private static var isOptimised: Bool {
        var isDebug = false
        assert(
            {
                isDebug = true
                return true
            }()
        )
        return !isDebug
    }

    /// Tries until the server is back.
    private func patiently(_ body: () async throws -> Void) async throws {
        for _ in 0..<20 {
            do { return try await body() } catch let error as KeyValueError where error.code == .unanswered {
                continue
            }
        }
        try await body()
    }
}

/// A number that tasks count up together.
private final class Count: Sendable {
    private let number = Mutex(0)

    var value: Int { number.withLock { $0 } }

    func add() { number.withLock { $0 += 1 } }
}
