import Foundation
import GRDB
public import KVModel

extension ArchiveReader {
    /// The revision that a point means.
    ///
    /// Throws `.noSuchPoint` for a point beyond the newest consistent revision, before the first entry, or a tag that
    /// does not exist; the message says what there is.
    public func resolve(_ point: ArchivePoint, in id: IncarnationID) throws -> Revision {
        try read { db in
            let incarnation = try db.incarnation(id)
            let stored = try db.soundCheckpoint(incarnation)
            guard let stored, let newest = stored.checkpoint.consistentRevision else {
                throw ArchiveError(
                    .noSuchPoint("bucket \(incarnation.bucket) was never captured to a consistent revision"),
                    hint: "run the backup again until it reaches one"
                )
            }
            let revision: Revision
            switch point {
            case .newest: revision = newest
            case .revision(let asked): revision = asked
            case .time(let time): return try Self.revision(at: time, in: incarnation, stored, db)
            case .tag(let name):
                let tags = try db.tags(id)
                guard let tag = tags.first(where: { $0.name == name }) else {
                    let known =
                        tags.isEmpty ? "there are none" : "there are " + tags.map(\.name).joined(separator: ", ")
                    throw ArchiveError(.noSuchPoint("there is no tag \"\(name)\"; \(known)"))
                }
                revision = tag.revision
            }
            guard revision <= newest else {
                throw ArchiveError(.noSuchPoint("the newest consistent revision is \(newest), not \(revision)"))
            }
            try db.checkAvailable(revision, incarnation, exactFrom: stored.exactFrom)
            return revision
        }
    }

    /// The last entry stored up to a time.
    private static func revision(
        at time: Timestamp,
        in incarnation: Incarnation,
        _ stored: StoredCheckpoint,
        _ db: Database
    ) throws -> Revision {
        let newest = stored.checkpoint.consistentRevision ?? 0
        var found: Revision?
        // Servers' clocks step back by a little, never by an hour: the last entry at or before the time counts.
        let latest = time.adding(nanoseconds: 3_600_000_000_000)
        for row in try db.segments(of: incarnation, through: newest).reversed() where row.header.firstTime <= latest {
            let segment = try db.columns(of: row, incarnation)
            found = segment.revisions.indices.last { index in
                segment.times[index] <= time.nanoseconds && segment.revisions[index] <= newest
            }.map { segment.revisions[$0] }
            if found != nil { break }
        }
        guard stored.exactFrom > 0, found ?? 0 <= stored.exactFrom else {
            if let found { return found }
            throw ArchiveError(.noSuchPoint("its first entry is later than \(time)"))
        }
        return try Self.keptRevision(found ?? 0, at: time, incarnation, exactFrom: stored.exactFrom, db)
    }

    /// The kept point that is the state at a time, where a prune dropped entries: the last entry that is left tells
    /// nothing of those that are not.
    private static func keptRevision(
        _ found: Revision,
        at time: Timestamp,
        _ incarnation: Incarnation,
        exactFrom: Revision,
        _ db: Database
    ) throws -> Revision {
        let points = try db.soundPoints(incarnation, through: exactFrom).map(\.point)
        if let last = points.last, last.revision == exactFrom, time >= last.time { return exactFrom }
        // Nothing was stored between a point's last entry and the moment when the point was proved.
        if let point = points.first(where: { $0.revision == found && time <= $0.time }) { return point.revision }
        if let point = points.first(where: { $0.time == time }) { return point.revision }
        let near = points.last { $0.time <= time }.map { "revision \($0.revision), of \($0.time)" }
        throw ArchiveError(
            .noSuchPoint("a prune dropped what bucket \(incarnation.bucket) held at \(time)"),
            hint: near.map { "the last point before it that was kept is \($0)" }
        )
    }

    /// What the bucket held at a revision.
    ///
    /// `time` is as of when expiry is reckoned: by default when the point was proved consistent, else the time of its
    /// last entry. An empty `filter` means every key.
    public func state(
        of id: IncarnationID,
        at revision: Revision,
        asOf time: Timestamp? = nil,
        filter: [KeyPattern] = [],
        historyMode: HistoryMode = .bucket
    ) throws -> BucketState {
        try state(of: id, at: revision, asOf: time, selection: KeySelection(filter), historyMode: historyMode)
    }

