import KVModel

/// Writes the header block that an archived entry is published with, and reads it back for comparing.
///
/// Publishing cannot carry every header over unchanged: those that speak to the server about the publish itself
/// (`Nats-Expected-…`, `Nats-Batch-…`, `Nats-Msg-Id`) would be obeyed again. They are left out; `Nats-Msg-Id` says
/// which archived entry this is (an id that the entry had before is kept as `Cistern-Msg-Id`), and
/// `Nats-Expected-Last-Sequence` makes the server refuse whatever does not follow the entry before it, so that a lost,
/// repeated or foreign publish can never make a hole or a duplicate.
struct ReplayHeaders: Sendable {
    private let identity: ReplayIdentity
    private var block: [UInt8] = []

    init(_ identity: ReplayIdentity) {
        self.identity = identity
        block.reserveCapacity(512)
    }

    private static let opening = Array("NATS/1.0\r\nNats-Msg-Id: ".utf8)
    private static let bareOpening = Array("NATS/1.0\r\n".utf8)
    private static let expected = Array("\r\nNats-Expected-Last-Sequence: ".utf8)
    private static let timeToLive = Array("Nats-TTL: ".utf8)
    private static let lineEnd = Array("\r\n".utf8)
    private static let kept = Array("Cistern-Msg-Id".utf8)

    /// More than what is ever added to an entry's own headers.
    static let largestAddition = 160

    /// What becomes of an entry's `Nats-TTL`.
    enum TimeToLive: Equatable {
        /// It stays as it is.
        case asArchived
        /// It is left out.
        case none
        /// So many seconds are left.
        case seconds(Int64)
    }

    /// Writes the block for an entry and lends it to `body`.
    ///
    /// Where `limit` leaves no room for what we add to an entry as large as the server takes, the block has only what
    /// the entry had itself; such an entry is known again by its bytes.
    mutating func encode(
        _ entry: EntryView,
        expecting lastSequence: UInt64,
        timeToLive: TimeToLive,
        limit: Int,
        _ body: (UnsafeRawBufferPointer) -> Void
    ) {
        fill(entry, lastSequence, timeToLive)
        if block.count + entry.value.count > limit { fill(entry, nil, timeToLive) }
        block.withUnsafeBytes { body($0) }
    }

    private mutating func fill(_ entry: EntryView, _ lastSequence: UInt64?, _ timeToLive: TimeToLive) {
        block.removeAll(keepingCapacity: true)
        if let lastSequence {
            block.append(contentsOf: Self.opening)
            block.append(contentsOf: identity.prefix)
            Self.append(entry.revision, to: &block)
            block.append(contentsOf: Self.expected)
            Self.append(lastSequence, to: &block)
            block.append(contentsOf: Self.lineEnd)
        } else {
            block.append(contentsOf: Self.bareOpening)
        }
        let start = block.count
        if case .seconds(let seconds) = timeToLive {
            block.append(contentsOf: Self.timeToLive)
            Self.append(UInt64(clamping: seconds), to: &block)
            block.append(contentsOf: Self.lineEnd)
        }
        Self.carryOver(entry.headers, isTimeToLiveKept: timeToLive == .asArchived, to: &block)
        if lastSequence == nil, block.count == start { return block.removeAll(keepingCapacity: true) }
        block.append(contentsOf: Self.lineEnd)
    }

    /// Writes the lines of an entry's own headers that another publish may carry.
    static func carryOver(
        _ headers: UnsafeRawBufferPointer,
        isTimeToLiveKept: Bool,
        isOriginKept: Bool = true,
        to block: inout [UInt8]
    ) {
        guard !headers.isEmpty else { return }
        HeaderBlock.scan(headers) { name, value in
            if !isOriginKept, name.elementsEqual(EntryOrigin.header.utf8) { return true }
            let isTimeToLive = name.elementsEqual("Nats-TTL".utf8)
            if isTimeToLive ? isTimeToLiveKept : !isAboutPublishing(name) {
                line(name, value, to: &block)
            } else if name.elementsEqual("Nats-Msg-Id".utf8), !isOurs(value) {
                kept.withUnsafeBytes { line($0, value, to: &block) }
            }
            return true
        }
    }

    /// Whether a header line may differ between an entry and its copy: what speaks of the publish or of the copying.
    static func isAddedOrDropped(_ name: UnsafeRawBufferPointer) -> Bool {
        isAboutPublishing(name) || name.elementsEqual("Nats-TTL".utf8) || name.elementsEqual(kept)
            || name.elementsEqual(EntryOrigin.header.utf8)
    }

    /// The header lines of an entry that a replay carries over, as they are before and after it.
    static func carriedOver(_ headers: UnsafeRawBufferPointer) -> [HeaderBlock.Field] {
        HeaderBlock(headers).fields.filter { field in
            !isAboutPublishing(field.name) && field.name != "Nats-TTL" && field.name != "Cistern-Msg-Id"
        }
    }

    private static func isAboutPublishing(_ name: UnsafeRawBufferPointer) -> Bool {
        guard name.starts(with: "Nats-".utf8) else { return false }
        return name.elementsEqual("Nats-Msg-Id".utf8) || name.starts(with: "Nats-Expected-".utf8)
            || name.starts(with: "Nats-Batch-".utf8)
    }

    private static func isAboutPublishing(_ name: String) -> Bool {
        name == "Nats-Msg-Id" || name.hasPrefix("Nats-Expected-") || name.hasPrefix("Nats-Batch-")
    }

    private static func isOurs(_ id: UnsafeRawBufferPointer) -> Bool {
        id.starts(with: "cistern:".utf8)
    }

    private static func line(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, to block: inout [UInt8]) {
        block.append(contentsOf: name)
        block.append(58)
        block.append(32)
        block.append(contentsOf: value)
        block.append(contentsOf: lineEnd)
    }

    static func append(_ number: UInt64, to block: inout [UInt8]) {
        guard number >= 10 else { return block.append(48 + UInt8(number)) }
        var digits: (UInt64, UInt64, UInt64) = (0, 0, 0)
        withUnsafeMutableBytes(of: &digits) { space in
            var rest = number
            var start = space.count
            while rest > 0 {
                start -= 1
                space[start] = 48 + UInt8(rest % 10)
                rest /= 10
            }
            block.append(contentsOf: space[start...])
        }
    }
}
