import JetStream
import KVModel
import KeyValue

/// Turns entries of a mirror's source into publishes that take effect only where the key's newest entry in the target
/// is the expected one.
struct MirrorEncoder {
    /// What came of an entry.
    enum Outcome: Equatable {
        case added
        /// Its time is over, and nothing in the target has to go with it.
        case expired
        /// No message that the target takes has room for it and for what must be said with it.
        case tooLarge
    }

    /// Every entry must get the revision that it has.
    private let preservesRevisions: Bool
    private let identity: ReplayIdentity
    private let mapping: KeyMapping
    /// Whether deletes travel.
    private let deletes: Bool
    private let isTTLHeeded: Bool
    private let isTTLAllowed: Bool
    private let sourceHistory: Int64
    private let maximumAge: Int64
    private let limit: Int
    private var subject: [UInt8]
    private let prefixLength: Int
    private var block: [UInt8] = []

    /// What takes the place of a value whose time is over.
    private static let purge = Array("NATS/1.0\r\nKV-Operation: PURGE\r\nNats-Rollup: sub\r\n\r\n".utf8)

    init(_ target: Bucket, from source: Bucket, identity: ReplayIdentity, options: MirrorOptions) {
        self.identity = identity
        mapping = options.mapping
        preservesRevisions = options.preservesRevisions
        deletes = options.deletes
        isTTLHeeded = source.configuration.allowsEntryTTL
        sourceHistory = source.configuration.history
        isTTLAllowed = target.configuration.allowsEntryTTL
        maximumAge = target.configuration.ttl
        limit = MergeEncoder.limit(target)
        subject = Array(target.context.publishSubject(target.name.subjectPrefix).utf8)
        prefixLength = subject.count
    }

    /// Adds the publish of an entry to a batch.
    ///
    /// An entry that has expired is left out, unless that would leave in the target what it has driven out of the source:
    /// then the key is purged.
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
        let own = entry.lifetime(isHeeded: isTTLHeeded)
        let expiry = EntryLifetime.expiry(of: entry.time, own: own, maximumAge: maximumAge)
        // Where revisions are to be the same none may be left out.
        guard let expiry, expiry <= now, !preservesRevisions else {
            let left = ReplayHeaders.TimeToLive(left: entry, isHeeded: isTTLHeeded, isAllowed: isTTLAllowed, at: now)
            return add(entry, left, number, sequence, copies, to: &batch)
        }
        guard sequence > 0, drivesOutOthers(entry, at: now), deletes || entry.operation != .put else { return .expired }
        let short: ReplayHeaders.TimeToLive = isTTLAllowed ? .seconds(1) : .none
        guard entry.operation == .put else { return add(entry, short, number, sequence, copies, to: &batch) }
        return Self.purge.withUnsafeBytes { headers in
            let purge = EntryView(
                revision: entry.revision,
                time: entry.time,
                operation: .purge,
                key: entry.key,
                headers: headers,
                value: UnsafeRawBufferPointer(start: nil, count: 0)
            )
            return add(purge, short, number, sequence, copies, to: &batch)
        }
    }

    /// Whether the source holds nothing any more of what its key had before an entry that has expired.
    private func drivesOutOthers(_ entry: EntryView, at now: Timestamp) -> Bool {
        if sourceHistory == 1 || HeaderBlock.value(of: "Nats-Rollup", in: entry.headers) != nil
            || HeaderBlock.value(of: "Nats-Marker-Reason", in: entry.headers) != nil
        {
            return true
        }
        // What is too old for the target comes behind what is older still.
        return EntryLifetime.expiry(of: entry.time, own: nil, maximumAge: maximumAge).map { $0 <= now } ?? false
    }

    private mutating func add(
        _ entry: EntryView,
        _ timeToLive: ReplayHeaders.TimeToLive,
        _ number: UInt64,
        _ sequence: UInt64,
        _ copies: Int,
        to batch: inout NumberedPublisher.Batch
    ) -> Outcome {
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
    static let removalHeader = removal.description
    private static let removal: StaticString = "Cistern-Removed"

    init(headers: UnsafeRawBufferPointer, _ identity: ReplayIdentity) {
        if headers.isEmpty {
            self = .foreign
        } else if let revision = identity.revision(in: headers) {
            self = .own(revision)
        } else if let origin = EntryOrigin(headers: headers), origin.source == identity.number {
            // A reconciliation has brought it.
            self = .own(origin.revision)
        } else if HeaderBlock.value(of: "Nats-Marker-Reason", in: headers) != nil
            || HeaderBlock.value(of: Self.removal, in: headers) != nil
        {
            self = .marker
        } else {
            self = .foreign
        }
    }
}
