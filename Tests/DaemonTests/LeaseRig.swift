import Foundation
import JetStream
import KVModel
import KeyValue
import Logging
import NATSClient
import NATSProtocol
import Synchronization
import TestSupport
import Testing

@testable import Daemon

/// A clock that a test moves on.
final class MovableClock: Sendable {
    private let offset = Mutex(Duration.zero)

    func now() -> ContinuousClock.Instant { .now + offset.withLock { $0 } }

    func advance(by duration: Duration) { offset.withLock { $0 += duration } }
}

/// A keeper on a connection of its own, as a daemon has it, with all that happened to its leases.
final class RunningKeeper: Sendable {
    let keeper: LeaseKeeper
    let connection: Connection
    private let tasks: [Task<Void, any Error>]
    private let recorded = Mutex<[LeaseKeeper.Event]>([])

    init(
        _ name: String,
        at url: String,
        _ settings: LeaseSettings,
        jobs: Set<String>,
        now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }
    ) throws {
        var configuration = ConnectionConfiguration(servers: try ServerAddress.list(url))
        configuration.reconnect.wait = .milliseconds(20)
        configuration.reconnect.maximumWait = .milliseconds(50)
        configuration.reconnect.attempts = .unlimited
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let connection = Connection(configuration, logger: logger)
        let keeper = LeaseKeeper(
            buckets: { Buckets(JetStreamContext(connection)) },
            settings: settings,
            daemon: name,
            logger: logger,
            now: now
        )
        keeper.candidates = jobs
        self.connection = connection
        self.keeper = keeper
        let connecting = Task<Void, any Error> { try await connection.run() }
        let keeping = Task<Void, any Error> { try await keeper.run() }
        tasks = [keeping, connecting]
        Task { [weak self, events = keeper.events] in
            for await event in events { self?.recorded.withLock { $0.append(event) } }
        }
    }

    var events: [LeaseKeeper.Event] { recorded.withLock { $0 } }

    /// The jobs that it holds now.
    var jobs: Set<String> { keeper.candidates.filter { keeper.lease($0) != nil } }

    /// The tokens of a job's leases, in order.
    func tokens(_ job: String) -> [UInt64] {
        events.compactMap { event in
            guard case .gained(job, let token) = event else { return nil }
            return token
        }
    }

    /// Waits until it ends by itself, or throws what it ended with.
    func ended() async throws {
        let result = await tasks[0].result
        await connection.close()
        try result.get()
    }

    /// Ends it without a word to the server, as a daemon that is killed.
    func kill() async throws {
        await connection.close()
        try await stop()
    }

    /// Stops it as a daemon stops: leases are given up.
    func stop() async throws {
        tasks[0].cancel()
        try await tasks[0].value
        await connection.close()
        // One that is closed before it began to run says so.
        _ = await tasks[1].result
    }
}

/// Several keepers on one server, and a watch over them that no job is ever held twice.
final class LeaseRig: Sendable {
    let server: ServerProcess
    let settings: LeaseSettings
    let jobs: Set<String>
    private let keepers = Mutex<[RunningKeeper]>([])
    private let doubles = Mutex<[String]>([])
    private let looks = Mutex(0)

    convenience init(_ binary: ServerBinary?, jobs: Int, duration: Duration = .milliseconds(1800)) async throws {
        self.init(try await ServerProcess.start(binary), jobs: jobs, duration: duration)
    }

    init(_ server: ServerProcess, jobs: Int, duration: Duration = .milliseconds(1800)) {
        self.server = server
        var settings = LeaseSettings(cluster: "test")
        settings.duration = Int64(duration / .nanoseconds(1))
        self.settings = settings
        self.jobs = Set((0..<jobs).map { "job \($0)" })
    }

    var duration: Duration { .nanoseconds(settings.duration) }

    @discardableResult
    func add(
        _ name: String,
        at url: String? = nil,
        jobs: Set<String>? = nil,
        now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }
    ) throws -> RunningKeeper {
        let keeper = try RunningKeeper(name, at: url ?? server.url, settings, jobs: jobs ?? self.jobs, now: now)
        keepers.withLock { $0.append(keeper) }
        return keeper
    }

    /// Runs `body` while it is looked all the time whether a job is held twice; stops all keepers in the end.
    ///
    /// Tokens only grow while the bucket stays the same.
    func watched(bucketStays: Bool = true, _ body: () async throws -> Void) async throws {
        let watching = Task.detached {
            while !Task.isCancelled {
                self.look()
                try await Task.sleep(for: .milliseconds(2))
            }
        }
        defer { server.close() }
        do {
            try await body()
        } catch {
            watching.cancel()
            for keeper in keepers.withLock({ $0 }) { try await keeper.stop() }
            throw error
        }
        watching.cancel()
        for keeper in keepers.withLock({ $0 }) { try await keeper.stop() }
        #expect(looks.withLock { $0 } > 10)
        #expect(doubles.withLock { $0 } == [])
        if bucketStays { checkTokens() }
    }

    private func look() {
        let keepers = keepers.withLock { $0 }
        looks.withLock { $0 += 1 }
        for job in jobs {
            // One whose lease ends while it is looked does not count: both must be valid after both were seen.
            let leases = keepers.compactMap { $0.keeper.lease(job) }
            guard leases.count > 1, leases.filter(\.isValid).count > 1 else { continue }
            doubles.withLock { $0.append(job) }
        }
    }

    /// No two leases have one token, and whoever gains a job after another has a higher one.
    private func checkTokens() {
        for job in jobs {
            let tokens = keepers.withLock { $0 }.map { $0.tokens(job) }
            for list in tokens { #expect(list == list.sorted(), "\(job)") }
            #expect(Set(tokens.joined()).count == tokens.joined().count, "\(job)")
        }
    }

    /// Whether every job is held by one of these keepers.
    func isAllHeld(_ keepers: RunningKeeper...) -> Bool {
        keepers.reduce(into: Set<String>()) { $0.formUnion($1.jobs) } == jobs
    }

    /// Works on the server's buckets, as somebody else does.
    func withBuckets<Result: Sendable>(_ body: @Sendable (Buckets) async throws -> Result) async throws -> Result {
        let configuration = ConnectionConfiguration(servers: try ServerAddress.list(server.url))
        return try await Connection.withConnection(configuration, logger: Logger(label: "test")) { connection in
            try await body(Buckets(JetStreamContext(connection)))
        }
    }
}
