import KVModel

/// One incarnation on its way from lines into an archive.
struct ImportedIncarnation {
    private static let recordLimit = 1_000_000

    let incarnation: Incarnation
    private let writer: ArchiveWriter
    private let limits: SegmentBuilder.Limits
    /// Where the lines say that the archive ends; nil if nothing was ever committed.
    private let checkpoint: Checkpoint?
    /// What the archive had before.
    private let before: Checkpoint?
    private var present: PresentEntries?
    private var records = AdoptedRecords()
    /// The point whose held runs are being read.
    private var point: PointRecord?
    private var builder: SegmentBuilder
    private var last: Revision = 0
    private var count: UInt64 = 0

    init(_ line: InterchangeLine, writer: ArchiveWriter, options: ArchiveImport.Options) throws {
        let cluster = try options.cluster ?? line.text("cluster")
        let bucket = try ImportSession.bucket(line)
        let created = try line.text("created")
        checkpoint = try Self.checkpoint(line)
        records.exactFrom = line.optionalNumber("exact_from") ?? 0
        guard records.exactFrom <= checkpoint?.resumeRevision ?? 0 else {
            throw LineDamage("exact_from lies behind resume_revision")
        }
        let filter: [KeyPattern]
        do {
            filter = try Incarnation.filter(line.optionalText("keys") ?? "")
        } catch {
            throw LineDamage("its keys are no patterns: \(error)")
        }
        let known = try writer.known(cluster: cluster, bucket: bucket, created: created)
        incarnation =
            try known?.0
            ?? writer.incarnation(cluster: cluster, bucket: bucket, created: created, filter: filter)
        guard incarnation.filter == filter else {
            throw LineDamage("the archive holds other keys of bucket \(bucket)", hint: "import it into another archive")
        }
        before = known?.1
        if let before, before.resumeRevision > 0 {
            present = try PresentEntries(incarnation, through: before.resumeRevision, try writer.reader())
        }
        self.writer = writer
        limits = SegmentBuilder.Limits(rawBytes: options.segmentBytes)
        builder = SegmentBuilder(limits: limits)
    }

    private static func checkpoint(_ line: InterchangeLine) throws(LineDamage) -> Checkpoint? {
        guard line.optionalNumber("resume_revision") != nil else { return nil }
        let resume = try line.storedRevision("resume_revision")
        let consistent = line.optionalNumber("consistent_revision")
        guard consistent ?? 0 <= resume else { throw LineDamage("consistent_revision lies behind resume_revision") }
        return Checkpoint(
            resumeRevision: resume,
            consistentRevision: consistent,
            consistentTime: line.optionalMoment("consistent_time"),
            sourceState: Checkpoint.SourceState(
                messages: line.optionalNumber("source_messages") ?? 0,
                bytes: line.optionalNumber("source_bytes") ?? 0,
                firstSequence: line.optionalNumber("source_first") ?? 0,
                lastSequence: line.optionalNumber("source_last") ?? 0
            ),
            updated: try line.moment("updated")
        )
    }

    /// Takes the next entry: compares it with what the archive holds, or adds it.
    mutating func take(_ entry: EntryView, _ report: inout ArchiveImport.Report) throws {
        if point != nil { try finishPoint() }
        guard entry.revision > last else {
            throw LineDamage("revision \(entry.revision) does not follow revision \(last)")
        }
        guard let checkpoint, entry.revision <= checkpoint.resumeRevision else {
            throw LineDamage("revision \(entry.revision) lies behind the resume_revision of its incarnation")
        }
        last = entry.revision
        count += 1
        if entry.revision <= before?.resumeRevision ?? 0 {
            guard try present?.isNext(entry) == true else { throw different(entry.revision) }
            report.present += 1
            return
        }
        try expectNoneLeft(through: .max)
        try builder.append(entry)
        if builder.isFull { try commit(&report) }
    }

    private func different(_ revision: Revision) -> LineDamage {
        LineDamage(
            "revision \(revision) of bucket \(incarnation.bucket) is not what the archive holds already",
            hint: "import it into another archive and compare the two with `cistern diff`"
        )
    }

    private mutating func expectNoneLeft(through revision: Revision) throws {
        guard let left = try present?.nextRevision(), left <= revision else { return }
        throw LineDamage(
            "the archive holds revision \(left) of bucket \(incarnation.bucket), these lines do not",
            hint: "import it into another archive and compare the two with `cistern diff`"
        )
    }

    private mutating func commit(_ report: inout ArchiveImport.Report) throws {
        guard !builder.isEmpty, let checkpoint else { return }
        let full = builder
        builder = SegmentBuilder(limits: limits)
        report.added += UInt64(full.count)
        report.bytes += UInt64(full.rawBytes)
        report.segments += 1
        // Without a consistent revision: what is half there must not pass for whole.
        try writer.commit(
            [try full.encode()],
            incarnation.id,
            checkpoint: Checkpoint(
                resumeRevision: last,
                sourceState: checkpoint.sourceState,
                updated: checkpoint.updated
            )
        )
    }

