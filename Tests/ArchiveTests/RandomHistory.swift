import Foundation
import KVModel

@testable import Archive

/// A bucket's random life, written to an archive commit by commit: configurations change, keys are purged, expire and
/// are seen to be gone, and now and then a commit is proved consistent.
struct RandomHistory {
    private var random: SeededGenerator
    let incarnation: Incarnation
    /// Of an encrypted archive.
    let key: ArchiveKey?
    let path: String
    private(set) var entries: [Entry] = []
    private(set) var points: [ConsistentPoint] = []
    private var revision: Revision = 0
    private var time: Int64 = 1_790_000_000_000_000_000

    init(seed: UInt64, path: String, key: ArchiveKey? = nil, bucket: String = "orders") throws {
        self.key = key
        random = SeededGenerator(seed: seed)
        self.path = path
        let writer = try ArchiveWriter.open(path: path, createIfMissing: true, key: key)
        incarnation = try writer.incarnation(
            cluster: "east",
            bucket: BucketName(bucket),
            created: "2026-11-01T12:00:00.5Z"
        )
        try writer.close()
    }

    /// Adds commits of a few entries each, to the archive or to a copy of it.
    mutating func grow(commits: Int, _ copy: String? = nil, upTo most: Int = 12, tags: Bool = true) throws {
        let writer = try ArchiveWriter.open(path: copy ?? path, key: key)
        for _ in 0..<commits { try commit(writer, most, tags) }
        try writer.close()
    }

    private mutating func commit(_ writer: ArchiveWriter, _ most: Int, _ tags: Bool) throws {
        if entries.isEmpty || Int.random(in: 0..<8, using: &random) == 0 {
            let history = [1, 2, 3, 64].randomElement(using: &random) ?? 1
            let age = [0, 0, 200, 2000].randomElement(using: &random) ?? 0
            try writer.recordConfiguration(
                incarnation.id,
                json: #"{"max_msgs_per_subject":\#(history),"max_age":\#(age * 1_000_000_000),"allow_msg_ttl":true}"#,
                revision: revision,
                time: Timestamp(nanoseconds: time)
            )
        }
        if Int.random(in: 0..<6, using: &random) == 0, let gone = entries.randomElement(using: &random)?.revision {
            let last = min(revision, gone + UInt64.random(in: 0...3, using: &random))
            try writer.recordRemovals(
                incarnation.id,
                [gone...last],
                seenAt: revision,
                time: Timestamp(nanoseconds: time)
            )
        }
        if Int.random(in: 0..<8, using: &random) == 0, let there = entries.randomElement(using: &random)?.revision {
            let now = ConsistentPoint(revision: revision, time: Timestamp(nanoseconds: time))
            try writer.recordSightings(incarnation.id, [there...there], at: now)
        }
        let fresh = (0..<Int.random(in: 0...most, using: &random)).map { _ in entry() }
        entries += fresh
        let segments = try TestArchive.segments(fresh, perSegment: Int.random(in: 2...9, using: &random))
        time += Int64.random(in: 1...100_000_000_000, using: &random)
        let isProved = Int.random(in: 0..<3, using: &random) > 0 && revision > 0
        let now = Timestamp(nanoseconds: time)
        try writer.commit(
            segments,
            incarnation.id,
            checkpoint: Checkpoint(
                resumeRevision: revision,
                consistentRevision: isProved ? revision : nil,
                consistentTime: isProved ? now : nil,
                updated: now
            )
        )
        guard isProved else { return }
        points.removeAll { $0.revision == revision }
        points.append(ConsistentPoint(revision: revision, time: now))
        if tags, Int.random(in: 0..<10, using: &random) == 0 {
            try writer.tag("tag\(revision)", incarnation.id, revision: revision, at: now)
        }
    }

    private mutating func entry() -> Entry {
        revision += Bool.random(using: &random) ? 1 : UInt64.random(in: 1...5, using: &random)
        time += Int64.random(in: 0...20_000_000_000, using: &random)
        let headers =
            switch Int.random(in: 0..<40, using: &random) {
            case 0..<4: "NATS/1.0\r\nKV-Operation: DEL\r\n\r\n"
            case 4..<8: "NATS/1.0\r\nKV-Operation: PURGE\r\nNats-Rollup: sub\r\n\r\n"
            case 8..<11:
                "NATS/1.0\r\nKV-Operation: PURGE\r\nNats-Rollup: sub\r\nNats-TTL: "
                    + "\(Int.random(in: 1...300, using: &random))s\r\n\r\n"
            case 11..<15: "NATS/1.0\r\nNats-TTL: \(Int.random(in: 1...500, using: &random))s\r\n\r\n"
            case 15: "NATS/1.0\r\nNats-Rollup: all\r\n\r\n"
            case 16: "NATS/1.0\r\nNats-TTL: never\r\n\r\n"
            default: ""
            }
        let block = Array(headers.utf8)
        return Entry(
            revision: revision,
            time: Timestamp(nanoseconds: time),
            operation: block.withUnsafeBytes { KVModel.Operation(headers: $0) },
            key: Key("k.\(Int.random(in: 0..<12, using: &random))"),
            headers: block,
            value: random.bytes(Int.random(in: 0...60, using: &random))
        )
    }
}

/// Whether the tests take the time to try everything.
let isLongRun = ProcessInfo.processInfo.environment["CISTERN_LONG"] != nil

/// All that an archive says of a bucket at a revision.
struct SeenState: Equatable {
    let entries: [Entry]
    let time: Timestamp
    let digest: StateDigest
    let latest: [Entry]
    let keys: [KeyState]
    let bytes: Int
    let configuration: String?

    init(_ reader: ArchiveReader, _ id: IncarnationID, _ revision: Revision) throws {
        let state = try reader.state(of: id, at: revision)
        entries = try TestArchive.entries(state)
        time = state.time
        bytes = state.bytes
        configuration = state.configuration?.json
        digest = try reader.digest(of: state)
        latest = try TestArchive.entries(reader.state(of: id, at: revision, historyMode: .latest))
        keys = try reader.keys(of: id, at: revision)
    }
}
