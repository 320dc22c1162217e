import Crypto
import Foundation
import KVModel
import Testing

@testable import Archive

/// What the bucket holds, written as plainly as can be, for buckets without TTLs.
private func plainState(_ entries: [Entry], history: Int, through revision: Revision) -> [Entry] {
    var held: [Entry] = []
    for entry in entries where entry.revision <= revision {
        let isRollup = entry.headers.withUnsafeBytes { HeaderBlock.value(of: "Nats-Rollup", in: $0) != nil }
        if isRollup { held.removeAll { $0.key == entry.key } }
        held.append(entry)
        while held.count(where: { $0.key == entry.key }) > history {
            held.remove(at: held.firstIndex { $0.key == entry.key } ?? 0)
        }
    }
    return held
}

private func plainDigest(_ entries: [Entry]) -> String {
    var bytes = Data()
    func append(_ number: some FixedWidthInteger) {
        withUnsafeBytes(of: number.bigEndian) { bytes.append(contentsOf: $0) }
    }
    for entry in entries {
        append(entry.revision)
        append(entry.time.nanoseconds)
        for part in [entry.key.bytes, entry.headers, entry.value] {
            append(UInt32(part.count))
            bytes.append(contentsOf: part)
        }
    }
    return SHA256.hash(data: bytes).map { String(format: "%02x", $0) }.joined()
}

@Test("A state at any revision is what a plain bucket held there", arguments: 0..<8)
func stateMatchesModel(seed: Int) throws {
    var random = SeededGenerator(seed: UInt64(seed))
    let entries = random.entries(300, keys: 20, valueBytes: 60)
    let history = [1, 2, 5, 64][seed % 4]
    let archive = try TestArchive()
    let key = seed < 4 ? nil : try ArchiveKey(keyFile: ArchiveKey.newKeyFile())
    let incarnation = try archive.fill(
        entries,
        perSegment: 40,
        configuration: #"{"name":"KV_orders","max_msgs_per_subject":\#(history),"max_age":0}"#,
        key: key
    )
    let reader = try ArchiveReader.open(path: archive.path, key: key)
    let points = [entries[299].revision, entries[0].revision, entries[150].revision, entries[39].revision + 1]
    for revision in points where revision <= entries[299].revision {
        let expected = plainState(entries, history: history, through: revision)
        let state = try reader.state(of: incarnation.id, at: revision)
        #expect(try TestArchive.entries(state) == expected)
        #expect(state.entries == expected.count)
        let newest = Dictionary(expected.map { ($0.key, $0) }) { $1 }
        #expect(state.keys == newest.values.count { $0.operation == .put })
        let bytes = expected.reduce(0) { $0 + $1.key.bytes.count + $1.headers.count + $1.value.count }
        #expect(state.bytes == bytes)

        let proof = try reader.digest(of: incarnation.id, at: revision)
        #expect(proof == StateDigest(hex: plainDigest(expected), entries: state.entries, keys: state.keys))

        let middle = expected[expected.count / 2].revision
        #expect(try TestArchive.entries(state, after: middle) == expected.filter { $0.revision > middle })

        let keys = try reader.keys(of: incarnation.id, at: revision)
        #expect(keys.map(\.key) == newest.keys.sorted())
        #expect(keys.map(\.revision) == newest.keys.sorted().map { newest[$0]?.revision })

        let latest = try reader.state(of: incarnation.id, at: revision, historyMode: .latest)
        #expect(
            try TestArchive.entries(latest)
                == newest.values.filter { $0.operation == .put }.sorted { $0.revision < $1.revision }
        )
        let full = try reader.state(of: incarnation.id, at: revision, historyMode: .full)
        #expect(try TestArchive.entries(full) == entries.filter { $0.revision <= revision })
        #expect(full.keys == state.keys)

        let filter = try KeyPattern("user.*.profile")
        let some = try reader.state(of: incarnation.id, at: revision, filter: [filter])
        #expect(try TestArchive.entries(some) == expected.filter { filter.matches($0.key) })
        for key in newest.keys.sorted().prefix(6) {
            let point = ArchivePoint.revision(revision)
            #expect(try reader.latest(key, in: incarnation.id, at: point) == newest[key])
            let history = try reader.history(of: key, in: incarnation.id, through: revision)
            #expect(history == entries.filter { $0.key == key && $0.revision <= revision })
        }
    }
    #expect(try reader.latest("no.such.key", in: incarnation.id) == nil)
    #expect(try reader.history(of: "no.such.key", in: incarnation.id) == [])
    #expect(try reader.verify().problems == [])
}

