import Archive
import JetStream
import KVModel
import KeyValue

/// Turns archived entries into publishes.
struct ReplayEncoder {
    /// Entries left out because their time is over.
    private(set) var expired: UInt64 = 0
    private var headers: ReplayHeaders
    private var subject: [UInt8]
    private let prefixLength: Int
    private let mapping: KeyMapping
    private let isTTLHeeded: Bool
    private let isTTLAllowed: Bool
    private let maximumAge: Int64
    private let limit: Int
    private let now = Timestamp.wallClock()
    private var expected: UInt64

    /// `isTTLHeeded` says whether the TTLs of entries counted in the bucket that they come from.
    init(
        bucket: Bucket,
        configuration: BucketConfiguration,
        mapping: KeyMapping,
        identity: ReplayIdentity,
        isTTLHeeded: Bool,
        expected: UInt64
    ) {
        headers = ReplayHeaders(identity)
        self.isTTLHeeded = isTTLHeeded
        isTTLAllowed = configuration.allowsEntryTTL
        maximumAge = configuration.ttl
        limit = bucket.context.maximumPayload
        subject = Array(bucket.context.publishSubject(RestoreFence.publishPrefix(of: bucket)).utf8)
        prefixLength = subject.count
        self.mapping = mapping
        self.expected = expected
    }

    /// Adds the publish of an entry to a batch, unless the entry has expired.
    mutating func append(_ entry: EntryView, to batch: inout PublishPipeline.Batch) {
        let own = entry.lifetime(isHeeded: isTTLHeeded)
        let expiry = EntryLifetime.expiry(of: entry.time, own: own, maximumAge: maximumAge)
        if let expiry, expiry <= now {
            expired += 1
            return
        }
        subject.removeSubrange(prefixLength...)
        mapping.append(entry.key, to: &subject)
        let timeToLive = ReplayHeaders.TimeToLive(left: entry, isHeeded: isTTLHeeded, isAllowed: isTTLAllowed, at: now)
        subject.withUnsafeBytes { subjectBytes in
            headers.encode(entry, expecting: expected, timeToLive: timeToLive, limit: limit) { block in
                batch.append(subject: subjectBytes, headers: block, payload: entry.value)
            }
        }
        expected += 1
    }
}

extension ReplayHeaders.TimeToLive {
    /// What is left of an entry's own TTL, in whole seconds as servers count; at least one.
    init(left entry: EntryView, isHeeded: Bool, isAllowed: Bool, at now: Timestamp) {
        // A server that does not allow TTLs refuses the header; one before 2.11 would store it without effect. And what
        // had no effect where it comes from shall have none.
        guard isHeeded, isAllowed else {
            self = .none
            return
        }
        self = .asArchived
        guard let own = entry.lifetime(isHeeded: true), case .limited = own,
            let expiry = EntryLifetime.expiry(of: entry.time, own: own, maximumAge: 0)
        else { return }
        let left = expiry.nanoseconds - now.nanoseconds
        self = .seconds(max(1, (left + 999_999_999) / 1_000_000_000))
    }
}
