import Crypto
import KVModel

/// The newest entry of a key on one side of a merge, without its bytes.
struct MergeEntry: Sendable, Hashable {
    /// Its revision on that side.
    var revision: Revision
    /// When it was stored there.
    var time: Timestamp
    /// Whether the key has a value.
    var isPut: Bool
    /// Where the value comes from.
    var origin: EntryOrigin
    /// Value and headers, as a number.
    private var content: Content

    private struct Content: Sendable, Hashable {
        let first: UInt64
        let second: UInt64
    }

    /// An entry of the bucket or archive of this identity.
    init(_ entry: EntryView, in identity: ReplayIdentity) {
        revision = entry.revision
        time = entry.time
        isPut = entry.operation == .put
        origin = EntryOrigin(entry, in: identity)
        var hash = SHA256()
        withUnsafeBytes(of: entry.value.count) { hash.update(bufferPointer: $0) }
        hash.update(bufferPointer: entry.value)
        HeaderBlock.scan(entry.headers) { name, value in
            guard !ReplayHeaders.isAddedOrDropped(name) else { return true }
            for part in [name, value] {
                withUnsafeBytes(of: part.count) { hash.update(bufferPointer: $0) }
                hash.update(bufferPointer: part)
            }
            return true
        }
        content = hash.finalize().withUnsafeBytes { bytes in
            Content(
                first: bytes.loadUnaligned(as: UInt64.self),
                second: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
            )
        }
    }

    /// Value and headers as a single number, where many entries are held.
    var fingerprint: UInt64 { content.first }

    /// Whether both say the same of the key: the same value under the same headers, or that it has none.
    func isSame(as other: MergeEntry) -> Bool {
        isPut == other.isPut && (!isPut || content == other.content)
    }
}

/// What a merge does about a key, decided from the newest entry of each side: pure.
///
/// The newer of the two stays, deletes counting as entries: newer is what was written later to the same life of a bucket,
/// by its revision, else by the time that the servers stored it. What was written while the merge runs is newer than
/// anything in an archive.
struct MergeRule: Sendable, Hashable {
    /// Whether what is newer in the target is written over.
    var overwrites = false
    /// The target's last sequence when the merge began.
    var beginning: UInt64 = 0

    /// What is done.
    enum Verdict: Hashable {
        /// Both sides say the same.
        case nothing
        /// The target's is newer and stays.
        case keep
        /// It is written, if the key's newest entry in the target is still of this revision; 0 for none.
        case write(expecting: Revision)
        /// The same, although the target's is newer.
        case overwrite(expecting: Revision)
    }

    /// Decides; nil is a key that the target has no entry of.
    func verdict(source: MergeEntry, target: MergeEntry?) -> Verdict {
        guard let target else { return source.isPut ? .write(expecting: 0) : .nothing }
        if source.isSame(as: target) { return .nothing }
        // Written by somebody else since: an acknowledged write is never lost to a merge that did not see it.
        if target.revision > beginning { return .keep }
        if target.origin.isOlder(than: source.origin) { return .write(expecting: target.revision) }
        return overwrites ? .overwrite(expecting: target.revision) : .keep
    }

    /// What a comparison after the merge finds of a key.
    enum Finding: Hashable {
        case equal
        case newer
        case missing
        case changed
    }

    /// Judges what the target holds after the merge.
    func finding(source: MergeEntry, target: MergeEntry?) -> Finding {
        guard let target else { return source.isPut ? .missing : .equal }
        if source.isSame(as: target) { return .equal }
        // The very entry, with other bytes.
        if target.origin == source.origin { return .changed }
        if target.revision > beginning { return .newer }
        return overwrites || target.origin.isOlder(than: source.origin) ? .changed : .newer
    }
}
