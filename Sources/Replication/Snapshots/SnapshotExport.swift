public import Archive
import Foundation
public import KVModel
import StreamSnapshot

/// Writes what a bucket held at a revision into a folder that `nats stream restore` takes, on every server version.
///
/// Revisions, times, headers, gaps, the last revision and the creation time are the bucket's own. The folder gets its
/// files under their names only when they are whole.
///
/// It blocks on the disk: call it on a thread that may. Cancelling its task leaves nothing that looks like a backup.
public struct SnapshotExport: Sendable {
    /// How to export.
    public struct Options: Sendable {
        /// The bucket's name in the backup; nil for its own.
        public var newName: BucketName?
        /// Keys to export; empty for all.
        public var filter: [KeyPattern] = []
        /// Whether servers before 2.10 must be able to restore it; nil to decide by what that costs.
        ///
        /// They need 30 bytes for every revision between the first and the last that has no entry.
        public var suitsOldServers: Bool?

        /// The defaults.
        public init() {}
    }

    /// Thrown to stop reading after the first entry.
    private struct Enough: Error {}

    private static let chunkBytes = 1 << 20

    private let reader: ArchiveReader
    private let incarnation: Incarnation
    private let revision: Revision
    private let folder: BackupFolder
    private let options: Options
    private let progress: @Sendable (SnapshotProgress) -> Void

    /// An export of an incarnation at a revision (`ArchiveReader.resolve`) into a folder, which is made if need be.
    public init(
        from reader: ArchiveReader,
        _ incarnation: Incarnation,
        at revision: Revision,
        to folder: String,
        options: Options = Options(),
        progress: @escaping @Sendable (SnapshotProgress) -> Void = { _ in }
    ) {
        self.reader = reader
        self.incarnation = incarnation
        self.revision = revision
        self.folder = BackupFolder(path: folder)
        self.options = options
        self.progress = progress
    }

    /// Exports.
    public func run() throws -> SnapshotExportReport {
        let clock = ContinuousClock()
        let started = clock.now
        for path in [folder.metadataPath, folder.snapshotPath] where FileManager.default.fileExists(atPath: path) {
            throw ReplicationError(
                .targetExists,
                bucket: incarnation.bucket.rawValue,
                text: "\(path) exists already",
                hint: "give a new folder"
            )
        }
        let state = try reader.state(of: incarnation.id, at: revision, filter: options.filter)
        let bucket = options.newName ?? incarnation.bucket
        var leftOut: [String] = []
        let configuration = try configuration(state, bucket, &leftOut)
        let first = try firstRevision(state)
        let missing = first == 0 ? 0 : revision - first + 1 - UInt64(state.entries)
        let fills = options.suitsOldServers ?? (missing <= max(1_000_000, UInt64(state.entries) * 4))
        let description = SnapshotDescription(
            configuration: configuration.stream,
            created: incarnation.created,
            lastSequence: revision,
            messages: UInt64(state.entries)
        )
        let written: (totals: SnapshotTotals, bytes: UInt64)
        do {
            let writer = try SnapshotWriter(description, form: .messageBlocks(fills ? .filled : .left))
            written = try write(state, bucket, writer)
        } catch let error as StreamSnapshotError {
            throw ReplicationError(
                .targetRefuses,
                bucket: incarnation.bucket.rawValue,
                text: "\(error.place): \(error.text)",
                hint: error.hint
            )
        }
        let totals = written.totals
        let metadata = BackupMetadata(
            configuration: configuration.stream,
            state: SnapshotState(
                messages: totals.messages,
                bytes: totals.bytes,
                firstSequence: totals.messages > 0 ? totals.firstMessage : revision + 1,
                lastSequence: revision,
                firstTime: totals.firstTime,
                lastTime: totals.lastTime
            )
        )
        try publish(metadata)
        return SnapshotExportReport(
            incarnation: incarnation,
            bucket: bucket,
            revision: revision,
            entries: totals.messages,
            bytes: written.bytes,
            oldestServer: fills || missing == 0 ? "2.9" : "2.10",
            leftOut: leftOut,
            duration: started.duration(to: clock.now)
        )
    }

    private var partialPath: String { folder.snapshotPath + ".partial" }

