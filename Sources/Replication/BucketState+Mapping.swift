import Archive
import KVModel

extension BucketState {
    /// Throws if a mapping would give two of the state's keys one name: their histories would run into each other.
    func refuseCollisions(under mapping: KeyMapping) throws {
        guard !mapping.isIdentity else { return }
        var round = 0
        while true {
            var search = KeyMapping.CollisionSearch(mapping, round: round)
            try forEachKey { search.add($0) }
            guard let name = search.mappedName else { return }
            var keys: Set<Key> = []
            try forEachKey { bytes in
                guard keys.count < 2 else { return }
                let key = Key(bytes: Array(bytes))
                if mapping.map(key) == name { keys.insert(key) }
            }
            let found = keys.sorted()
            guard found.count < 2 else {
                throw ReplicationError(
                    .keysCollide,
                    bucket: incarnation.bucket.rawValue,
                    text: "the keys \(found[0]) and \(found[1]) would both become \(name)",
                    hint: "change the mapping, or leave one of them out with --filter"
                )
            }
            round += 1
        }
    }
}
