public import KVModel

/// How one entry differs between an archive and a live bucket.
public struct EntryDifference: Sendable, Hashable {
    /// The kind of difference.
    public enum Kind: String, Sendable, Hashable {
        /// The archive has it, the bucket does not.
        case missing
        /// The bucket has it, the archive's state does not.
        case unexpected
        /// Both have it, with another key, operation, time, header or value.
        case changed
    }

    /// The kind of difference.
    public var kind: Kind
    /// The key.
    public var key: Key
    /// The archived revision, for an unexpected entry the bucket's.
    public var revision: Revision
    /// What differs: `key`, `operation`, `time`, `headers`, `value`.
    public var what: [String]
}

/// What a comparison of an archived state with a live bucket found.
public struct ComparisonReport: Sendable, Hashable {
    /// The revision of the archive that was compared.
    public var revision: Revision
    /// Entries that are equal in both.
    public var equal: UInt64 = 0
    /// Entries that differ.
    public var differences: UInt64 = 0
    /// The first differences.
    public var examples: [EntryDifference] = []
    /// Archived entries that newer entries of the same key pushed out of the bucket since.
    public var superseded: UInt64 = 0
    /// Archived entries whose time in the bucket was over.
    public var expired: UInt64 = 0
    /// Entries of the bucket that are newer than the archived state.
    public var newer: UInt64 = 0
    /// Whether the bucket is an unfinished restore.
    public var isUnfinishedRestore = false
    /// Whether revisions and times were compared as well: not where the bucket was restored by replay.
    public var comparesRevisions = true

    /// Whether the bucket holds the archived state, apart from what has rightly gone since.
    public var isEqual: Bool { differences == 0 }

    /// The differences in a few words.
    public var summary: String {
        guard !isEqual else { return equal == 1 ? "1 entry is equal" : "\(equal) entries are equal" }
        let shown = examples.prefix(3).map { "\($0.kind.rawValue) \($0.key) at \($0.revision)" }
        return
            "\(differences) \(differences == 1 ? "entry differs" : "entries differ") (\(shown.joined(separator: ", "))\(differences > 3 ? ", …" : ""))"
    }

    static let exampleLimit = 20

    mutating func add(_ kind: EntryDifference.Kind, _ key: Key, _ revision: Revision, _ what: [String] = []) {
        differences += 1
        guard examples.count < Self.exampleLimit else { return }
        examples.append(EntryDifference(kind: kind, key: key, revision: revision, what: what))
    }
}
