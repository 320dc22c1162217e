import KVModel

/// How a run of a mirror begins, decided from the record that the run before left and from the two buckets: pure.
struct MirrorPlan: Sendable, Hashable {
    /// What the run needs to know of a bucket.
    struct End: Sendable, Hashable {
        var end: MirrorRecord.End
        var lastSequence: UInt64
    }

    /// The record that the run claims.
    var record: MirrorRecord
    /// Whether the target is brought to equality with another life of the source.
    var isResync = false
    /// Whether what the target holds is that of the record, so that what came since can be looked through.
    var isContinued = false

    /// Decides; throws where the mirror must not go on.
    ///
    /// - Parameters:
    ///   - found: the record there is.
    ///   - source: the source now.
    ///   - target: the target now.
    ///   - diverges: whether the source's entry at the record's resume revision is another than it was.
    ///   - claim: the name of this run.
    ///   - now: the time.
    init(
        found: MirrorRecord?,
        source: End,
        target: End,
        diverges: Bool = false,
        claim: String,
        options: MirrorOptions,
        now: Timestamp
    ) throws(ReplicationError) {
        record = MirrorRecord(
            source: source.end,
            target: target.end,
            claim: claim,
            fencingToken: options.fencingToken,
            filter: KeyPattern.canonical(options.filter).map(\.description),
            mapping: options.mapping.rules.map(\.description),
            deletes: options.deletes,
            updated: now.description
        )
        guard let found else { return }
        try Self.refuseStale(found, options)
        record.fencingToken = [found.fencingToken, options.fencingToken].compactMap(\.self).max()
        record.losses = found.losses
        record.isResyncing = found.isResyncing
        try Self.refuseOtherKeys(found, record)
        if let obstacle = Self.obstacle(found, source, diverges) {
            guard options.onRecreate == .resync else { throw obstacle }
            isResync = true
            record.isResyncing = true
            // What was written of the life before the loss must not pass for what comes now.
            record.losses = obstacle.code == .sourceRecreated ? 0 : found.losses + 1
            return
        }
        // A target that was made anew, or lost what it had acknowledged, gets everything that it does not have.
        guard found.target.created == target.end.created, target.lastSequence >= found.targetSequence else { return }
        isContinued = true
        record.resumeRevision = found.resumeRevision
        record.resumeTime = found.resumeTime
        record.targetSequence = found.targetSequence
    }

    private static func refuseStale(_ found: MirrorRecord, _ options: MirrorOptions) throws(ReplicationError) {
        guard let theirs = found.fencingToken, let ours = options.fencingToken, ours < theirs else { return }
        throw ReplicationError(
            .claimedByOther,
            bucket: found.target.bucket,
            text:
                "a run with a newer lease (\(theirs), this one has \(ours)) has mirrored \(found.source.bucket) into it",
            hint: "this run's lease is over: let the other one do it"
        )
    }

    private static func obstacle(
        _ found: MirrorRecord,
        _ source: End,
        _ diverges: Bool
    ) -> ReplicationError? {
        let bucket = source.end.bucket
        if found.source.created != source.end.created {
            return recreated(bucket, from: found.source.created, to: source.end.created)
        }
        if source.lastSequence < found.resumeRevision {
            return ReplicationError(
                .sourceRegressed,
                bucket: bucket,
                text: "its last revision is \(source.lastSequence), but the target has its revisions up to "
                    + "\(found.resumeRevision): the source's server lost acknowledged writes",
                hint: "the target still has them and was not changed; bring it to the source's state with "
                    + "--on-recreate resync"
            )
        }
        if diverges {
            return ReplicationError(
                .sourceDiverged,
                bucket: bucket,
                text:
                    "its revision \(found.resumeRevision) is another entry than the one that was mirrored: the source's "
                    + "server lost acknowledged writes and numbered new ones the same",
                hint: "the target still has what was lost and was not changed; bring it to the source's state with "
                    + "--on-recreate resync"
            )
        }
        return nil
    }

    private static func refuseOtherKeys(
        _ found: MirrorRecord,
        _ wanted: MirrorRecord
    ) throws(ReplicationError) {
        guard found.filter != wanted.filter || found.mapping != wanted.mapping || found.deletes != wanted.deletes else {
            return
        }
        throw ReplicationError(
            .otherKeys,
            bucket: found.target.bucket,
            text: "\(found.source.bucket) is mirrored into it with other keys or names so far: \(found.choice)",
            hint: "give the same --filter, --map and --no-deletes; to begin anew with others, delete the mirror's "
                + "record, key \(found.key) of bucket \(MirrorRecords.bucketName): keys left out from then on stay as "
                + "they are"
        )
    }

    /// The error for a source that was deleted and created again.
    static func recreated(_ bucket: String, from old: String, to new: String) -> ReplicationError {
        ReplicationError(
            .sourceRecreated,
            bucket: bucket,
            text: "it was deleted and created again: created \(new), before that \(old)",
            hint: "the target still has what was mirrored and was not changed; bring it to the new bucket's state with "
                + "--on-recreate resync, or mirror into another target"
        )
    }
}

extension MirrorRecord {
    /// The choice of keys in words.
    var choice: String {
        var parts = [filter.isEmpty ? "every key" : "keys \(filter.joined(separator: " "))"]
        if !mapping.isEmpty { parts.append("map \(mapping.joined(separator: " "))") }
        if !deletes { parts.append("without deletes") }
        return parts.joined(separator: ", ")
    }
}
