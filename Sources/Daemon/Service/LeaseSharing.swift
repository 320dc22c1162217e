import KVModel
import KeyValue
import Logging

/// What a daemon shares its jobs with others by: the leases that it holds, and what all of them remember of jobs.
final class LeaseSharing: Sendable {
    private typealias Change = (job: String, change: @Sendable (inout JobMemory) -> Void)

    let keeper: LeaseKeeper
    let memory: SharedMemory
    private let changes: AsyncStream<Change>.Continuation
    private let keeping: Task<Void, any Error>
    private let remembering: Task<Void, Never>

    /// Takes part from now on, until `end`.
    init(_ settings: LeaseSettings, buckets: Buckets, daemon: String, jobs: Set<String>, logger: Logger) {
        let keeper = LeaseKeeper(buckets: buckets, settings: settings, daemon: daemon, logger: logger)
        let memory = SharedMemory(buckets: buckets, settings: settings, daemon: daemon)
        let (stream, continuation) = AsyncStream.makeStream(of: Change.self)
        keeper.candidates = jobs
        self.keeper = keeper
        self.memory = memory
        changes = continuation
        keeping = Task { try await keeper.run() }
        remembering = Task {
            for await (job, change) in stream {
                await Self.apply(change, to: job, in: memory, logger)
            }
        }
    }

    /// Ends when the keeper does: throws why, if it was not asked to.
    func failure() async throws { try await keeping.value }

    /// Says what came of a run.
    func share(_ record: RunRecord, failures: Int, notified: RunRecord.Outcome?) {
        changes.yield(
            (
                record.job,
                { memory in
                    memory.lastOutcome = record.outcome
                    memory.lastFinished = record.finished
                    memory.failures = failures
                    if let notified { memory.notified = notified }
                }
            )
        )
    }

    /// Says that a due time was run or left out.
    func handled(_ due: Int64, of job: String) {
        changes.yield((job, { $0.handled(due: due) }))
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
