import Foundation
import KVModel
import Testing

@testable import Archive

/// A server's bucket in virtual time, written as plainly as can be.
private struct PlainServer {
    struct Settings {
        var history: Int
        /// Nanoseconds; 0 for none.
        var maximumAge: Int64
        var allowsTTL: Bool

        var json: String {
            #"{"max_msgs_per_subject":\#(history),"max_age":\#(maximumAge),"allow_msg_ttl":\#(allowsTTL)}"#
        }
    }

    static let second: Int64 = 1_000_000_000

    private(set) var random: SeededGenerator
    private(set) var settings = Settings(history: 1, maximumAge: 0, allowsTTL: true)
    private(set) var held: [Entry] = []
    private(set) var revision: Revision = 0
    private(set) var time: Int64 = 1_790_000_000 * second
    private(set) var lives = 1
    private var isReconfigured = false
    /// Whether nothing goes but what later entries drive out.
    private let isCalm: Bool

    init(seed: UInt64, isCalm: Bool = false) {
        random = SeededGenerator(seed: seed)
        self.isCalm = isCalm
        reconfigure()
    }

    /// Something happens.
    mutating func live() {
        time += Int64.random(in: 0...20, using: &random) * Self.second
        expire()
        if Int.random(in: 0..<12, using: &random) == 0 { vanish() }
        if !isReconfigured, Int.random(in: 0..<20, using: &random) == 0 { reconfigure() } else { store() }
    }

    /// Time passes, and some entries vanish without a word.
    mutating func pause() {
        time += Int64.random(in: 0...90, using: &random) * Self.second
        expire()
        isReconfigured = false
        vanish()
    }

    private mutating func vanish() {
        guard !isCalm else { return }
        switch Int.random(in: 0..<10, using: &random) {
        case 0: held = []
        case 1: held.removeFirst(min(held.count, Int.random(in: 0...10, using: &random)))
        case 2, 3: held.removeAll { _ in Int.random(in: 0..<4, using: &random) == 0 }
        default: break
        }
    }

    mutating func recreate() {
        lives += 1
        held = []
        revision = 0
        reconfigure()
        store()
    }

    /// At most once between two captures: of settings that were never seen nothing can be known.
    private mutating func reconfigure() {
        isReconfigured = true
        settings = Settings(
            history: [1, 1, 2, 5, 64].randomElement(using: &random) ?? 1,
            maximumAge: ([0, 0, 60, 600].randomElement(using: &random) ?? 0) * Self.second,
            allowsTTL: Int.random(in: 0..<3, using: &random) < 2
        )
        if isCalm { (settings.maximumAge, settings.allowsTTL) = (0, false) }
        // As servers do it: a lower history is enforced at once, what the new settings let expire goes a little later.
        for key in Set(held.map(\.key)) { trim(key) }
        expire()
    }

    private mutating func store() {
        revision += Int.random(in: 0..<8, using: &random) < 1 ? UInt64.random(in: 2...4, using: &random) : 1
        var headers = ""
        switch Int.random(in: 0..<20, using: &random) {
        case 0, 1: headers = "KV-Operation: DEL"
        case 2: headers = "KV-Operation: PURGE\r\nNats-Rollup: sub"
        case 3: headers = "Nats-TTL: never"
        case 4...6: headers = "Nats-TTL: \(Int.random(in: 1...200, using: &random))s"
        case 7 where Int.random(in: 0..<4, using: &random) < 1: headers = "Nats-Rollup: all"
        default: break
        }
        let block = headers.isEmpty ? [] : Array("NATS/1.0\r\n\(headers)\r\n\r\n".utf8)
        let entry = Entry(
            revision: revision,
            time: Timestamp(nanoseconds: time),
            operation: block.withUnsafeBytes { KVModel.Operation(headers: $0) },
            key: Key("k\(Int.random(in: 0..<8, using: &random))"),
            headers: block,
            value: random.bytes(Int.random(in: 0...30, using: &random))
        )
        if headers.hasSuffix("Nats-Rollup: sub") { held.removeAll { $0.key == entry.key } }
        if headers.hasSuffix("Nats-Rollup: all") { held = [] }
        held.append(entry)
        trim(entry.key)
    }

    private mutating func trim(_ key: Key) {
        while held.count(where: { $0.key == key }) > settings.history {
            guard let oldest = held.firstIndex(where: { $0.key == key }) else { return }
            held.remove(at: oldest)
        }
    }

    private mutating func expire() {
        held.removeAll { entry in
            var lifetime = settings.maximumAge == 0 ? Int64.max : settings.maximumAge
            let text = String(decoding: entry.headers, as: UTF8.self)
            if settings.allowsTTL, let value = text.firstMatch(of: /Nats-TTL: (never|\d+)/)?.1 {
                guard let seconds = Int64(value) else { return false }
                lifetime = min(lifetime, seconds * Self.second)
            }
            return lifetime < .max && entry.time.nanoseconds + lifetime <= time
        }
    }
}

/// Brings a plain server into an archive as a capture does.
private struct PlainCapture {
    struct Point {
        var incarnation: IncarnationID
        var revision: Revision
        var held: [Entry]
        var settings: String
    }

    let path: String
    private(set) var points: [Point] = []

