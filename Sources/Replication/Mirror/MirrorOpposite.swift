import KVModel
import KeyValue

/// The mirror that goes the other way round between the same two buckets.
///
/// The two may run at once over keys that have nothing to do with each other. Where one would read what the other
/// writes, entries would go round, or each would undo the other.
struct MirrorOpposite {
    /// Refuses a mirror whose keys overlap with those of a mirror from its target to its source.
    static func refuse(_ record: MirrorRecord, source: Bucket, target: Bucket, options: MirrorOptions) async throws {
        guard let records = try await MirrorRecords(existingIn: Buckets(source.context)) else { return }
        let key = MirrorRecord.key(source: target.name, cluster: target.clusterName, target: source.name)
        guard let found = try await records.read(key)?.record, found.source.created == record.target.created,
            found.target.created == record.source.created
        else { return }
        let theirFilter = try found.filter.map { text throws(ModelError) in try KeyPattern(text) }
        let theirMapping = try KeyMapping(found.mapping.map { text throws(ModelError) in try KeyMapping.Rule(text) })
        guard
            let (left, right) = overlap(
                reads: options.filter,
                options.mapping,
                theirReads: theirFilter,
                theirMapping
            )
        else { return }
        throw ReplicationError(
            .mirrorsOverlap,
            bucket: target.name.rawValue,
            text:
                "it is mirrored into \(source.name) (\(found.choice)), and that overlaps with mirroring \(source.name) "
                + "into it (\(record.choice)): \(left) and \(right) have keys in common",
            hint: "give the two mirrors keys that have nothing in common (--filter); if the other one is not used any "
                + "more, delete key \(key) of bucket \(MirrorRecords.bucketName) on \(source.name)'s cluster"
        )
    }

    /// Patterns of keys that one mirror writes and the other one reads; nil if there are none.
    static func overlap(
        reads: [KeyPattern],
        _ mapping: KeyMapping,
        theirReads: [KeyPattern],
        _ theirMapping: KeyMapping
    ) -> (KeyPattern, KeyPattern)? {
        func common(_ left: [KeyPattern], _ right: [KeyPattern]) -> (KeyPattern, KeyPattern)? {
            for pattern in left {
                if let other = right.first(where: { $0.overlaps(pattern) }) { return (pattern, other) }
            }
            return nil
        }
        return common(mapping.image(of: reads), KeyMapping.identity.image(of: theirReads))
            ?? common(theirMapping.image(of: theirReads), KeyMapping.identity.image(of: reads))
    }
}