    /// What the bucket held at a revision, if some revisions had not expired until a time.
    public func state(
        of id: IncarnationID,
        at revision: Revision,
        asOf time: Timestamp,
        withoutExpiryOf revisions: [ClosedRange<Revision>],
        until: Timestamp
    ) throws -> BucketState {
        let snapshot = try snapshot()
        return try snapshot.read { db in
            let sighting = RetainedEntries.Sighting(revision: 0, time: until)
            let sightings = revisions.map { Removal(revisions: $0, fate: .there(sighting)) }
            return BucketState(
                try db.scan(db.incarnation(id), at: revision, asOf: time, sightings: sightings),
                snapshot
            )
        }
    }

    func state(
        of id: IncarnationID,
        at revision: Revision,
        asOf time: Timestamp?,
        selection: KeySelection,
        historyMode: HistoryMode,
        newestOnly: Bool = false
    ) throws -> BucketState {
        let snapshot = try snapshot()
        return try snapshot.read { db in
            let scan = try db.scan(
                db.incarnation(id),
                at: revision,
                asOf: time,
                selection: selection,
                historyMode: historyMode,
                newestOnly: newestOnly
            )
            return BucketState(scan, snapshot)
        }
    }
}

extension Database {
    /// Finds what the bucket held at a revision.
    func scan(
        _ incarnation: Incarnation,
        at revision: Revision,
        asOf time: Timestamp? = nil,
        selection: KeySelection = .all,
        historyMode: HistoryMode = .bucket,
        newestOnly: Bool = false,
        sightings: [Removal] = [],
        entriesAtOnce: Int = 1_000_000
    ) throws -> ScannedState {
        let stored = try soundCheckpoint(incarnation)
        guard revision <= stored?.checkpoint.resumeRevision ?? 0 else {
            let newest = stored?.checkpoint.resumeRevision ?? 0
            throw ArchiveError(.noSuchPoint("the newest archived revision is \(newest), not \(revision)"))
        }
        let basis = try basis(of: revision, incarnation, exactFrom: stored?.exactFrom ?? 0)
        if case .recorded(_, let recorded) = basis, let time, time != recorded {
            throw ArchiveError(
                .noSuchPoint("revision \(revision) is kept as it was at \(recorded), and as of no other time")
            )
        }
        let time = try time ?? provedTime(of: revision, incarnation, stored, basis, isProof: historyMode != .full)
        // The full history needs neither configurations nor removals: it is shown even where some of them are missing.
        let isFull = historyMode == .full
        let configurations = try configurations(incarnation, mayMiss: isFull)
        let proved = try proved(configurations, incarnation, isProof: !isFull && !basis.isRecorded)
        var removals = isFull || basis.isRecorded ? [] : try removals(incarnation, before: revision, by: time)
        if !sightings.isEmpty {
            removals = (removals + sightings).sorted { $0.revisions.lowerBound < $1.revisions.lowerBound }
        }
        let rows = try segments(of: incarnation, through: revision)
        let entries = rows.reduce(0) { $0 + $1.header.count }
        func begin(_ selection: KeySelection, expecting count: Int) throws -> StateScan {
            var scan = StateScan(
                incarnation: incarnation,
                revision: revision,
                selection: selection,
                mode: historyMode,
                newestOnly: newestOnly,
                basis: basis,
                configurations: configurations,
                proved: proved,
                removals: removals
            )
            try scan.configure()
            switch selection {
            case .all, .part: scan.reserve(count)
            case .one, .patterns, .keys: break
            }
            return scan
        }
        var state: ScannedState
        if case .all = selection, !isFull, entries >= Self.entriesWorthLanes || entries > entriesAtOnce {
            state = try scanInParts(rows, incarnation, entries, atOnce: entriesAtOnce, asOf: time) { part, parts in
                try begin(.part(part, of: parts), expecting: entries / parts * 9 / 8)
            }
        } else {
            var scan = try begin(selection, expecting: entries)
            for row in rows {
                if let key = selection.key {
                    let filter = try keyFilter(of: row, incarnation)
                    let concerns = try row.naming(incarnation) { try KeyFilter.concerns(key, filter: filter) }
                    guard concerns else { continue }
                }
                let segment = try columns(of: row, incarnation)
                try scan.add(row, segment, hashes: segment.keyHashes())
            }
            state = scan.finish(asOf: time)
        }
        state.segments.removeAll { $0.isEmpty }
        return state
    }

    /// From so many entries on threads of their own are worth their making.
    private static var entriesWorthLanes: Int { 50_000 }

