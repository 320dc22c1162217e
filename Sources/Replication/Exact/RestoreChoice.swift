public import KVModel
public import NATSProtocol

/// The way in which entries get into a target, and why that one: pure.
public struct RestoreChoice: Sendable, Hashable {
    /// A way.
    public enum Way: Sendable, Hashable {
        /// Entries are published.
        case replay
        /// The server restores a snapshot of message blocks into file storage; before 2.10 with every gap filled.
        case messageBlocks(fillsGaps: Bool)
        /// The server restores a snapshot of entries.
        case entries
        /// The server restores message blocks into a stream for the time being, and a mirror of that becomes the bucket.
        case promotedMirror
    }

    /// The way.
    public var way: Way
    /// Why, in a sentence without its full stop.
    public var reason: String

    /// Whether revisions and times are kept.
    public var isExact: Bool { way != .replay }

    /// What the choice depends on.
    public struct Circumstances: Sendable, Hashable {
        /// The target's server.
        public var version: ServerVersion
        /// The largest message that it takes.
        public var maximumPayload: Int
        /// The configuration that the target ends with.
        public var configuration: BucketConfiguration
        /// What happens to the target first.
        public var action: RestorePlan.Action
        /// What is to be written.
        public var census: RestoreCensus

        /// Circumstances of these parts.
        public init(
            version: ServerVersion,
            maximumPayload: Int,
            configuration: BucketConfiguration,
            action: RestorePlan.Action,
            census: RestoreCensus
        ) {
            self.version = version
            self.maximumPayload = maximumPayload
            self.configuration = configuration
            self.action = action
            self.census = census
        }
    }

    /// Servers take no longer record of a message block.
    static let largestRecord = 32 << 20
    /// What placeholders for gaps may cost before replay is the better way, in bytes.
    static let fillLimit: UInt64 = 1 << 30

    /// Chooses; throws where exactly that was asked for what cannot be.
    public init(_ asked: RestoreOptions.Mode, _ here: Circumstances) throws(ReplicationError) {
        guard asked != .replay else {
            self.init(way: .replay, reason: "it was asked for; entries get new revisions and times")
            return
        }
        if let obstacle = Self.obstacle(here) {
            guard asked == .auto else {
                throw ReplicationError(
                    .unsupported,
                    bucket: here.configuration.name?.rawValue ?? "-",
                    text: "it cannot be restored exactly: \(obstacle)",
                    hint: "leave --mode out to restore by replay, with new revisions and times"
                )
            }
            self.init(way: .replay, reason: "\(obstacle); entries get new revisions and times")
            return
        }
        if asked == .auto, let objection = Self.objection(here) {
            self.init(way: .replay, reason: "\(objection); --mode exact does it all the same")
            return
        }
        self = Self.exact(here)
    }

    private init(way: Way, reason: String) {
        self.way = way
        self.reason = reason
    }

    private static func exact(_ here: Circumstances) -> RestoreChoice {
        let version = here.version
        guard here.configuration.storage != "file" else {
            let fills = !isAtLeast(version, 10)
            return RestoreChoice(
                way: .messageBlocks(fillsGaps: fills),
                reason: "server \(version) restores revisions and times into file storage"
            )
        }
        if entriesObstacle(here) == nil {
            return RestoreChoice(way: .entries, reason: "server \(version) restores revisions and times into memory")
        }
        return RestoreChoice(
            way: .promotedMirror,
            reason: "server \(version) keeps revisions and times in a mirror in memory, which becomes the bucket"
        )
    }

    /// Why it cannot be exact; nil if it can.
    private static func obstacle(_ here: Circumstances) -> String? {
        let census = here.census
        switch here.action {
        case .fill, .merge: return "an existing bucket can only be written to, not restored"
        case .resume: return "an unfinished replay goes on where it was"
        case .create, .replace, .restart: break
        }
        if !isAtLeast(here.version, 9) { return "server \(here.version) is older than 2.9" }
        if here.configuration.isMirror { return "the target is to mirror another bucket" }
        if let key = census.unstorableKey { return "the key \(key) would break the protocol for everyone who reads it" }
        if census.largestRecord > largestRecord { return "an entry is larger than 32 MiB" }
        if census.end >= 1 << 62 { return "revision \(census.end) is larger than servers restore" }
        if here.configuration.storage != "file", !isAtLeast(here.version, 12) {
            return "server \(here.version) restores into file storage only, and the bucket is to be in memory"
        }
        if here.configuration.storage != "file", let revision = census.malformedTTL {
            // Neither format: a mirror stops there for ever.
            return "the Nats-TTL of revision \(revision) is none that servers take into memory"
        }
        return nil
    }

    /// Why the entries format will not do; nil if it will.
    private static func entriesObstacle(_ here: Circumstances) -> String? {
        let census = here.census
        if !isAtLeast(here.version, 15) { return "it came with 2.15" }
        if census.largestMessage > here.maximumPayload { return "an entry is larger than the server's max_payload" }
        if census.unheededTTL > 0 { return "the server drops entries whose Nats-TTL is over" }
        return nil
    }

    /// Why it should not be exact although it can; nil if nothing speaks against it.
    private static func objection(_ here: Circumstances) -> String? {
        let (bytes, overflow) = here.census.gaps.multipliedReportingOverflow(by: 30)
        if !isAtLeast(here.version, 10), overflow || bytes > fillLimit {
            return "server \(here.version) needs 30 bytes for each of \(here.census.gaps) revisions without an entry"
        }
        return nil
    }

    private static func isAtLeast(_ version: ServerVersion, _ minor: Int) -> Bool {
        version >= ServerVersion(major: 2, minor: minor, patch: 0)
    }
}
