import Foundation
import KVModel
import Schedule

@testable import Archive

/// The JSON Lines importer: every input line by line, and as a whole into an archive, which must then be sound.
struct LineFuzz: FuzzTarget {
    /// Something that was imported made an archive unsound.
    private struct Unsound: Error {
        let problems: [VerificationReport.Problem]
    }

    /// A folder in memory: nothing of a fuzzer's archives is worth a disk's time.
    private let folder: String = {
        let shared = "/dev/shm"
        let parent = FileManager.default.fileExists(atPath: shared) ? shared : NSTemporaryDirectory()
        return parent + "/cistern-fuzz-\(ProcessInfo.processInfo.processIdentifier)"
    }()
    private var path: String { folder + "/fuzz.cistern" }

    func take(_ input: UnsafeRawBufferPointer) throws {
        var isExport = false
        for (index, part) in input.split(separator: 10).enumerated() {
            var line = InterchangeLine()
            do {
                try line.read(UnsafeRawBufferPointer(rebasing: part))
                if index == 0 { isExport = line.kind == .header }
            } catch {
                // A refused line has told what is wrong with it.
                guard !error.description.isEmpty else { throw error }
            }
        }
        // The importer reads no further than a first line that is none, and archives take their time.
        guard isExport else { return }
        try clear()
        var position = 0
        do {
            try importing { room in
                // Pieces of odd sizes, so that lines lie across two of them.
                let count = min(room.count, 611, input.count - position)
                room.copyBytes(from: input[position..<position + count])
                position += count
                return count
            }
        } catch let error as ArchiveError {
            guard case .malformedInput = error.code else { throw error }
        }
        let problems = try ArchiveReader.open(path: path).verify().problems
        // A file may say that revisions are lost; verification says so too, and so it should, and what they took of
        // points.
        let isLossy = problems.contains { $0.detail.hasSuffix(" lost") }
        let unsound = problems.filter {
            !$0.detail.hasSuffix(" lost") && !(isLossy && $0.detail.hasSuffix(" are here"))
        }
        guard unsound.isEmpty else { throw Unsound(problems: unsound) }
    }

    private func importing(_ read: @escaping (UnsafeMutableRawBufferPointer) throws -> Int) throws {
        let writer = try ArchiveWriter.open(path: path, createIfMissing: true)
        var options = ArchiveImport.Options()
        options.segmentBytes = 2000
        do {
            _ = try ArchiveImport(into: writer, source: "input", options: options).run(read)
        } catch {
            try writer.close()
            throw error
        }
        try writer.close()
    }

    private func clear() throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        for suffix in ["", "-wal", "-shm", ".lock"] { unlink(path + suffix) }
    }

    func corpus() throws -> [[UInt8]] {
        try clear()
        let writer = try ArchiveWriter.open(path: path, createIfMissing: true)
        for (index, name) in ["orders", "sessions"].enumerated() { try fill(writer, name, lives: index + 1) }
        try writer.prune(RetentionPolicy(last: 2))
        try writer.close()
        var whole: [UInt8] = []
        let reader = try ArchiveReader.open(path: path)
        let incarnations = try reader.incarnations()
        _ = try ArchiveExport(reader).run(incarnations) { whole.append(contentsOf: $0) }
        var first: [UInt8] = []
        _ = try ArchiveExport(reader).run(Array(incarnations.prefix(1))) { first.append(contentsOf: $0) }
        let lost = Array(#"{"type":"lost","first":3,"last":9}"#.utf8)
        return [whole, first, lost] + whole.split(separator: 10).map { Array($0) }
    }

    private func fill(_ writer: ArchiveWriter, _ name: String, lives: Int) throws {
        for life in 0..<lives {
            let start = Timestamp(nanoseconds: 1_790_000_000_000_000_000)
            let id = try writer.incarnation(
                cluster: "e\u{e4}st \"1\"",
                bucket: BucketName(name),
                created: "2026-11-0\(life + 1)T12:00:00.123456789Z"
            ).id
            let json = #"{"max_msgs_per_subject":2,"max_age":90000000000,"description":"a\nb \"é"}"#
            try writer.recordConfiguration(id, json: json, revision: 0, time: start)
            for round in 0..<6 {
                let entries = (1...4).map { entry(Revision(round * 6 + $0), start) }
                var builder = SegmentBuilder()
                for entry in entries { try entry.withView { try builder.append($0) } }
                let last = Revision(round * 6 + 4)
                let now = start.adding(nanoseconds: Int64(round + 1) * 10_000_000_000)
                try writer.commit(
                    [try builder.encode()],
                    id,
                    checkpoint: Checkpoint(
                        resumeRevision: last,
                        consistentRevision: last,
                        consistentTime: now,
                        updated: now
                    )
                )
                if round == 2 { try writer.recordRemovals(id, [3...4], seenAt: last, time: now) }
                if round == 3 { try writer.tag("t\u{1}", id, revision: last, note: "why \"not\"", at: now) }
            }
        }
    }

    private func entry(_ revision: Revision, _ start: Timestamp) -> Entry {
        let headers = [
            "", "NATS/1.0\r\nKV-Operation: DEL\r\n\r\n", "NATS/1.0\r\nNats-TTL: 15s\r\n\r\n",
            "NATS/1.0\r\nB: 1\r\nA: \u{1F600}\r\nB: 3\r\n\r\n", "",
        ]
        let block = Array(headers[Int(revision) % headers.count].utf8)
        let operation = block.withUnsafeBytes { KVModel.Operation(headers: $0) }
        let values =
            ["", "line\nand \"quotes\" \\ \u{1F600} \t,", "\u{0}\u{1}"].map { Array($0.utf8) } + [[0xff, 0, 7]]
        return Entry(
            revision: revision,
            time: start.adding(nanoseconds: Int64(revision) * 1_500_000_000),
            operation: operation,
            key: revision % 7 == 0 ? Key(bytes: [0xfe, UInt8(revision)]) : Key("k.\(revision % 5)"),
            headers: block,
            value: operation == .put ? values[Int(revision) % values.count] : []
        )
    }
}
