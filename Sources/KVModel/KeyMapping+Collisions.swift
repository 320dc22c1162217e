extension KeyMapping {
    /// Finds out whether a mapping gives two of the keys that it is shown one name.
    ///
    /// It keeps two hashes a key, not the keys: what it finds is a suspicion, which a second look at the keys, with
    /// `mappedName` in hand, turns into two names. A key may be shown any number of times.
    public struct CollisionSearch: Sendable {
        /// The name that two keys seem to get; nil as long as there is none.
        public private(set) var mappedName: Key?
        private let mapping: KeyMapping
        private let round: Int
        private var sources: [Int: Int] = [:]
        private var scratch: [UInt8] = []

        /// A search; rounds hash differently, so that keys wrongly suspected in one are told apart in the next.
        public init(_ mapping: KeyMapping, round: Int = 0) {
            self.mapping = mapping
            self.round = round
        }

        /// Shows it a key.
        public mutating func add(_ key: UnsafeRawBufferPointer) {
            guard mappedName == nil else { return }
            scratch.removeAll(keepingCapacity: true)
            mapping.append(key, to: &scratch)
            let source = hash(key)
            let target = scratch.withUnsafeBytes { hash($0) }
            if let other = sources.updateValue(source, forKey: target), other != source {
                mappedName = Key(bytes: scratch)
            }
        }

        private func hash(_ bytes: UnsafeRawBufferPointer) -> Int {
            var hasher = Hasher()
            hasher.combine(round)
            hasher.combine(bytes: bytes)
            return hasher.finalize()
        }
    }
}