    private func configuration(
        _ state: BucketState,
        _ bucket: BucketName,
        _ leftOut: inout [String]
    ) throws -> BucketConfiguration {
        guard let json = state.configuration?.json else {
            throw ReplicationError(
                .nothingToRestore,
                bucket: incarnation.bucket.rawValue,
                text: "the archive holds no configuration of it",
                hint: "run verify on the archive"
            )
        }
        var configuration = BucketConfiguration(
            stream: try JSONDecoder().decode(JSONValue.self, from: Data(json.utf8))
        ).withoutServerMetadata
        configuration.rename(to: bucket)
        for field in ["mirror", "sources"] where configuration.stream[field] != nil {
            // The backup holds all entries: a mirror would fetch them from elsewhere, sources a second time.
            leftOut.append(field)
            try configuration.set("\(field)=")
        }
        // Servers refuse entries before it.
        configuration.stream["first_seq"] = nil
        if configuration.storage != "file" {
            // From message blocks a server restores a bucket in memory as an empty one, and says nothing.
            leftOut.append("storage")
            configuration.storage = "file"
        }
        return configuration
    }

    private func firstRevision(_ state: BucketState) throws -> Revision {
        var cursor = state.makeCursor()
        var first: Revision = 0
        do {
            while let run = try cursor.next() {
                try run.forEachEntry { entry in
                    first = entry.revision
                    throw Enough()
                }
            }
        } catch is Enough {}
        return first
    }

    private func write(
        _ state: BucketState,
        _ bucket: BucketName,
        _ initial: SnapshotWriter
    ) throws -> (totals: SnapshotTotals, bytes: UInt64) {
        let file = try create(partialPath)
        var isWhole = false
        defer {
            // What is not whole must not stay; that it cannot be removed changes nothing about the failure.
            if !isWhole { try? FileManager.default.removeItem(atPath: partialPath) }
        }
        var writer = initial
        var shown = SnapshotProgress(phase: .writing, total: UInt64(state.entries))
        var subject = Array(bucket.subjectPrefix.utf8)
        let prefix = subject.count
        var cursor = state.makeCursor()
        while let run = try cursor.next() {
            try Task.checkCancellation()
            try run.forEachEntry { entry in
                subject.replaceSubrange(prefix..., with: entry.key)
                try subject.withUnsafeBytes { subject in
                    try writer.append(
                        SnapshotEntry(
                            sequence: entry.revision,
                            time: entry.time,
                            subject: subject,
                            headers: entry.headers,
                            value: entry.value
                        )
                    )
                }
                shown.bytes += try drain(&writer, file)
            }
            shown.entries = writer.totals.messages
            progress(shown)
        }
        try writer.finish()
        shown.bytes += try drain(&writer, file)
        progress(shown)
        try storing {
            try file.synchronize()
            try file.close()
        }
        isWhole = true
        return (writer.totals, shown.bytes)
    }

    private func drain(_ writer: inout SnapshotWriter, _ file: FileHandle) throws -> UInt64 {
        var bytes: UInt64 = 0
        while let chunk = writer.nextChunk(Self.chunkBytes) {
            try storing { try file.write(contentsOf: chunk) }
            bytes += UInt64(chunk.count)
        }
        return bytes
    }

    private func create(_ path: String) throws -> FileHandle {
        try storing {
            try FileManager.default.createDirectory(atPath: folder.path, withIntermediateDirectories: true)
            try Data().write(to: URL(fileURLWithPath: path))
            return try FileHandle(forWritingTo: URL(fileURLWithPath: path))
        }
    }

    private func publish(_ metadata: BackupMetadata) throws {
        try storing {
            try Data(try metadata.encoded()).write(to: URL(fileURLWithPath: folder.metadataPath), options: .atomic)
            try FileManager.default.moveItem(atPath: partialPath, toPath: folder.snapshotPath)
        }
    }

    private func storing<Result>(_ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch {
            throw ReplicationError(
                .targetRefuses,
                bucket: incarnation.bucket.rawValue,
                text: "the folder \(folder.path) cannot be written: \(error.localizedDescription)",
                hint: "check the disk and the permissions"
            )
        }
    }
}
