import KVModel
import KeyValue
import Logging
import Synchronization

/// What a daemon shares its jobs with others by: the leases that it holds, and what all of them remember of jobs.
final class LeaseSharing: Sendable {
    private typealias Change = (job: String, change: @Sendable (inout JobMemory) -> Void)

    let keeper: LeaseKeeper
    let memory: SharedMemory
    private let changes: AsyncStream<Change>.Continuation
    /// How many changes of each job are still to be told.
    private let untold: Untold
    private let keeping: Task<Void, any Error>
    private let remembering: Task<Void, Never>

    /// Takes part from now on, until `end`.
    init(
        _ settings: LeaseSettings,
        buckets: @escaping @Sendable () async throws -> Buckets,
        daemon: String,
        jobs: Set<String>,
        logger: Logger
    ) {
        let keeper = LeaseKeeper(buckets: buckets, settings: settings, daemon: daemon, logger: logger)
        let memory = SharedMemory(buckets: buckets, settings: settings, daemon: daemon)
        let (stream, continuation) = AsyncStream.makeStream(of: Change.self)
        keeper.candidates = jobs
        self.keeper = keeper
        self.memory = memory
        changes = continuation
        let untold = Untold()
        self.untold = untold
        keeping = Task { try await keeper.run() }
        remembering = Task {
            for await (job, change) in stream {
                await Self.apply(change, to: job, in: memory, logger)
                untold.remove(job)
            }
        }
    }

    /// Ends when the keeper does: throws why, if it was not asked to.
    func failure() async throws { try await keeping.value }

    /// Says how many runs of a job have failed in a row.
    func share(_ job: String, failures: Int) {
        tell(job) { $0.failures = failures }
    }

    /// Says what somebody was told of a job.
    func share(_ job: String, notified: RunRecord.Outcome) {
        tell(job) { $0.notified = notified }
    }

    /// Says that a due time was run or left out.
    func handled(_ due: Int64, of job: String) {
        tell(job) { $0.handled(due: due) }
    }

    /// Whether others do not know all of a job yet.
    func isTelling(of job: String) -> Bool { untold.contains(job) }

    private func tell(_ job: String, _ change: @escaping @Sendable (inout JobMemory) -> Void) {
        untold.insert(job)
        changes.yield((job, change))
    }

    /// Pauses a job on all daemons, or lets it go on.
    func setPaused(_ isPaused: Bool, _ job: String) async throws {
        try await memory.update(job) { $0.isPaused = isPaused }
    }

    /// Says what is still to be said, and gives the leases up.
    func end() async {
        changes.finish()
        let remembering = remembering
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await remembering.value }
            // Without its server nobody is told; another daemon then knows the last due time that was.
            group.addTask { do { try await Task.sleep(for: .seconds(2)) } catch {} }
            await group.next()
            remembering.cancel()
            group.cancelAll()
        }
        keeping.cancel()
        do { try await keeping.value } catch {}
    }

    private static func apply(
        _ change: @escaping @Sendable (inout JobMemory) -> Void,
        to job: String,
        in memory: SharedMemory,
        _ logger: Logger
    ) async {
        while !Task.isCancelled {
            do {
                try await memory.update(job, change)
                return
            } catch {
                logger.debug("other daemons are not told yet", metadata: ["job": "\(job)", "reason": "\(error)"])
            }
            do { try await Task.sleep(for: .milliseconds(500)) } catch { return }
        }
    }
}

/// Counts changes that were not told yet, by job.
private final class Untold: Sendable {
    private let counts = Mutex<[String: Int]>([:])

    func insert(_ job: String) { counts.withLock { $0[job, default: 0] += 1 } }

    func remove(_ job: String) {
        counts.withLock { counts in
            guard let count = counts[job] else { return }
            counts[job] = count > 1 ? count - 1 : nil
        }
    }

    func contains(_ job: String) -> Bool { counts.withLock { $0[job] != nil } }
}
