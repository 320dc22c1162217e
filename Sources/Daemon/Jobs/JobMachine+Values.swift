public import Schedule

extension JobMachine {
    /// A job, as far as the machine looks at it.
    public struct Job: Sendable, Hashable {
        /// What a run does and with what: a run whose job gets another content is begun anew.
        public struct Content: Sendable, Hashable {
            /// What is done.
            public var work: JobSettings.Work
            /// The clusters that it is done with, by name.
            public var clusters: [String: ClusterSettings]
            /// The archives that it is done with, by name.
            public var archives: [String: ArchiveSettings]

            /// A content of these parts.
            public init(
                work: JobSettings.Work,
                clusters: [String: ClusterSettings],
                archives: [String: ArchiveSettings]
            ) {
                self.work = work
                self.clusters = clusters
                self.archives = archives
            }
        }

        /// Its name, which no other job has.
        public var name: String
        /// When it is due.
        public var recurrence: Recurrence
        /// The longest time, in nanoseconds, that is added to a due time at random.
        public var jitter: Int64
        /// What becomes of runs that were due while nobody could run them.
        public var missed: JobSettings.MissedRuns
        /// What becomes of a run that is due while the one before still runs.
        public var overlap: JobSettings.Overlap
        /// After so many nanoseconds a run is stopped, and has failed.
        public var timeout: Int64?
        /// How a failed run is tried again.
        public var retry: JobSettings.Retry
        /// The clusters that a run uses.
        public var clusters: Set<String>
        /// The archive that a run writes; no other run writes it at the same time.
        public var archive: String?
        /// What a run does; nil if that never changes.
        public var content: Content?

        /// A job with these rules.
        public init(
            name: String,
            recurrence: Recurrence,
            jitter: Int64 = 0,
            missed: JobSettings.MissedRuns = .once,
            overlap: JobSettings.Overlap = .skip,
            timeout: Int64? = nil,
            retry: JobSettings.Retry = JobSettings.Retry(),
            clusters: Set<String> = [],
            archive: String? = nil,
            content: Content? = nil
        ) {
            self.name = name
            self.recurrence = recurrence
            self.jitter = jitter
            self.missed = missed
            self.overlap = overlap
            self.timeout = timeout
            self.retry = retry
            self.clusters = clusters
            self.archive = archive
            self.content = content
        }

        /// A job of a configuration file.
        public init(_ settings: JobSettings, in configuration: DaemonConfiguration) {
            let clusters: Set<String>
            var read: String?
            var written: String?
            switch settings.work {
            case .backup(let work):
                clusters = [work.cluster]
                written = work.archive
            case .mirror(let work), .reconcile(let work):
                clusters = [work.source.cluster, work.target.cluster]
            case .drill(let work):
                clusters = [work.cluster]
                read = work.archive
            case .verify(let work):
                clusters = work.against.map { [$0.cluster] } ?? []
                read = work.archive
            case .prune(let work):
                clusters = []
                written = work.archive
            }
            self.init(
                name: settings.name,
                recurrence: settings.schedule,
                jitter: settings.jitter,
                missed: settings.missed,
                overlap: settings.overlap,
                timeout: settings.timeout,
                retry: settings.retry,
                clusters: clusters,
                // Two names may stand for one file.
                archive: written.map { configuration.archives[$0]?.path ?? $0 },
                content: Content(
                    work: settings.work,
                    clusters: configuration.clusters.filter { clusters.contains($0.key) },
                    archives: configuration.archives.filter { $0.key == read || $0.key == written }
                )
            )
        }

        /// Whether it runs all the time.
        public var isAlways: Bool { recurrence == .always }
    }

    /// How many runs go at once; those of jobs that run all the time are not counted.
    public struct Limits: Sendable, Hashable {
        /// In all.
        public var total: Int
        /// Of those that use a cluster; a cluster that is not named has no limit of its own.
        public var clusters: [String: Int]

        /// Limits of these numbers.
        public init(total: Int, clusters: [String: Int] = [:]) {
            self.total = total
            self.clusters = clusters
        }