    /// Takes what is recorded beside entries.
    mutating func takeRecord(_ line: InterchangeLine, _ kind: InterchangeLine.Kind) throws {
        guard records.count < Self.recordLimit else {
            throw LineDamage("it has more than \(Self.recordLimit) configurations, removals and tags")
        }
        if kind != .held { try finishPoint() }
        switch kind {
        case .point: point = try pointRecord(line)
        case .held:
            guard let pending = point, pending.entries > 0, pending.point.revision == line.revision else {
                throw LineDamage("it does not follow the point that it belongs to")
            }
            for range in line.ranges {
                guard range.lowerBound > point?.held.runs.last?.upperBound ?? 0 else {
                    throw LineDamage("its ranges do not ascend")
                }
                point?.held.append(range)
            }
        case .lost: records.lost.append(try Self.range(line))
        case .configuration: records.configurations.append(try Self.configuration(line))
        case .removal: records.removals.append(try Self.removal(line))
        case .tag:
            guard let revision = line.revision, revision <= checkpoint?.resumeRevision ?? 0 else {
                throw LineDamage("it needs a revision up to its incarnation's resume_revision")
            }
            let name = try line.text("name")
            guard !name.isEmpty else { throw LineDamage("a tag needs a name") }
            records.tags.append(
                (
                    name, revision, line.optionalMoment("proved"), line.optionalText("note") ?? "",
                    try line.moment("tagged")
                )
            )
        case .header, .incarnation, .entry, .end: break
        }
    }

    private func pointRecord(_ line: InterchangeLine) throws(LineDamage) -> PointRecord {
        guard let revision = line.revision, let time = line.time, revision <= checkpoint?.resumeRevision ?? 0 else {
            throw LineDamage("a point needs a time, and a revision up to its incarnation's resume_revision")
        }
        guard revision <= max(checkpoint?.consistentRevision ?? 0, before?.consistentRevision ?? 0) else {
            throw LineDamage("the point at revision \(revision) lies behind the consistent_revision of its incarnation")
        }
        let entries = line.optionalNumber("entries") ?? 0
        return PointRecord(point: ConsistentPoint(revision: revision, time: time), entries: entries)
    }

    /// Keeps a point with all that it held; what may be large is packed.
    private mutating func finishPoint() throws {
        guard let pending = point else { return }
        point = nil
        if pending.entries == 0 {
            records.points.append(pending.point)
        } else {
            guard !pending.held.runs.isEmpty else { throw LineDamage("what the point before it held is missing") }
            records.held.append(try PackedPoint(pending))
        }
    }

    private static func range(_ line: InterchangeLine) throws(LineDamage) -> ClosedRange<Revision> {
        let first = try line.storedRevision("first")
        let last = try line.storedRevision("last")
        guard first <= last else { throw LineDamage("a range of revisions ends before it begins") }
        return first...last
    }

    private static func configuration(_ line: InterchangeLine) throws -> ConfigurationRecord {
        guard let revision = line.revision, let time = line.time else {
            throw LineDamage("a configuration needs revision, time and json")
        }
        let json = try line.text("json")
        do {
            _ = try RetainedEntries.Policy(json: json)
        } catch {
            throw LineDamage("its json is no configuration")
        }
        return ConfigurationRecord(
            revision: try InterchangeLine.checked(revision, "revision"),
            time: time,
            json: json
        )
    }

    private static func removal(_ line: InterchangeLine) throws(LineDamage) -> RemovalRecord {
        RemovalRecord(
            revisions: try range(line),
            sinceRevision: try line.storedRevision("since_revision"),
            sinceTime: try line.moment("since_time"),
            seenRevision: try line.storedRevision("seen_revision"),
            seenTime: try line.moment("seen_time")
        )
    }

    /// The incarnation's lines are at their end: all is committed, and claimed to be complete.
    mutating func finish(entries: UInt64, _ report: inout ArchiveImport.Report) throws {
        try finishPoint()
        guard entries == count else {
            throw LineDamage(
                "\(entries) entries should stand before it, \(count) do",
                hint: "lines are missing: export it again, then run the import again"
            )
        }
        try expectNoneLeft(through: checkpoint?.resumeRevision ?? 0)
        try commit(&report)
        let isNewest =
            checkpoint?.resumeRevision ?? 0 >= before?.resumeRevision ?? 0
            && checkpoint?.consistentRevision ?? 0 >= before?.consistentRevision ?? 0
        try writer.adopt(records, incarnation.id, isNewest ? checkpoint : nil)
    }
}

/// The entries that an archive holds of an incarnation, one after the other, a segment in memory at a time.
struct PresentEntries {
    private var cursor: StateCursor
    private var queue: [Entry] = []
    private var head = 0

    init(_ incarnation: Incarnation, through revision: Revision, _ reader: ArchiveReader) throws {
        cursor = try reader.state(of: incarnation.id, at: revision, historyMode: .full).makeCursor()
    }

    /// The next entry's revision; nil after the last.
    mutating func nextRevision() throws -> Revision? {
        try load() ? queue[head].revision : nil
    }

    /// Whether an entry is the next one, every byte of it; passes over it then.
    mutating func isNext(_ entry: EntryView) throws -> Bool {
        guard try load() else { return false }
        let next = queue[head]
        let isSame = next.withView { view in
            view.revision == entry.revision && view.time == entry.time && view.operation == entry.operation
                && view.key.isSame(as: entry.key) && view.headers.isSame(as: entry.headers)
                && view.value.isSame(as: entry.value)
        }
        if isSame { head += 1 }
        return isSame
    }

    private mutating func load() throws -> Bool {
        while head == queue.count {
            queue.removeAll(keepingCapacity: true)
            head = 0
            guard let run = try cursor.next() else { return false }
            try run.forEachEntry { queue.append(Entry($0)) }
        }
        return true
    }
}
