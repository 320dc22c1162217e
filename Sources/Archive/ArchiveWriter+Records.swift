import GRDB
public import KVModel

extension ArchiveWriter {
    /// Starts a line of the audit trail; a run that is killed stays unfinished.
    public func beginRun(
        kind: String,
        incarnation: IncarnationID? = nil,
        fromRevision: Revision? = nil,
        at time: Timestamp
    ) throws -> RunID {
        try write { db in
            try db.execute(
                sql: """
                    INSERT INTO run (kind, incarnation, started, from_revision, entries, bytes, outcome, digest)
                    VALUES (?, ?, ?, ?, 0, 0, ?, x'')
                    """,
                arguments: [
                    kind, incarnation?.rawValue, time.nanoseconds, try fromRevision?.stored(),
                    ArchiveRun.Outcome.unfinished.rawValue,
                ]
            )
            let id = db.lastInsertedRowID
            try db.sealRun(id)
            return RunID(rawValue: id)
        }
    }

    /// Ends a line of the audit trail.
    public func finishRun(
        _ id: RunID,
        outcome: ArchiveRun.Outcome,
        incarnation: IncarnationID? = nil,
        toRevision: Revision? = nil,
        entries: Int = 0,
        bytes: Int = 0,
        error: String? = nil,
        at time: Timestamp
    ) throws {
        try write { db in
            try db.execute(
                sql: """
                    UPDATE run SET finished = ?, to_revision = ?, entries = ?, bytes = ?, outcome = ?, error = ?,
                    incarnation = COALESCE(?, incarnation) WHERE id = ?
                    """,
                arguments: [
                    time.nanoseconds, try toRevision?.stored(), entries, bytes, outcome.rawValue, error,
                    incarnation?.rawValue, id.rawValue,
                ]
            )
            try db.sealRun(id.rawValue)
        }
    }

    /// Names a revision.
    ///
    /// Throws `.exists` if the incarnation has that name already, at another revision.
    public func tag(
        _ name: String,
        _ id: IncarnationID,
        revision: Revision,
        note: String = "",
        at time: Timestamp
    ) throws {
        guard !name.isEmpty else { throw ArchiveError(.invalid("a tag without a name"), path: path) }
        try write { db in
            if let present = try db.tags(id).first(where: { $0.name == name }) {
                guard present.revision != revision else { return }
                throw ArchiveError(.exists, hint: "tag \"\(name)\" names revision \(present.revision)")
            }
            let incarnation = try db.incarnation(id)
            let stored = try db.soundCheckpoint(incarnation)
            let checkpoint = stored?.checkpoint
            guard let checkpoint, revision <= checkpoint.resumeRevision else {
                throw ArchiveError(.noSuchPoint("its newest revision is \(checkpoint?.resumeRevision ?? 0)"))
            }
            try db.checkAvailable(revision, incarnation, exactFrom: stored?.exactFrom ?? 0)
            let proved =
                checkpoint.consistentRevision == revision
                ? checkpoint.consistentTime : try db.soundPoint(incarnation, at: revision)?.point.time
            try db.insert(
                into: "tag",
                "name, revision, time, note, created",
                [
                    name.databaseValue, try revision.stored().databaseValue,
                    proved?.nanoseconds.databaseValue ?? .null, note.databaseValue, time.nanoseconds.databaseValue,
                ],
                SegmentDigest.tag,
                of: incarnation
            )
            try db.count(.tag, by: 1, incarnation)
        }
    }

    /// Removes a tag.
    ///
    /// Throws `.noSuchPoint` if there is none of that name.
    public func removeTag(_ name: String, _ id: IncarnationID) throws {
        try write { db in
            try db.execute(sql: "DELETE FROM tag WHERE incarnation = ? AND name = ?", arguments: [id.rawValue, name])
            guard db.changesCount == 1 else { throw ArchiveError(.noSuchPoint("there is no tag \"\(name)\"")) }
            try db.count(.tag, by: -1, db.incarnation(id))
        }
    }

    /// Records revisions that the source was seen to hold at a point although their time was over.
    public func recordSightings(
        _ id: IncarnationID,
        _ revisions: [ClosedRange<Revision>],
        at point: ConsistentPoint
    ) throws {
        guard !revisions.isEmpty else { return }
        try write { db in
            let incarnation = try db.incarnation(id)
            for range in revisions {
                let sighting = RemovalRecord(
                    revisions: range,
                    sinceRevision: point.revision,
                    sinceTime: point.time,
                    seenRevision: 0,
                    seenTime: Timestamp(nanoseconds: 0)
                )
                try db.save(sighting, incarnation)
            }
            try db.count(.removal, by: revisions.count, incarnation)
        }
    }

    /// Records revisions that are gone from the source without an entry saying so.
    ///
    /// `seenAt` is the revision at which they were seen to be gone: states from there on do not hold them. `since` is
    /// the last point at which they were known to be there, by default the newest before. Points in between turn out
    /// not to be exact: they go.
    public func recordRemovals(
        _ id: IncarnationID,
        _ revisions: [ClosedRange<Revision>],
        since: ConsistentPoint? = nil,
        seenAt: Revision,
        time: Timestamp
    ) throws {
        guard !revisions.isEmpty else { return }
        try write { db in
            let incarnation = try db.incarnation(id)
            let before = try db.points(id, through: seenAt).map(\.point).last {
                $0.revision < seenAt || $0.time < time
            }
            let since = since ?? before
            for range in revisions {
                try db.save(
                    RemovalRecord(
                        revisions: range,
                        sinceRevision: since?.revision ?? 0,
                        sinceTime: since?.time ?? Timestamp(nanoseconds: 0),
                        seenRevision: seenAt,
                        seenTime: time
                    ),
                    incarnation
                )
            }
            try db.count(.removal, by: revisions.count, incarnation)
            let exactFrom = try db.soundCheckpoint(incarnation)?.exactFrom ?? 0
            let disproved = max(exactFrom, since?.revision ?? 0)
            for point in try db.points(id, through: seenAt) where point.point.revision > disproved {
                try db.forget(point.point, incarnation)
            }
        }
    }
}