private func entry(_ revision: Revision, _ key: Key, at seconds: Int64, headers: String = "") -> Entry {
    let block = headers.isEmpty ? [] : Array("NATS/1.0\r\n\(headers)\r\n\r\n".utf8)
    return Entry(
        revision: revision,
        time: Timestamp(nanoseconds: seconds * 1_000_000_000),
        operation: block.withUnsafeBytes { KVModel.Operation(headers: $0) },
        key: key,
        headers: block,
        value: [1]
    )
}

@Test("Expiry counts from when the point was proved, or as of the time asked for")
func expiry() throws {
    let entries = [
        entry(1, "old", at: 10), entry(2, "own", at: 50, headers: "Nats-TTL: 5s"),
        entry(3, "kept", at: 60, headers: "Nats-TTL: never"), entry(4, "new", at: 100),
    ]
    let archive = try TestArchive()
    let incarnation = try archive.fill(
        entries,
        configuration: #"{"max_msgs_per_subject":1,"max_age":100000000000,"allow_msg_ttl":true}"#,
        consistentTime: Timestamp(nanoseconds: 120_000_000_000)
    )
    let reader = try ArchiveReader.open(path: archive.path)
    func revisions(_ seconds: Int64?) throws -> [Revision] {
        let time = seconds.map { Timestamp(nanoseconds: $0 * 1_000_000_000) }
        return try TestArchive.entries(reader.state(of: incarnation.id, at: 4, asOf: time)).map(\.revision)
    }
    #expect(try revisions(nil) == [3, 4])
    #expect(try revisions(54) == [1, 2, 3, 4])
    #expect(try revisions(55) == [1, 3, 4])
    #expect(try revisions(500) == [3])
    // Revision 3 was not proved: the time of its entry counts.
    #expect(try reader.state(of: incarnation.id, at: 3).time == entries[2].time)
}

@Test("What was seen to be gone is gone from there on, and still in the archive")
func removals() throws {
    let entries = (1...9).map { entry($0, Key("k\($0)"), at: Int64($0)) }
    let archive = try TestArchive()
    let incarnation = try archive.fill(entries, perSegment: 4)
    let writer = try ArchiveWriter.open(path: archive.path)
    let time = Timestamp(nanoseconds: 1)
    try writer.recordRemovals(incarnation.id, [2...3, 5...5], seenAt: 6, time: time)
    try writer.recordRemovals(incarnation.id, [3...3, 9...9], seenAt: 9, time: time)
    try writer.close()
    let reader = try ArchiveReader.open(path: archive.path)
    func revisions(_ revision: Revision) throws -> [Revision] {
        try TestArchive.entries(reader.state(of: incarnation.id, at: revision)).map(\.revision)
    }
    #expect(try revisions(5) == [1, 2, 3, 4, 5])
    #expect(try revisions(6) == [1, 4, 6])
    #expect(try revisions(9) == [1, 4, 6, 7, 8])
    #expect(try reader.history(of: "k3", in: incarnation.id).count == 1)
}

