import KVModel

/// What is known of a key's newest entry in the target.
struct KnownHead: Hashable, Sendable {
    /// Its sequence there; 0 if the key has none.
    var sequence: UInt64
    /// The source's revision that it is; 0 if it is none of the source's.
    var revision: Revision

    /// The key has no entry.
    static let absent = KnownHead(sequence: 0, revision: 0)
}

/// The newest entries of the keys that were written or looked up last, in bounded memory.
struct KnownHeads {
    /// Whether something was known and has been forgotten.
    private(set) var hasForgotten = false
    private let limit: Int
    private var young: [KeyDigest: KnownHead] = [:]
    private var old: [KeyDigest: KnownHead] = [:]

    /// Room for so many keys.
    init(limit: Int = 1 << 19) {
        self.limit = max(2, limit)
    }

    var count: Int { young.count + old.count }

    subscript(key: KeyDigest) -> KnownHead? {
        mutating get {
            if let head = young[key] { return head }
            guard let head = old.removeValue(forKey: key) else { return nil }
            self[key] = head
            return head
        }
        set {
            if young.count >= limit / 2 {
                if !old.isEmpty { hasForgotten = true }
                old = young
                young = [:]
            }
            young[key] = newValue
        }
    }
}