    /// Finds a state in parts, several side by side, by as many passes as it takes to hold what is known of each entry for
    /// so many at a time.
    private func scanInParts(
        _ rows: [SegmentRow],
        _ incarnation: Incarnation,
        _ entries: Int,
        atOnce: Int,
        asOf time: Timestamp?,
        begin: (_ part: Int, _ parts: Int) throws -> StateScan
    ) throws -> ScannedState {
        let lanesAtOnce = max(2, min(4, ProcessInfo.processInfo.activeProcessorCount))
        let passes = entries / atOnce + 1
        func pass(_ number: Int) throws -> ScannedState {
            let lanes = try (0..<lanesAtOnce).map { lane in
                ScanLane(try begin(number * lanesAtOnce + lane, passes * lanesAtOnce))
            }
            let feed = SegmentFeed(lanes)
            for row in rows { feed.add(try packedColumns(of: row, incarnation)) }
            try feed.flush()
            var found = try lanes[0].finish(asOf: time)
            for lane in lanes.dropFirst() { found.add(try lane.finish(asOf: time)) }
            return found
        }
        var state = try pass(0)
        for number in 1..<passes { state.add(try pass(number)) }
        return state
    }

    /// When the revisions at which configurations were observed had been proved.
    func proved(
        _ configurations: [ConfigurationRecord],
        _ incarnation: Incarnation,
        isProof: Bool = true
    ) throws -> [Revision: Timestamp] {
        var proved: [Revision: Timestamp] = [:]
        for record in configurations.dropFirst() {
            proved[record.revision] = try soundPoint(incarnation, at: record.revision, isProof: isProof)?.point.time
        }
        return proved
    }

    /// When the state at a revision was proved, if it was.
    private func provedTime(
        of revision: Revision,
        _ incarnation: Incarnation,
        _ stored: StoredCheckpoint?,
        _ basis: StateBasis,
        isProof: Bool
    ) throws -> Timestamp? {
        if case .recorded(_, let time) = basis { return time }
        let checkpoint = stored?.checkpoint
        if checkpoint?.consistentRevision == revision, let time = checkpoint?.consistentTime { return time }
        let tag = try tags(incarnation.id).first { $0.revision == revision && $0.time != nil }
        return try tag?.time ?? soundPoint(incarnation, at: revision, isProof: isProof)?.point.time
    }

    /// The removals that concern a state, by their first revision; those not seen there yet are seen at the end of time.
    ///
    /// They matter all the same: what may have vanished before counted for no history.
    ///
    /// A sighting matters for every state: what was there later was there before.
    func removals(
        _ incarnation: Incarnation,
        before revision: Revision,
        by time: Timestamp?
    ) throws -> [Removal] {
        try removalRecords(incarnation).filter { $0.isSighting || $0.sinceRevision <= revision }.map { record in
            guard !record.isSighting else {
                return Removal(
                    revisions: record.revisions,
                    fate: .there(RetainedEntries.Sighting(revision: record.sinceRevision, time: record.sinceTime))
                )
            }
            let isSeen =
                record.seenRevision < revision
                || record.seenRevision == revision && record.seenTime <= time ?? record.seenTime
            let gone = RetainedEntries.Disappearance(
                since: record.sinceRevision,
                sinceTime: record.sinceTime,
                seenAt: isSeen ? record.seenRevision : .max
            )
            return Removal(revisions: record.revisions, fate: .gone(gone))
        }
    }
}

extension KeyFilter {
    /// Whether a segment may matter for a key: it may hold the key, or an entry that drops everything.
    static func concerns(_ key: Key, filter: Data) throws -> Bool {
        try filter.withUnsafeBytes { stored in
            if try mayContain(UnsafeRawBufferPointer(start: nil, count: 0), in: stored) { return true }
            return try key.bytes.withUnsafeBytes { try mayContain($0, in: stored) }
        }
    }

    /// Whether a segment may matter for some of these keys.
    static func concerns(_ keys: ByteDictionary, filter: Data) throws -> Bool {
        try filter.withUnsafeBytes { stored in
            if try mayContain(UnsafeRawBufferPointer(start: nil, count: 0), in: stored) { return true }
            return try keys.bytes.withUnsafeBytes { bytes in
                try (0..<keys.count).contains { try mayContain(bytes.part(keys.range($0)), in: stored) }
            }
        }
    }
}
