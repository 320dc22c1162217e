import Archive
import ArgumentParser
import Foundation
import KVModel
import Replication

/// `cistern import`: an archive out of what was exported.
struct ImportCommand: CisternCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Make an archive of exported JSON Lines or of a `nats stream backup` folder, or add to one.",
        discussion: """
            What is imported counts as complete only when all of it was read. An import that was stopped or killed is \
            run again: what the archive holds already is compared with the file, and importing goes on behind it. A \
            line that cannot be imported is named with its number.

            Examples:
              cistern import orders.jsonl --archive orders.cistern
              zstd -dc orders.jsonl.zst | cistern import - --archive orders.cistern
              cistern import all.jsonl --archive sessions.cistern --bucket sessions
              cistern import backup-folder --archive orders.cistern --cluster east
            """
    )
    static let stopsAtCheckpoint = true

    @Argument(help: "The file or backup folder to read; - is standard input.", completion: .file())
    var input: String

    @Option(help: "The archive; made if it does not exist.", completion: .file(extensions: ["cistern"]))
    var archive: String

    @Option(help: "Only this bucket of the file.")
    var bucket: BucketName?

    @Option(help: "What to call the cluster in the archive (default: as the file says).")
    var cluster: String?

    @Flag(help: "Take a backup folder that lacks entries which the server had when it was made.")
    var acceptIncomplete = false

    @Flag(help: "Encrypt a new archive, with the key file or passphrase given.")
    var encrypt = false

    @OptionGroup(title: "Encryption")
    var keys: KeyOptions

    @OptionGroup(title: "Output")
    var output: OutputOptions

    func perform(_ console: Console) async throws -> RunStatus {
        var isFolder: ObjCBool = false
        if FileManager.default.fileExists(atPath: input, isDirectory: &isFolder), isFolder.boolValue {
            return try importFolder(console)
        }
        let source = try InputFile(path: input)
        let slot = ArchiveSlot(path: archive, keys: keys, encrypts: encrypt, console: console)
        let writer = try slot.writer()
        var options = ArchiveImport.Options()
        options.bucket = bucket
        options.cluster = cluster
        let name = input == "-" ? "standard input" : input
        let progress = console.progress
        let report = try ArchiveImport(into: writer, source: name, options: options).run { state in
            try Task.checkCancellation()
            progress.update(
                ProgressText(activity: "importing", entries: state.added + state.present, bytes: state.bytes)
            )
        } _: { room in
            try source.read(into: room)
        }
        try slot.close()
        progress.clear()
        if console.isJSON {
            try console.document(ImportDocument(report, source: name, archive: archive))
        } else {
            try console.report(Self.lines(report))
        }
        return .done
    }

    /// Imports a folder as `nats stream backup` makes it.
    private func importFolder(_ console: Console) throws -> RunStatus {
        guard bucket == nil else {
            throw CommandError(.usage, text: "a backup folder holds one bucket only", hint: "leave --bucket out")
        }
        var options = SnapshotImport.Options()
        options.acceptsIncomplete = acceptIncomplete
        if let cluster { options.clusterName = cluster }
        let slot = ArchiveSlot(path: archive, keys: keys, encrypts: encrypt, console: console)
        let progress = console.progress
        let report = try SnapshotImport(folder: input, into: try slot.writer(), options: options) { state in
            progress.update(
                ProgressText(
                    activity: state.phase.rawValue,
                    entries: state.entries,
                    total: state.total,
                    bytes: state.bytes
                )
            )
        }.run()
        try slot.close()
        progress.clear()
        var summary = ArchiveImport.Report()
        summary.incarnations = [report.incarnation]
        (summary.added, summary.present, summary.bytes) = (report.written, report.resumed, report.bytes)
        if report.missing > 0 {
            console.warn("the backup lacks \(NumberText.count(report.missing, "entry")) that the server had")
        }
        if console.isJSON {
            var document = ImportDocument(summary, source: input, archive: archive)
            document.revision = report.revision
            document.missing = report.missing
            try console.document(document)
        } else {
            try console.report(Self.lines(summary))
        }
        return .done
    }

    private static func lines(_ report: ArchiveImport.Report) -> [String] {
        let names = report.incarnations.map {
            "\($0.cluster)/\($0.bucket)".escapedForTerminal + ", created \($0.created)"
        }
        var work = "added \(NumberText.count(report.added, "entry")) (\(NumberText.bytes(report.bytes)))"
        if report.segments > 0 { work += " in \(NumberText.count(report.segments, "segment"))" }
        if report.present > 0 { work += "; \(NumberText.count(report.present)) were there already, and the same" }
        return names + [work]
    }
}

/// An import in `--json` output.
struct ImportDocument: Encodable, Sendable {
    /// A bucket that was imported.
    struct Bucket: Encodable, Sendable {
        var cluster: String
        var bucket: String
        var created: String
    }

    var source: String
    var archive: String
    var buckets: [Bucket]
    var lines: Int
    var added: UInt64
    var present: UInt64
    var bytes: UInt64
    var segments: Int
    var revision: Revision?
    var missing: UInt64?

    init(_ report: ArchiveImport.Report, source: String, archive: String) {
        self.source = source
        self.archive = archive
        buckets = report.incarnations.map { incarnation in
            Bucket(cluster: incarnation.cluster, bucket: incarnation.bucket.rawValue, created: incarnation.created)
        }
        lines = report.lines
        added = report.added
        present = report.present
        bytes = report.bytes
        segments = report.segments
    }
}

/// A file that is read from its beginning to its end, or standard input.
final class InputFile: Sendable {
    private let name: String
    private let descriptor: Int32

    /// Opens the file; `-` is standard input.
    init(path: String) throws {
        name = path == "-" ? "standard input" : path
        descriptor = path == "-" ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw CommandError(
                .inputFailed,
                text: "\(path) cannot be read: \(String(cString: strerror(errno)))",
                hint: "check the path and its permissions"
            )
        }
    }

    deinit {
        if descriptor != STDIN_FILENO { close(descriptor) }
    }

    /// Reads what fits; answers 0 at the end.
    func read(into room: UnsafeMutableRawBufferPointer) throws -> Int {
        while true {
            let count = Foundation.read(descriptor, room.baseAddress, room.count)
            if count >= 0 { return count }
            let reason = errno
            guard reason == EINTR else {
                throw CommandError(.inputFailed, text: "\(name) cannot be read: \(String(cString: strerror(reason)))")
            }
        }
    }
}