@Test("What was seen to be there although its time was over stays, if the settings let it")
func sightings() throws {
    let entries = [entry(1, "a", at: 1), entry(2, "b", at: 2), entry(3, "c", at: 8)]
    let archive = try TestArchive()
    func seconds(_ count: Int64) -> Timestamp { Timestamp(nanoseconds: count * 1_000_000_000) }
    let incarnation = try archive.fill(
        entries,
        configuration: #"{"max_msgs_per_subject":2,"max_age":10000000000}"#,
        consistentTime: seconds(9)
    )
    let writer = try ArchiveWriter.open(path: archive.path)
    // The server has not looked for what expired since second 10: then it is told to keep everything.
    let json = #"{"max_msgs_per_subject":2,"max_age":0}"#
    try writer.recordConfiguration(incarnation.id, json: json, revision: 3, time: seconds(14))
    let later = [entry(4, "a", at: 20), entry(5, "a", at: 21), entry(6, "a", at: 22)]
    func commit(_ entries: [Entry], at time: Timestamp) throws {
        let last = entries.last?.revision ?? 3
        try writer.commit(
            try TestArchive.segments(entries),
            incarnation.id,
            checkpoint: Checkpoint(resumeRevision: last, consistentRevision: last, consistentTime: time, updated: time)
        )
    }
    try commit([], at: seconds(13))
    try writer.recordSightings(incarnation.id, [2...2], at: ConsistentPoint(revision: 3, time: seconds(15)))
    let pretended = try writer.reader().state(
        of: incarnation.id,
        at: 3,
        asOf: seconds(15),
        withoutExpiryOf: [1...1],
        until: seconds(15)
    )
    #expect(try TestArchive.entries(pretended).map(\.revision) == [1, 2, 3])
    try commit(later, at: seconds(23))
    try writer.close()
    let reader = try ArchiveReader.open(path: archive.path)
    func revisions(_ revision: Revision, _ time: Timestamp?) throws -> [Revision] {
        try TestArchive.entries(reader.state(of: incarnation.id, at: revision, asOf: time)).map(\.revision)
    }
    #expect(try revisions(3, seconds(9)) == [1, 2, 3])
    #expect(try revisions(3, seconds(13)) == [2, 3], "what is there later is there before")
    #expect(try revisions(3, seconds(15)) == [2, 3])
    #expect(try revisions(6, nil) == [2, 3, 5, 6])
}

@Test("Before it is seen to be gone, an entry counts as held, but drives out no other that may have stayed")
func removalSeenLater() throws {
    let archive = try TestArchive()
    let first = entry(1, "a", at: 1)
    let configuration = #"{"max_msgs_per_subject":2}"#
    let incarnation = try archive.fill([first], configuration: configuration, consistentTime: first.time)
    let writer = try ArchiveWriter.open(path: archive.path)
    let more = [entry(2, "a", at: 2), entry(3, "a", at: 3), entry(4, "b", at: 4)]
    try writer.commit(
        TestArchive.segments(more),
        incarnation.id,
        checkpoint: Checkpoint(resumeRevision: 4, updated: more[2].time)
    )
    try writer.recordRemovals(incarnation.id, [2...2], seenAt: 4, time: more[2].time)
    func revisions(_ revision: Revision) throws -> [Revision] {
        try TestArchive.entries(writer.reader().state(of: incarnation.id, at: revision)).map(\.revision)
    }
    #expect(try revisions(3) == [1, 2, 3])
    #expect(try revisions(4) == [1, 3, 4])
    try writer.close()
}

@Test("What was seen to be there had not been gone before")
func sightingAfterRemoval() throws {
    let entries = [entry(1, "a", at: 1), entry(2, "b", at: 2), entry(3, "c", at: 3)]
    let archive = try TestArchive()
    let incarnation = try archive.fill(entries, consistentTime: entries[2].time)
    let writer = try ArchiveWriter.open(path: archive.path)
    let point = ConsistentPoint(revision: 3, time: Timestamp(nanoseconds: 9_000_000_000))
    try writer.recordRemovals(incarnation.id, [1...2], seenAt: 3, time: entries[2].time)
    #expect(try TestArchive.entries(writer.reader().state(of: incarnation.id, at: 3)).map(\.revision) == [3])
    try writer.recordSightings(incarnation.id, [2...2], at: point)
    let found = try TestArchive.entries(writer.reader().state(of: incarnation.id, at: 3, asOf: point.time))
    #expect(found.map(\.revision) == [2, 3])
    try writer.close()
}

@Test("A roll-up of everything counts for every key, even where a key filter leaves the segment out")
func rollUpOfEverything() throws {
    let entries = [
        entry(1, "a", at: 1), entry(2, "b", at: 2), entry(3, "c", at: 3, headers: "Nats-Rollup: all"),
        entry(4, "d", at: 4),
    ]
    let archive = try TestArchive()
    let incarnation = try archive.fill(entries, perSegment: 1)
    let reader = try ArchiveReader.open(path: archive.path)
    #expect(try TestArchive.entries(reader.state(of: incarnation.id, at: 4)).map(\.revision) == [3, 4])
    #expect(try reader.latest("a", in: incarnation.id) == nil)
    #expect(try reader.latest("a", in: incarnation.id, at: .revision(2))?.revision == 1)
    let filtered = try reader.state(of: incarnation.id, at: 4, filter: [KeyPattern("*")])
    #expect(filtered.entries == 2)
}

