import Archive
import JetStream
import KVModel
import KeyValue

/// Turns archived entries into publishes that take effect only where the key's newest entry is still the one that was
/// read.
struct MergeEncoder {
    private var block: [UInt8] = []
    private var subject: [UInt8]
    private let prefixLength: Int
    private let configuration: BucketConfiguration
    private let isTTLHeeded: Bool
    private let limit: Int
    let now = Timestamp.wallClock()

    /// More than what every publish of a merge adds to an entry's own headers and cannot go without.
    static let leastAddition = 80

    /// `isTTLHeeded` says whether the TTLs of entries counted in the bucket that they come from.
    init(_ bucket: Bucket, isTTLHeeded: Bool) {
        self.isTTLHeeded = isTTLHeeded
        configuration = bucket.configuration
        limit = Self.limit(bucket)
        subject = Array(bucket.context.publishSubject(bucket.name.subjectPrefix).utf8)
        prefixLength = subject.count
    }

    /// The largest message, headers and value together, that the bucket takes.
    static func limit(_ bucket: Bucket) -> Int {
        let size = bucket.configuration.maximumValueSize
        return min(bucket.context.maximumPayload, size > 0 ? Int(clamping: size) : .max)
    }

    /// Whether an entry's time is over, or would be in the target.
    func isExpired(_ entry: EntryView) -> Bool {
        let own = entry.lifetime(isHeeded: isTTLHeeded)
        guard let expiry = EntryLifetime.expiry(of: entry.time, own: own, maximumAge: configuration.ttl) else {
            return false
        }
        return expiry <= now
    }

    /// Adds the publish of an entry under a key to a batch.
    ///
    /// Of an entry that leaves no room for it in the largest message, the origin is left out.
    mutating func append(
        _ entry: EntryView,
        as key: Key,
        from origin: EntryOrigin,
        expecting revision: Revision,
        to batch: inout ConditionalPublisher.Batch
    ) {
        fill(entry, origin, revision)
        if block.count + entry.value.count > limit { fill(entry, nil, revision) }
        subject.removeSubrange(prefixLength...)
        subject.append(contentsOf: key.bytes)
        subject.withUnsafeBytes { subject in
            block.withUnsafeBytes { batch.append(subject: subject, headers: $0, payload: entry.value) }
        }
    }

    private mutating func fill(_ entry: EntryView, _ origin: EntryOrigin?, _ revision: Revision) {
        let timeToLive = ReplayHeaders.TimeToLive(
            left: entry,
            isHeeded: isTTLHeeded,
            isAllowed: configuration.allowsEntryTTL,
            at: now
        )
        block.removeAll(keepingCapacity: true)
        block.append(contentsOf: "NATS/1.0\r\nNats-Expected-Last-Subject-Sequence: \(revision)\r\n".utf8)
        if let origin { block.append(contentsOf: "\(EntryOrigin.header): \(origin.text)\r\n".utf8) }
        if case .seconds(let seconds) = timeToLive { block.append(contentsOf: "Nats-TTL: \(seconds)\r\n".utf8) }
        ReplayHeaders.carryOver(
            entry.headers,
            isTimeToLiveKept: timeToLive == .asArchived,
            isOriginKept: false,
            to: &block
        )
        block.append(contentsOf: "\r\n".utf8)
    }
}
