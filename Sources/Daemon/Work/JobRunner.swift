import Foundation
import KVModel
public import Logging
import Replication
import Schedule

/// Runs jobs: what a job's settings say, once, from its beginning to what it came to.
///
/// A runner knows no schedule and keeps nothing: when a job runs, how often it is tried and whom that is told is decided
/// by those who call it. Start with `run(_:lease:progress:)`; each kind of work has a type of its own beside this one.
public struct JobRunner: Sendable {
    /// How often work that goes on and on does what it does from time to time.
    public struct Intervals: Sendable, Hashable {
        /// Between two looks for new buckets by a backup that follows; the first wait before a failed one is begun again.
        public var search = Duration.seconds(10)
        /// Between two prunings, and comparisons, by a backup that follows.
        public var care = Duration.seconds(3600)

        /// The usual ones.
        public init() {}
    }

    let connections: ClusterConnections
    let archives: ArchiveSlots
    let leases: LeaseSettings?
    let intervals: Intervals
    let logger: Logger
    let scratch = Turns<String>()
    let memory = RunnerMemory()

    /// A runner of jobs on these connections and archives.
    ///
    /// `leases` is the bucket of leases, which no pattern of a backup means.
    public init(
        connections: ClusterConnections,
        archives: ArchiveSlots,
        leases: LeaseSettings? = nil,
        intervals: Intervals = Intervals(),
        logger: Logger
    ) {
        self.connections = connections
        self.archives = archives
        self.leases = leases
        self.intervals = intervals
        self.logger = logger
    }

    /// Runs a job; whatever goes wrong is in the result.
    ///
    /// Cancelling the task stops the job at a checkpoint: the result says `stopped`.
    ///
    /// - Parameters:
    ///   - job: what to do.
    ///   - lease: the job's lease, if it needs one: nothing is written into an archive when it is over.
    ///   - progress: told a few times a second how far the run is, and once more at its end.
    public func run(
        _ job: JobSettings,
        lease: Lease? = nil,
        progress: @escaping @Sendable (RunProgress) -> Void = { _ in }
    ) async -> RunResult {
        let meter = ProgressMeter()
        let run = JobRun(runner: self, name: job.name, lease: lease, meter: meter, began: .wallClock())
        let result = await withTaskGroup(of: RunResult?.self) { group in
            group.addTask {
                await meter.run(progress)
                return nil
            }
            group.addTask { await run.perform(job.work, isEndless: job.schedule == .always) }
            var result: RunResult?
            while result == nil, let ended = await group.next() {
                if let ended { result = ended }
            }
            group.cancelAll()
            return result
        }
        progress(meter.present)
        return result ?? RunResult(.stopped, summary: "stopped")
    }
}

/// One run of a job.
struct JobRun: Sendable {
    let runner: JobRunner
    /// The job's name.
    let name: String
    let lease: Lease?
    let meter: ProgressMeter
    /// When the run began.
    let began: Timestamp

    var connections: ClusterConnections { runner.connections }
    var archives: ArchiveSlots { runner.archives }
    var logger: Logger {
        var logger = runner.logger
        logger[metadataKey: "job"] = "\(name)"
        return logger
    }

    /// Does the work; what it throws becomes a result.
    func perform(_ work: JobSettings.Work, isEndless: Bool) async -> RunResult {
        do {
            switch work {
            case .backup(let work):
                return try await limited([work.cluster]) { try await Backup(work, self).run() }
            case .drill(let work):
                return try await limited([work.cluster]) { try await Drill(work, self).run() }
            case .verify(let work):
                return try await limited(Set([work.against?.cluster].compactMap(\.self))) {
                    try await Verification(work, self).run()
                }
            case .prune(let work):
                return try await Pruning(work, self).run()
            case .mirror(let work):
                return try await limited([work.source.cluster, work.target.cluster]) {
                    try await Mirroring(work, self, follows: isEndless).run()
                }
            case .reconcile(let work):
                return try await limited([work.source.cluster, work.target.cluster]) {
                    try await Mirroring(work, self, follows: false).reconcile()
                }
            }
        } catch {
            guard !Task.isCancelled else { return RunResult(.stopped, summary: "stopped") }
            return RunResult(.failed, summary: "failed", error: Explanation.of(error))
        }
    }

    /// Does work that keeps to what clusters share of bytes a second.
    private func limited(
        _ clusters: Set<String>,
        _ work: @Sendable () async throws -> RunResult
    ) async throws -> RunResult {
        var rates: [SharedRate] = []
        for cluster in clusters.sorted() {
            if let rate = await connections.rate(of: cluster) { rates.append(rate) }
        }
        return try await SharedRate.$current.withValue(rates, operation: work)
    }

    /// The lowest of a job's own limit and those of the clusters it works on: what a server is asked to keep to.
    func slowest(_ own: UInt64?) -> UInt64? {
        (SharedRate.current.map(\.bytesPerSecond) + [own].compactMap(\.self)).min()
    }
}
