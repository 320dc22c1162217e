import Archive
import KVModel

/// The entries that a capture has received and not handed on yet, in segments: full ones, and the one that fills.
struct CaptureIntake {
    /// Entries received so far.
    private(set) var entries: UInt64 = 0
    /// Bytes of their keys, header blocks and values.
    private(set) var bytes: UInt64 = 0
    /// The last entry's revision; 0 before the first.
    private(set) var lastRevision: Revision = 0
    /// Of every entry that the archive holds, if it held none before.
    private(set) var digest: EntryDigest?
    private var full: [SegmentBuilder] = []
    private var filling: SegmentBuilder
    private let limits: SegmentBuilder.Limits

    init(segmentBytes: Int, isFirst: Bool) {
        if isFirst { digest = EntryDigest() }
        limits = SegmentBuilder.Limits(rawBytes: segmentBytes)
        filling = SegmentBuilder(limits: limits)
    }

    /// Whether nothing waits to be handed on.
    var isEmpty: Bool { full.isEmpty && filling.isEmpty }

    /// Whether a segment is to be handed on.
    var hasFull: Bool { !full.isEmpty }

    /// Copies an entry in.
    mutating func append(_ entry: EntryView) throws {
        let before = filling.rawBytes
        try filling.append(entry)
        digest?.add(entry)
        lastRevision = entry.revision
        entries += 1
        bytes += UInt64(filling.rawBytes - before)
        guard filling.isFull else { return }
        full.append(filling)
        filling = SegmentBuilder(limits: limits)
    }

    /// The oldest full segment; nil if none is full.
    mutating func nextFull() -> SegmentBuilder? {
        full.isEmpty ? nil : full.removeFirst()
    }

    /// The segment that fills, as far as it is; to be asked for when no full one is left.
    mutating func rest() -> SegmentBuilder {
        let rest = filling
        filling = SegmentBuilder(limits: limits)
        return rest
    }
}
