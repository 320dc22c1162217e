/// Everything that a daemon shows of itself at one moment.
///
/// Times are nanoseconds since 1970.
public struct DaemonView: Sendable, Hashable, Codable {
    /// The daemon's name among those that share its leases.
    public var name: String
    /// The version of the program.
    public var version: String
    /// When it started.
    public var started: Int64
    /// The moment that this shows.
    public var now: Int64
    /// The jobs, in the order of the configuration file.
    public var jobs: [JobView]
    /// The buckets that the jobs read and write, each once.
    public var buckets: [BucketView]
    /// The archives that the jobs read and write, each once.
    public var archives: [ArchiveView]
    /// The daemons that are alive, this one among them.
    public var daemons: [PeerView]

    /// A view of a daemon.
    public init(
        name: String,
        version: String,
        started: Int64,
        now: Int64,
        jobs: [JobView] = [],
        buckets: [BucketView] = [],
        archives: [ArchiveView] = [],
        daemons: [PeerView] = []
    ) {
        self.name = name
        self.version = version
        self.started = started
        self.now = now
        self.jobs = jobs
        self.buckets = buckets
        self.archives = archives
        self.daemons = daemons
    }

    /// The jobs as a person wants to read them: what fails first, then what runs, and the file's order within that.
    public var jobsByUrgency: [JobView] {
        jobs.enumerated().sorted { ($0.element.urgency, $0.offset) < ($1.element.urgency, $1.offset) }.map(\.element)
    }

    /// How many jobs are in a state.
    public func count(_ state: JobView.State) -> Int {
        jobs.count { $0.state == state }
    }
}

/// A daemon that shares the leases.
public struct PeerView: Sendable, Hashable, Codable {
    /// Its name.
    public var name: String
    /// Whether it is the one that is asked.
    public var isSelf: Bool
    /// When it last gave a sign of life; nil if that is not known.
    public var seen: Int64?
    /// The jobs whose leases it holds.
    public var jobs: [String]

    /// A daemon, and what it holds.
    public init(name: String, isSelf: Bool = false, seen: Int64? = nil, jobs: [String] = []) {
        self.name = name
        self.isSelf = isSelf
        self.seen = seen
        self.jobs = jobs
    }
}
