import JetStream
import KVModel
import KeyValue

/// Turns entries of a mirror's source into publishes that take effect only where the key's newest entry in the target
/// is the expected one.
struct MirrorEncoder {
    /// What came of an entry.
    enum Outcome: Equatable {
        case added
        /// Its time is over.
        case expired
        /// No message that the target takes has room for it and for what must be said with it.
        case tooLarge
    }

    /// Every entry must get the revision that it has.
    private let preservesRevisions: Bool
    private let identity: ReplayIdentity
    private let mapping: KeyMapping
    private let isTTLAllowed: Bool
    private let maximumAge: Int64
    private let limit: Int
    private var subject: [UInt8]
    private let prefixLength: Int
    private var block: [UInt8] = []

    init(_ target: Bucket, identity: ReplayIdentity, options: MirrorOptions) {
        self.identity = identity
        mapping = options.mapping
        preservesRevisions = options.preservesRevisions
        isTTLAllowed = target.configuration.allowsEntryTTL
        maximumAge = target.configuration.ttl
        limit = MergeEncoder.limit(target)
        subject = Array(target.context.publishSubject(target.name.subjectPrefix).utf8)
        prefixLength = subject.count
    }

    /// Adds the publish of an entry to a batch, unless the entry has expired.
    ///
    /// `copies` is how often the server has dropped it as a copy of something that is not there any more: it gets
    /// another name then that says the same.
    mutating func append(
        _ entry: EntryView,
        number: UInt64,
        expecting sequence: UInt64,
        copies: Int,
        to batch: inout NumberedPublisher.Batch
    ) -> Outcome {
        let now = Timestamp.wallClock()
        let own = entry.headers.isEmpty ? nil : EntryLifetime(headers: entry.headers)
        let expiry = EntryLifetime.expiry(of: entry.time, own: own, maximumAge: maximumAge)
        // Where revisions are to be the same none may be left out.
        if let expiry, expiry <= now, !preservesRevisions { return .expired }
        let timeToLive = ReplayHeaders.TimeToLive(left: entry, own, isAllowed: isTTLAllowed, at: now)
        fill(entry, sequence, copies, timeToLive, isNamed: true)
        if block.count + entry.value.count > limit { fill(entry, sequence, copies, timeToLive, isNamed: false) }
        guard block.count + entry.value.count <= limit else { return .tooLarge }
        subject.removeSubrange(prefixLength...)
        mapping.append(entry.key, to: &subject)
        subject.withUnsafeBytes { subject in
            block.withUnsafeBytes {
                batch.append(number: number, subject: subject, headers: $0, payload: entry.value)
            }
        }
        return .added
    }

    private mutating func fill(
        _ entry: EntryView,
        _ sequence: UInt64,
        _ copies: Int,
        _ timeToLive: ReplayHeaders.TimeToLive,
        isNamed: Bool
    ) {
        block.removeAll(keepingCapacity: true)
        block.append(contentsOf: "NATS/1.0\r\n".utf8)
        if isNamed {
            block.append(contentsOf: "Nats-Msg-Id: ".utf8)
            block.append(contentsOf: identity.prefix)
            block.append(contentsOf: repeatElement(48, count: copies))
            ReplayHeaders.append(entry.revision, to: &block)
            block.append(contentsOf: "\r\n".utf8)
        }
        block.append(contentsOf: "Nats-Expected-Last-".utf8)
        if !preservesRevisions { block.append(contentsOf: "Subject-".utf8) }
        block.append(contentsOf: "Sequence: ".utf8)
        ReplayHeaders.append(sequence, to: &block)
        block.append(contentsOf: "\r\n".utf8)
        if case .seconds(let seconds) = timeToLive { block.append(contentsOf: "Nats-TTL: \(seconds)\r\n".utf8) }
        let isTimeToLiveKept = timeToLive == .asArchived
        if !entry.headers.isEmpty, let rollup = HeaderBlock.value(of: "Nats-Rollup", in: entry.headers),
            rollup.elementsEqual("all".utf8)
        {
            // It would empty the whole target, other keys than the mirror's with it.
            var own = HeaderBlock(entry.headers)
            own["Nats-Rollup"] = "sub"
            own.encoded().withUnsafeBytes {
                ReplayHeaders.carryOver($0, isTimeToLiveKept: isTimeToLiveKept, to: &block)
            }
        } else {
            ReplayHeaders.carryOver(entry.headers, isTimeToLiveKept: isTimeToLiveKept, to: &block)
        }
        block.append(contentsOf: "\r\n".utf8)
    }
}

/// Says of entries what a mirror must know before it reads or writes them.
struct MirrorSelection: Sendable {
    /// The target's own name in entries that came from there.
    let targetIdentity: UInt64
    /// Whether deletes travel.
    let deletes: Bool

    /// Whether an entry of the source is for the target.
    ///
    /// What a mirror in the other direction has written came from the target and does not travel back.
    func takes(_ entry: EntryView) -> Bool {
        guard deletes || entry.operation == .put else { return false }
        guard !entry.headers.isEmpty, let id = HeaderBlock.value(of: "Nats-Msg-Id", in: entry.headers),
            let origin = ReplayIdentity.origin(id)
        else { return true }
        return origin.source != targetIdentity
    }
}

/// What the newest entry of a key in the target says to a mirror.
enum MirrorSighting: Equatable {
    /// It is an entry of the source, of this revision.
    case own(Revision)
    /// The mirror itself, or the server, put it there in place of what was gone.
    case marker
    /// It is somebody else's.
    case foreign

    /// The header of what a resynchronisation writes over keys that the source does not have.
    static let removalHeader = "Cistern-Removed"

    init(headers: UnsafeRawBufferPointer, _ identity: ReplayIdentity) {
        if headers.isEmpty {
            self = .foreign
        } else if let revision = identity.revision(in: headers) {
            self = .own(revision)
        } else if let origin = EntryOrigin(headers: headers), origin.source == identity.number {
            // A reconciliation has brought it.
            self = .own(origin.revision)
        } else if HeaderBlock.value(of: "Nats-Marker-Reason", in: headers) != nil
            || HeaderBlock.value(of: "Cistern-Removed", in: headers) != nil
        {
            self = .marker
        } else {
            self = .foreign
        }
    }
}