@Test("The configuration in force decides, from the revision where it was observed")
func configurations() throws {
    let archive = try TestArchive()
    let entries = (1...6).map { entry($0, "k", at: Int64($0)) }
    let incarnation = try archive.fill(Array(entries.prefix(3)), configuration: #"{"max_msgs_per_subject":3}"#)
    let writer = try ArchiveWriter.open(path: archive.path)
    let time = Timestamp(nanoseconds: 7_000_000_000)
    let lower = #"{"max_msgs_per_subject":1}"#
    try writer.recordConfiguration(incarnation.id, json: lower, revision: 3, time: time)
    try writer.recordConfiguration(incarnation.id, json: lower, revision: 4, time: time)
    try writer.commit(
        try TestArchive.segments(Array(entries.dropFirst(3))),
        incarnation.id,
        checkpoint: Checkpoint(resumeRevision: 6, consistentRevision: 6, consistentTime: time, updated: time)
    )
    try writer.recordConfiguration(incarnation.id, json: #"{"max_msgs_per_subject":9}"#, revision: 6, time: time)
    try writer.close()
    let reader = try ArchiveReader.open(path: archive.path)
    #expect(try reader.configurations(of: incarnation.id).map(\.revision) == [0, 3, 6])
    #expect(try reader.state(of: incarnation.id, at: 2).entries == 2)
    #expect(try reader.state(of: incarnation.id, at: 3).entries == 3, "it was observed later than that point")
    #expect(try reader.state(of: incarnation.id, at: 3, asOf: time).entries == 1)
    #expect(try reader.state(of: incarnation.id, at: 6).entries == 1)
    #expect(try reader.state(of: incarnation.id, at: 6).configuration?.json == #"{"max_msgs_per_subject":9}"#)
}

@Test("Points resolve to revisions; what the archive cannot say is an error that says what it can")
func points() throws {
    let archive = try TestArchive()
    let entries = (1...6).map { entry($0 * 10, "k", at: Int64($0) * 100) }
    let incarnation = try archive.fill(entries, perSegment: 2)
    let writer = try ArchiveWriter.open(path: archive.path)
    let time = Timestamp(nanoseconds: 7)
    try writer.tag("before", incarnation.id, revision: 30, note: "n", at: time)
    try writer.tag("before", incarnation.id, revision: 30, note: "again", at: time)
    #expect(throws: ArchiveError.self) { try writer.tag("before", incarnation.id, revision: 40, at: time) }
    #expect(throws: ArchiveError.self) { try writer.tag("beyond", incarnation.id, revision: 61, at: time) }
    let never = try writer.incarnation(cluster: "east", bucket: BucketName("other"), created: "2026-11-02T00:00:00Z")
    try writer.close()
    let reader = try ArchiveReader.open(path: archive.path)
    func revision(_ point: ArchivePoint) throws -> Revision { try reader.resolve(point, in: incarnation.id) }
    func moment(_ seconds: Int64) -> Timestamp { Timestamp(nanoseconds: seconds * 1_000_000_000) }
    #expect(try revision(.newest) == 60)
    #expect(try revision(.revision(35)) == 35)
    #expect(try revision(.tag("before")) == 30)
    #expect(try revision(.time(moment(350))) == 30)
    #expect(try revision(.time(moment(400))) == 40)
    #expect(try revision(.time(moment(9000))) == 60)
    for point: ArchivePoint in [.revision(61), .tag("none"), .time(moment(99))] {
        #expect(throws: ArchiveError.self) { try revision(point) }
    }
    do {
        _ = try revision(.revision(61))
    } catch let error as ArchiveError {
        #expect(error.description.contains("newest consistent revision is 60"))
    }
    #expect(throws: ArchiveError.self) { try reader.resolve(.newest, in: never.id) }
    #expect(throws: ArchiveError.self) { try reader.resolve(.newest, in: IncarnationID(rawValue: 99)) }
    #expect(throws: ArchiveError.self) { try reader.state(of: incarnation.id, at: 61) }
}
