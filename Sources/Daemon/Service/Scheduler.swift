import Foundation
import KVModel
public import Logging
public import ServiceLifecycle

/// Runs the jobs of a configuration by their schedules, until it is told to stop.
///
/// What runs when is decided by `JobMachine`, what a run does by `JobRunner`, which daemon a job runs on by `LeaseKeeper`;
/// the scheduler carries out what they say, and writes down what came of it.
public actor Scheduler: Service {
    /// What a scheduler is made with beside the configuration.
    public struct Options: Sendable {
        /// The daemon's name among those that share its leases.
        public var name: String
        /// The program's version.
        public var version: String
        /// The program's variables.
        public var environment: [String: String]
        /// How often the status of buckets and archives is asked for.
        public var watchInterval = Duration.seconds(15)
        /// How often a run that goes on is measured.
        public var sampleInterval = Duration.seconds(5)

        /// Options with the name of this machine.
        public init(version: String, environment: [String: String]) {
            name = ProcessInfo.processInfo.hostName
            self.version = version
            self.environment = environment
        }
    }

    /// The clock is looked at so often at least: it may have been set, or the machine may have slept.
    private static let longestSleep: Int64 = 1_000_000_000

    let options: Options
    let state: StateDatabase
    let connections: ClusterConnections
    let archives: ArchiveSlots
    let runner: JobRunner
    let notifier: Notifier
    let logger: Logger
    let started: Int64
    var configuration: DaemonConfiguration
    var machine: JobMachine
    var running: [JobMachine.Run.ID: RunningRun] = [:]
    /// What is known of each job's runs, as the state database has it.
    var histories: [String: JobHistory] = [:]
    var buckets: [BucketView] = []
    var archiveViews: [ArchiveView] = []
    var leases: LeaseSharing?
    /// What other daemons say of jobs.
    var memories: [String: JobMemory] = [:]
    var samples: [String: [JobView.Sample]] = [:]
    /// How often in a row a run that goes on was found to go wrong in part.
    var warnings: [JobMachine.Run.ID: Int] = [:]
    /// Who waits for what comes of the next run of a job.
    var waiters: [String: [CheckedContinuation<RunRecord, any Error>]] = [:]
    /// Runs that a daemon which was killed left behind, of which nobody was told.
    var leftBehind: [RunRecord] = []
    /// What somebody is being told of jobs: it does not count as told before it has arrived.
    var telling: [String: RunRecord.Outcome] = [:]
    /// The last thing of each job that nobody could be told, and why.
    var untold: [String: String] = [:]
    /// Ends of runs that the state database has not taken yet.
    var unwritten: [(id: Int64, job: String, result: RunResult, time: Int64)] = []
    /// What came of runs since this daemon was started.
    var totals: [String: JobView.Totals] = [:]

    /// A scheduler of a configuration's jobs; opens the state database.
    public init(_ configuration: DaemonConfiguration, options: Options, logger: Logger) throws(DaemonError) {
        self.configuration = configuration
        self.options = options
        self.logger = logger
        state = try StateDatabase.open(path: configuration.daemon.state)
        connections = ClusterConnections(
            configuration.clusters,
            environment: options.environment,
            version: options.version,
            logger: logger
        )
        archives = ArchiveSlots(configuration.archives, logger: logger)
        runner = JobRunner(
            connections: connections,
            archives: archives,
            leases: configuration.daemon.leases,
            logger: logger
        )
        notifier = Notifier(version: options.version, logger: logger)
        let now = Self.now()
        started = now
        do {
            leftBehind = try state.closeUnfinished(at: now)
            for run in leftBehind {
                logger.warning("a run was left unfinished", metadata: ["job": "\(run.job)", "run": "\(run.id)"])
                // It is made up for once: what kills the daemon each time must not do so for ever.
                if let due = run.due, run.cause == .missed { try state.setLastDue(due, job: run.job) }
            }
            var known: [String: JobMachine.History] = [:]
            for job in configuration.jobs {
                let remembered = try state.jobState(job.name)
                known[job.name] = .init(lastDue: remembered.lastDue, isPaused: remembered.isPaused)
                histories[job.name] = try JobHistory(of: job.name, in: state)
            }
            machine = JobMachine(
                jobs: configuration.jobs.map { JobMachine.Job($0, in: configuration) },
                limits: JobMachine.Limits(configuration),
                usesLeases: configuration.daemon.leases != nil,
                histories: known,
                generator: SystemRandomNumberGenerator(),
                at: now
            )
        } catch {
            try state.close()
            throw error
        }
    }

    /// Runs jobs until a graceful shutdown or a cancellation; then all runs come to a checkpoint, within `stop-within`.
    public func run() async throws {
        let work = Task { try await self.keepRunning() }
        let result = await withGracefulShutdownHandler {
            await withTaskCancellationHandler {
                await work.result
            } onCancel: {
                work.cancel()
            }
        } onGracefulShutdown: {
            work.cancel()
        }
        // In a task of its own: this one may be cancelled, and what a stop waits for would end at once.
        try await Task { try await self.stop() }.value
        if case .failure(let error) = result, !(error is CancellationError) { throw error }
    }

    static func now() -> Int64 { Timestamp.wallClock().nanoseconds }

    private func keepRunning() async throws {
        logger.info("serving", metadata: ["daemon": "\(options.name)", "jobs": "\(configuration.jobs.count)"])
        await tellOfLeftBehind()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await self.keepTime() }
            group.addTask { try await self.takeSamples() }
            group.addTask { try await self.watchStatus() }
            if let settings = configuration.daemon.leases {
                group.addTask { try await self.shareJobs(settings) }
            }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    private func keepTime() async throws {
        while true {
            try Task.checkCancellation()
            perform(machine.advance(to: Self.now()))
            let wait = (machine.waitUntil ?? .max).subtractingReportingOverflow(Self.now()).partialValue
            try await Task.sleep(for: .nanoseconds(max(0, min(wait, Self.longestSleep))))
        }
    }

    private func stop() async throws {
        let limit = Duration.nanoseconds(configuration.daemon.stopWithin)
        let deadline = ContinuousClock.now + limit
        perform(machine.stop(at: Self.now()))
        if !running.isEmpty {
            logger.info("stopping at a checkpoint", metadata: ["runs": "\(running.count)"])
        }
        while !running.isEmpty, ContinuousClock.now < deadline {
            try await Task.sleep(for: .milliseconds(20))
        }
        for run in running.values {
            logger.error(
                "a run did not come to a checkpoint in time; its next run goes on from the last one",
                metadata: ["job": "\(run.settings.name)", "within": "\(limit)"]
            )
        }
        for waiter in waiters.values.flatMap(\.self) { waiter.resume(throwing: CancellationError()) }
        waiters = [:]
        await leases?.end()
        await notifier.close(within: max(.seconds(1), ContinuousClock.now.duration(to: deadline)))
        await connections.close()
        do {
            try writeLeftEnds()
        } catch {
            logger.error("the ends of runs are not written down", metadata: ["count": "\(unwritten.count)"])
        }
        try state.close()
        logger.info("stopped")
    }
}
