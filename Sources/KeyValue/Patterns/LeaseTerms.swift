import KVModel
import NATSProtocol

/// How a bucket keeps entries that vanish unless they are renewed.
///
/// Either each entry has its own lifetime (servers from 2.11 on, in buckets that allow it and keep one revision of each
/// key), or all have the bucket's. Servers reckon from the time at which they stored an entry, so a renewal is a new
/// revision of it. Pure: `LeaseTerms+Bucket` does what they say.
struct LeaseTerms: Sendable, Hashable {
    /// What makes entries vanish.
    enum Expiry: Sendable, Hashable {
        /// A lifetime of their own.
        case entry
        /// The bucket's TTL.
        case bucket
    }

    /// What makes entries vanish.
    let expiry: Expiry
    /// How long the server keeps an entry at least.
    let lease: Duration
    /// How long it may keep one that nobody renews, by its own clock.
    let kept: Duration

    /// The shortest lease: servers count the lifetimes of entries in whole seconds.
    static let shortest = Duration.seconds(1)
    /// The longest lease.
    static let longest = Duration.seconds(30 * 86_400)

    /// How this bucket keeps a lease; throws `invalidOption` or `unsupported` if it does not.
    init(lease: Duration, configuration: BucketConfiguration, version: ServerVersion) throws {
        let bucket = configuration.name
        guard (Self.shortest...Self.longest).contains(lease) else {
            throw KeyValueError(
                code: .invalidOption,
                bucket: bucket,
                text: "a lease of \(lease) is not possible: it takes between a second and 30 days"
            )
        }
        try Self.checkConditionalWrites(configuration, version)
        let lifetime = Duration.nanoseconds(configuration.ttl)
        guard configuration.ttl == 0 || lifetime >= lease else {
            throw KeyValueError(
                code: .invalidOption,
                bucket: bucket,
                text: "its TTL of \(lifetime) is shorter than the lease of \(lease)"
            )
        }
        self.lease = lease
        let hasLifetimes = version >= ServerVersion(major: 2, minor: 11, patch: 0) && configuration.allowsEntryTTL
        // Where a key has older revisions, they would come to light again when the newest expires.
        if hasLifetimes, configuration.history == 1 {
            expiry = .entry
            let (seconds, rest) = lease.components
            let whole = Duration.seconds(rest > 0 ? seconds + 1 : seconds)
            kept = configuration.ttl == 0 ? whole : min(whole, lifetime)
        } else if configuration.ttl > 0 {
            expiry = .bucket
            kept = lifetime
        } else {
            throw KeyValueError(
                code: .unsupported,
                bucket: bucket,
                text: Self.missing(hasLifetimes: hasLifetimes, version)
            )
        }
    }

    /// Throws `unsupported` where conditional writes do not exclude each other, or are judged by old values.
    static func checkConditionalWrites(_ configuration: BucketConfiguration, _ version: ServerVersion) throws {
        guard !configuration.isMirror else {
            throw KeyValueError(
                code: .unsupported,
                bucket: configuration.name,
                text: "it is a mirror, which may lag behind: use the bucket that it mirrors"
            )
        }
        // nats-server issue 4320: two writers that expect the same revision could both succeed.
        let firstSound = ServerVersion(major: 2, minor: 9, patch: 21)
        guard configuration.replicas == 1 || version >= firstSound else {
            throw KeyValueError(
                code: .unsupported,
                bucket: configuration.name,
                text: "conditional writes to a bucket with replicas are sound from server version \(firstSound) on, "
                    + "this is \(version): use one replica"
            )
        }
    }

    /// How old an entry is by two clocks of which nobody knows how they agree: never more than it can be.
    func age(of created: Timestamp, at wallClock: Timestamp) -> Duration {
        let (age, overflow) = wallClock.nanoseconds.subtractingReportingOverflow(created.nanoseconds)
        return overflow ? .zero : min(max(.zero, .nanoseconds(age)), kept)
    }

    private static func missing(hasLifetimes: Bool, _ version: ServerVersion) -> String {
        if hasLifetimes {
            return "it has no TTL and keeps more than one revision of a key: give it a TTL or a history of 1"
        }
        return version >= ServerVersion(major: 2, minor: 11, patch: 0)
            ? "its entries do not expire: give it a TTL, or a limit-marker-ttl and a history of 1"
            : "its entries do not expire, and the server, version \(version), knows no lifetimes of single keys "
                + "(2.11 does): give it a TTL"
    }
}
