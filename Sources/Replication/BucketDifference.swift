public import KVModel

/// How one key differs between two states.
public struct KeyDifference: Sendable, Hashable {
    /// The kind of difference.
    public enum Kind: String, Sendable, Hashable {
        /// Only the second has a value.
        case added
        /// Both have one, and they differ.
        case changed
        /// Only the first has a value.
        case removed
    }

    /// The key.
    public var key: Key
    /// Its value in the first; nil if there is none.
    public var old: ValueState?
    /// Its value in the second; nil if there is none.
    public var new: ValueState?

    /// The kind of difference.
    public var kind: Kind { old == nil ? .added : new == nil ? .removed : .changed }
}

/// What differs between two states of a bucket, or of two buckets, key by key, in the order of the keys: pure.
///
/// The differences are found anew whenever they are iterated, and never held.
public struct BucketDifference: Sendable, Sequence {
    /// Keys that only the second has.
    public private(set) var added = 0
    /// Keys whose values differ.
    public private(set) var changed = 0
    /// Keys that only the first has.
    public private(set) var removed = 0
    /// Keys with the same value on both sides.
    public private(set) var equal = 0
    /// Of these, keys that have another revision: they were written again, or restored.
    public private(set) var rewritten = 0
    private let old: ValueTable
    private let new: ValueTable

    /// Compares the values of keys.
    public init(from old: consuming ValueTable, to new: consuming ValueTable) {
        old.sort()
        new.sort()
        self.old = old
        self.new = new
        var pairs = Pairs(self.old, self.new)
        while let pair = pairs.next() {
            switch (pair.old.flatMap(self.old.state), pair.new.flatMap(self.new.state)) {
            case (let left?, let right?) where left.isSameValue(as: right):
                equal += 1
                if left.revision != right.revision { rewritten += 1 }
            case (_?, _?): changed += 1
            case (nil, _): added += 1
            case (_, nil): removed += 1
            }
        }
    }

    /// Whether nothing differs.
    public var isEmpty: Bool { added + changed + removed == 0 }

    /// The keys that differ, sorted.
    public func makeIterator() -> Iterator { Iterator(old, new) }

    /// Goes through the keys that differ.
    public struct Iterator: IteratorProtocol {
        private let old: ValueTable
        private let new: ValueTable
        private var pairs: Pairs

        init(_ old: ValueTable, _ new: ValueTable) {
            self.old = old
            self.new = new
            pairs = Pairs(old, new)
        }

        /// The next key that differs; nil after the last.
        public mutating func next() -> KeyDifference? {
            while let pair = pairs.next() {
                let (left, right) = (pair.old.flatMap(old.state), pair.new.flatMap(new.state))
                if let left, let right, left.isSameValue(as: right) { continue }
                guard let key = pair.old.map(old.key) ?? pair.new.map(new.key) else { continue }
                return KeyDifference(key: key, old: left, new: right)
            }
            return nil
        }
    }

    /// Goes through two sorted tables, key by key.
    private struct Pairs {
        private let old: ValueTable
        private let new: ValueTable
        private var nextOld = 0
        private var nextNew = 0

        init(_ old: ValueTable, _ new: ValueTable) {
            self.old = old
            self.new = new
        }

        /// Where the next key stands in each table.
        mutating func next() -> (old: Int?, new: Int?)? {
            let hasOld = nextOld < old.count
            let hasNew = nextNew < new.count
            guard hasOld || hasNew else { return nil }
            let order = hasOld && hasNew ? old.order(nextOld, new, nextNew) : hasOld ? -1 : 1
            defer {
                if order <= 0 { nextOld += 1 }
                if order >= 0 { nextNew += 1 }
            }
            return (order <= 0 ? nextOld : nil, order >= 0 ? nextNew : nil)
        }
    }
}