    mutating func run(_ server: PlainServer) throws {
        let writer = try ArchiveWriter.open(path: path, createIfMissing: true)
        let created = "2026-11-0\(server.lives % 10)T12:00:0\(server.lives / 10)Z"
        let incarnation = try writer.incarnation(cluster: "east", bucket: BucketName("b"), created: created)
        let from = try writer.checkpoint(incarnation.id)?.resumeRevision ?? 0
        let now = Timestamp(nanoseconds: server.time)
        try writer.recordConfiguration(incarnation.id, json: server.settings.json, revision: from, time: now)
        let fresh = server.held.filter { $0.revision > from }
        let segments = try TestArchive.segments(fresh, perSegment: 4)
        var checkpoint = Checkpoint(resumeRevision: server.revision, updated: now)
        try writer.commit(segments, incarnation.id, checkpoint: checkpoint)
        let reader = try writer.reader()
        let there = Set(server.held.map(\.revision))
        // What is known to be gone may have made room for something that was thought to be driven out.
        for _ in 0..<10 {
            let state = try reader.state(of: incarnation.id, at: server.revision, asOf: now)
            let expected = try TestArchive.entries(state)
            let known = Set(expected.map(\.revision))
            var gone = known.subtracting(there).sorted().map { $0...$0 }
            gone += try state.followers(of: there.subtracting(known).sorted().map { $0...$0 })
            if gone.isEmpty { break }
            try writer.recordRemovals(incarnation.id, gone, seenAt: server.revision, time: now)
        }
        checkpoint.consistentRevision = server.revision
        checkpoint.consistentTime = now
        try writer.commit([], incarnation.id, checkpoint: checkpoint)
        try writer.close()
        points.removeAll { $0.incarnation == incarnation.id && $0.revision == server.revision }
        points.append(
            Point(
                incarnation: incarnation.id,
                revision: server.revision,
                held: server.held,
                settings: server.settings.json
            )
        )
    }
}

@Test("Every point of a random history is read back as a plain model held it", arguments: 0..<(isLongRun ? 500 : 60))
func pointsInTime(seed: Int) throws {
    let archive = try TestArchive()
    var server = PlainServer(seed: UInt64(seed))
    var capture = PlainCapture(path: archive.path)
    for round in 1...7 {
        while server.revision == 0 { server.live() }
        for _ in 0..<10 { server.live() }
        if round == 4, seed % 5 == 0 { server.recreate() }
        server.pause()
        try capture.run(server)
    }
    let reader = try ArchiveReader.open(path: archive.path)
    for point in capture.points {
        let state = try reader.state(of: point.incarnation, at: point.revision)
        let entries = try TestArchive.entries(state)
        let (said, held) = (entries.map(\.revision), point.held.map(\.revision))
        #expect(said == held, "at \(point.revision)")
        #expect(entries == point.held, "at \(point.revision)")
        #expect(state.configuration?.json == point.settings)
        // A state found part by part is the same.
        let parts = try reader.read { db in
            try db.scan(db.incarnation(point.incarnation), at: point.revision, entriesAtOnce: 1 + seed % 9)
        }
        #expect(parts.totals.entries == state.entries && parts.totals.keys == state.keys)
        #expect(parts.totals.bytes == state.bytes && parts.recentlyExpired == state.recentlyExpired)
        #expect(parts.segments.map(\.bits) == state.segments.map(\.bits))
    }
    if seed % 50 == 0 { #expect(try reader.verify().problems.isEmpty) }
}

@Test("Totals reckoned from what changed are those of the state that is found")
func reckonedTotals() throws {
    var reckoned = 0
    for seed in 0..<(isLongRun ? 500 : 60) {
        let archive = try TestArchive()
        var server = PlainServer(seed: UInt64(seed), isCalm: seed % 6 > 0)
        var capture = PlainCapture(path: archive.path)
        var random = SeededGenerator(seed: UInt64(seed))
        for round in 1...12 {
            while server.revision == 0 { server.live() }
            for _ in 0..<Int.random(in: 0..<8, using: &random) { server.live() }
            server.pause()
            try capture.run(server)
            let point = try #require(capture.points.last)
            // No state may be left when the writer closes: it holds the log.
            func found() throws -> (StateTotals, ConsistentPoint) {
                let state = try ArchiveReader.open(path: archive.path).state(of: point.incarnation, at: point.revision)
                return (state.totals, ConsistentPoint(revision: state.revision, time: state.time))
            }
            let (totals, proved) = try found()
            let reader = try ArchiveReader.open(path: archive.path)
            if let changed = try reader.changedTotals(of: point.incarnation, at: point.revision) {
                #expect(changed == totals, "seed \(seed), round \(round)")
                reckoned += 1
            }
            let writer = try ArchiveWriter.open(path: archive.path)
            if Int.random(in: 0..<3, using: &random) == 0 {
                try writer.recordTotals(totals, point.incarnation, at: proved)
            }
            if seed % 3 == 0, round % 5 == 0 { _ = try writer.compact() }
            try writer.close()
        }
    }
    #expect(reckoned > 60)
}

@Test("Keys fall into all parts alike, each into one")
func partsOfKeys() {
    var counts = [Int](repeating: 0, count: 7)
    for index in 0..<7000 {
        Key("user.\(index).profile").bytes.withUnsafeBytes { key in
            let parts = (0..<7).filter { KeySelection.part($0, of: 7).contains(key, hash: ByteDictionary.hash(key)) }
            #expect(parts.count == 1)
            for part in parts { counts[part] += 1 }
        }
    }
    #expect(counts.allSatisfy { $0 > 800 && $0 < 1200 }, "\(counts)")
}
