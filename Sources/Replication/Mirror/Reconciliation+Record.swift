import JetStream
import KVModel
import KeyValue

extension Reconciliation {
    /// What the mirror of this source has written down of itself; nil if there is nothing.
    ///
    /// Refuses to compare another life of the source, and other keys, than are mirrored: what differs because of that is
    /// not to be repaired.
    func record() async throws -> MirrorRecord? {
        guard let record = try await foundRecord() else { return nil }
        guard record.source.created == source.info.created else {
            throw MirrorPlan.recreated(source.name.rawValue, from: record.source.created, to: source.info.created)
        }
        let isSame =
            record.filter == KeyPattern.canonical(options.filter).map(\.description)
            && record.mapping == options.mapping.rules.map(\.description) && record.deletes == options.deletes
        guard isSame else {
            throw ReplicationError(
                .otherKeys,
                bucket: target.name.rawValue,
                text: "\(source.name) is mirrored into it with other keys or names: \(record.choice)",
                hint: "give the same --filter, --map and --no-deletes to compare the two"
            )
        }
        return record
    }

    /// Up to which revision of the source a mirror has brought everything; nil if nobody knows.
    func mirrorPosition() async throws -> Revision? {
        if let position = options.mirrorPosition { return position() }
        guard let record = try await foundRecord(), record.target.created == target.info.created else { return nil }
        return record.resumeRevision
    }

    private func foundRecord() async throws -> MirrorRecord? {
        let key = MirrorRecord.key(source: source.name, cluster: source.clusterName, target: target.name)
        return try await patiently {
            try await MirrorRecords(existingIn: Buckets(target.context))?.read(key)?.record
        }
    }
}
