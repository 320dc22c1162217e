import Archive
import Foundation
import GRDB
import KVModel

/// A directory of its own for one test, and short ways to fill an archive in it.
struct TestArchive: ~Copyable {
    let directory: String
    let path: String

    init() throws {
        directory = NSTemporaryDirectory() + "cistern-archive-\(UInt64.random(in: .min ... .max))"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
        path = directory + "/test.cistern"
    }

    deinit {
        chmod(directory, 0o755)
        try? FileManager.default.removeItem(atPath: directory)
    }

    /// Writes entries in segments of so many, and closes the archive.
    @discardableResult
    func fill(
        _ entries: [Entry],
        perSegment: Int = 100,
        configuration: String = #"{"max_msgs_per_subject":64}"#,
        consistentTime: Timestamp? = nil,
        key: ArchiveKey? = nil
    ) throws -> Incarnation {
        let writer = try ArchiveWriter.open(path: path, createIfMissing: true, key: key)
        let incarnation = try writer.incarnation(
            cluster: "east",
            bucket: BucketName("orders"),
            created: "2026-11-01T12:00:00.5Z"
        )
        let start = Timestamp(nanoseconds: 0)
        try writer.recordConfiguration(incarnation.id, json: configuration, revision: 0, time: start)
        let last = entries.last?.revision ?? 0
        try writer.commit(
            Self.segments(entries, perSegment: perSegment),
            incarnation.id,
            checkpoint: Checkpoint(
                resumeRevision: last,
                consistentRevision: last,
                consistentTime: consistentTime,
                updated: entries.last?.time ?? start
            )
        )
        try writer.close()
        return incarnation
    }

    static func segments(
        _ entries: [Entry],
        perSegment: Int = 100,
        valueBlockBytes: Int = 1000
    ) throws -> [EncodedSegment] {
        let limits = SegmentBuilder.Limits(entries: perSegment, valueBlockBytes: valueBlockBytes)
        var segments: [EncodedSegment] = []
        var builder = SegmentBuilder(limits: limits)
        for entry in entries {
            try entry.withView { try builder.append($0) }
            guard builder.isFull else { continue }
            segments.append(try builder.encode())
            builder = SegmentBuilder(limits: limits)
        }
        if !builder.isEmpty { segments.append(try builder.encode()) }
        return segments
    }

    /// Changes the file behind the archive's back.
    func tamper(_ sql: String, _ arguments: StatementArguments = []) throws {
        let database = try DatabaseQueue(path: path)
        try database.writeWithoutTransaction { try $0.execute(sql: sql, arguments: arguments) }
        try database.close()
    }

    /// The entries of a state, in the order of the cursor.
    static func entries(_ state: BucketState, after revision: Revision = 0) throws -> [Entry] {
        var entries: [Entry] = []
        var cursor = state.makeCursor(after: revision)
        while let run = try cursor.next() {
            try run.forEachEntry { entries.append(Entry($0)) }
        }
        return entries
    }
}

/// A generator whose runs can be repeated.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
        return value ^ value >> 31
    }

    mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &self) }
    }
}

extension SeededGenerator {
    /// Entries of all shapes: gaps in revisions, all operations, odd keys, empty and large values, many header blocks.
    mutating func entries(_ count: Int, keys: Int = 20, valueBytes: Int = 200) -> [Entry] {
        var revision: Revision = UInt64.random(in: 0...3, using: &self)
        var time: Int64 = 1_790_000_000_000_000_000
        let names = (0..<keys).map { index -> Key in
            switch index % 4 {
            case 0: Key("user.\(index).profile")
            case 1: Key("k\(index)")
            case 2: Key(bytes: bytes(1 + index % 30))
            default: Key(String(repeating: "long.", count: 20) + "\(index)")
            }
        }
        return (0..<count).map { _ in
            revision += Bool.random(using: &self) ? 1 : UInt64.random(in: 1...1000, using: &self)
            time += Int64.random(in: -5...1_000_000, using: &self)
            let headers = headerBlock()
            let operation = headers.withUnsafeBytes { KVModel.Operation(headers: $0) }
            let size =
                Int.random(in: 0...9, using: &self) == 0
                ? valueBytes * 10 : Int.random(in: 0...valueBytes, using: &self)
            let value =
                operation != .put ? [] : Bool.random(using: &self) ? bytes(size) : [UInt8](repeating: 7, count: size)
            return Entry(
                revision: revision,
                time: Timestamp(nanoseconds: time),
                operation: operation,
                key: names[Int.random(in: 0..<keys, using: &self)],
                headers: headers,
                value: value
            )
        }
    }

    private mutating func headerBlock() -> [UInt8] {
        switch Int.random(in: 0...12, using: &self) {
        case 0: Array("NATS/1.0\r\nKV-Operation: DEL\r\n\r\n".utf8)
        case 1: Array("NATS/1.0\r\nKV-Operation: PURGE\r\nNats-Rollup: sub\r\n\r\n".utf8)
        case 2: Array("NATS/1.0\r\nNats-Msg-Id: \(next())\r\n\r\n".utf8)
        case 3: Array("NATS/1.0\r\nX: \u{e9}\r\n\r\n".utf8)
        default: []
        }
    }
}