        /// The limits of a configuration file.
        public init(_ configuration: DaemonConfiguration) {
            self.init(
                total: configuration.daemon.concurrency,
                clusters: configuration.clusters.compactMapValues(\.concurrency)
            )
        }
    }

    /// What was written down of a job before.
    public struct History: Sendable, Hashable {
        /// The last due time that was run, in nanoseconds since 1970; nil if there was none.
        public var lastDue: Int64?
        /// Whether somebody has paused it.
        public var isPaused: Bool

        /// A history of these facts.
        public init(lastDue: Int64? = nil, isPaused: Bool = false) {
            self.lastDue = lastDue
            self.isPaused = isPaused
        }
    }

    /// A run that the machine has begun.
    public struct Run: Sendable, Hashable, Identifiable {
        /// Its number in this machine, from 1.
        public var id: Int64
        /// The job's name.
        public var job: String
        /// Why it began.
        public var cause: RunRecord.Cause
        /// Which try it is, from 1.
        public var attempt: Int
        /// The time it was due, in nanoseconds since 1970; nil if nobody had planned it.
        public var due: Int64?

        /// A run of these facts.
        public init(id: Int64, job: String, cause: RunRecord.Cause, attempt: Int = 1, due: Int64? = nil) {
            self.id = id
            self.job = job
            self.cause = cause
            self.attempt = attempt
            self.due = due
        }
    }

    /// Why a run is stopped.
    public enum StopReason: String, Sendable, Hashable, CaseIterable {
        /// It took longer than its job allows, and has failed.
        case timeout
        /// Another daemon may run the job by now: it must end at once, without another write.
        case leaseLost
        /// It runs all the time, and a daemon that has fewer jobs takes it over.
        case handedOver
        /// The configuration no longer has its job.
        case removed
        /// The configuration has its job with another content; it begins anew.
        case changed
        /// It runs all the time, and another run wants to write the archive; it goes on after that.
        case makesWay
        /// It runs all the time, and its job was paused.
        case paused
        /// The daemon ends.
        case stop
    }

    /// Why a due time goes by without a run.
    public enum Omission: String, Sendable, Hashable, CaseIterable {
        /// The run before still runs, or waits for its turn.
        case overlap
        /// Nobody could run it in time, and its job makes nothing up.
        case missed
        /// Its job is paused.
        case paused
    }

    /// What the machine wants done.
    public enum Action: Sendable, Hashable {
        /// Begin a run, and say by `runEnded` when it has ended.
        case start(Run)
        /// Stop a run at its next checkpoint; it goes on counting until `runEnded`.
        case stop(Run, StopReason)
        /// Nothing: a due time was left out.
        case leaveOut(job: String, due: Int64, Omission)
    }

    /// What becomes of a request for a run.
    public enum Reply: Sendable, Hashable {
        /// It begins, now or as soon as others let it.
        case accepted
        /// One waits for its turn already.
        case waiting
        /// One runs already.
        case running(Run)
        /// Another daemon has the job's lease.
        case noLease
        /// The daemon ends.
        case stopping
        /// There is no such job.
        case unknownJob
    }

    /// How a job stands.
    public struct Status: Sendable, Hashable {
        /// What it does.
        public enum Phase: String, Sendable, Hashable, CaseIterable {
            /// Nothing until it is due.
            case idle
            /// It is due, and waits for its turn.
            case queued
            /// It has failed, and waits to be tried again.
            case retrying
            /// It runs.
            case running
            /// It runs, and has been told to stop.
            case stopping
        }

        /// What it does.
        public var phase: Phase
        /// Its run, if it runs.
        public var run: Run?
        /// When that began, in nanoseconds since 1970.
        public var started: Int64?
        /// The next time it is due, in nanoseconds since 1970, without jitter.
        public var nextDue: Int64?
        /// When it is tried again, if it waits for that.
        public var nextAttempt: Int64?
        /// The last due time that was begun or left out.
        public var lastDue: Int64?
        /// How many runs have failed since one did not.
        public var failures: Int
        /// Whether somebody has paused it.
        public var isPaused: Bool
        /// Whether this daemon may run it.
        public var hasLease: Bool

        /// Whether its last run failed, or of one that runs all the time so many that it does not hold.
        public var isFailing: Bool { failures > 0 }
    }
}
