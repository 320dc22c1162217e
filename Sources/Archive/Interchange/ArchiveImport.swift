public import KVModel

/// Makes an archive of JSON Lines that `ArchiveExport` wrote, or adds to one.
///
/// Segments are committed as they fill, each with a checkpoint that claims no consistent revision: that comes last, with
/// the configurations, when the incarnation's end was read and its count agrees. So an import that was killed leaves
/// nothing that passes for complete, and is simply run again: what the archive holds already is compared with the lines,
/// entry by entry, and importing goes on behind it. Lines that say something else are refused with their number.
public struct ArchiveImport: Sendable {
    /// What to import.
    public struct Options: Sendable {
        /// Only this bucket; nil for all.
        public var bucket: BucketName?
        /// What to call the cluster; nil for what the lines say.
        public var cluster: String?
        /// Raw bytes of a segment.
        public var segmentBytes = 4 << 20

        /// Everything, under the names that the lines say.
        public init() {}
    }

    /// What was imported.
    public struct Report: Sendable, Equatable {
        /// Incarnations read.
        public var incarnations: [Incarnation] = []
        /// Entries added.
        public var added: UInt64 = 0
        /// Entries that the archive held already, found the same.
        public var present: UInt64 = 0
        /// Bytes of keys, header blocks and values added.
        public var bytes: UInt64 = 0
        /// Segments written.
        public var segments = 0
        /// Lines read.
        public var lines = 0

        /// Nothing yet.
        public init() {}
    }

    private let writer: ArchiveWriter
    private let source: String
    private let options: Options

    /// An import into an archive; `source` is what messages call the lines' file.
    public init(into writer: ArchiveWriter, source: String, options: Options = Options()) {
        self.writer = writer
        self.source = source
        self.options = options
    }

    /// Imports all lines; `read` puts the next bytes into its argument and answers how many, 0 at the end.
    ///
    /// `progress` is called from time to time; what it throws ends the import at a checkpoint.
    public func run(
        progress: (Report) throws -> Void = { _ in },
        _ read: @escaping (UnsafeMutableRawBufferPointer) throws -> Int
    ) throws -> Report {
        let run = try writer.beginRun(kind: "import", at: .wallClock())
        var session = ImportSession(writer: writer, options: options)
        do {
            try all(&session, progress, read)
        } catch {
            try finish(run, session, outcome: error is CancellationError ? .stopped : .failed, error: "\(error)")
            throw error
        }
        try finish(run, session, outcome: .succeeded, error: nil)
        return session.report
    }

    private func finish(
        _ run: RunID,
        _ session: ImportSession,
        outcome: ArchiveRun.Outcome,
        error: String?
    ) throws {
        try writer.finishRun(
            run,
            outcome: outcome,
            incarnation: session.report.incarnations.last?.id,
            entries: Int(clamping: session.report.added),
            bytes: Int(clamping: session.report.bytes),
            error: error,
            at: .wallClock()
        )
    }

    private func all(
        _ session: inout ImportSession,
        _ progress: (Report) throws -> Void,
        _ read: @escaping (UnsafeMutableRawBufferPointer) throws -> Int
    ) throws {
        var lines = LineSplitter(read)
        do {
            while try lines.next({ try session.take($0) }) {
                session.report.lines = lines.number
                if lines.number.isMultiple(of: 4096) { try progress(session.report) }
            }
            try session.finish()
        } catch let error as LineDamage {
            throw ArchiveError(
                .malformedInput(line: max(1, lines.number), error.description),
                path: source,
                hint: error.hint,
                cause: error
            )
        } catch let error as ArchiveError {
            // What an entry or a name cannot be is said of the line as well.
            guard case .invalid(let detail) = error.code else { throw error }
            throw ArchiveError(.malformedInput(line: lines.number, detail), path: source, cause: error)
        }
    }
}

/// The import under way: where it is among the lines, and the incarnation that it fills.
struct ImportSession {
    var report = ArchiveImport.Report()
    private let writer: ArchiveWriter
    private let options: ArchiveImport.Options
    private var line = InterchangeLine()
    private var expected: UInt64?
    private var seen: UInt64 = 0
    private var current: ImportedIncarnation?
    /// Inside an incarnation that is not asked for.
    private var isSkipping = false

    init(writer: ArchiveWriter, options: ArchiveImport.Options) {
        self.writer = writer
        self.options = options
    }

    /// Takes the next line.
    mutating func take(_ bytes: UnsafeRawBufferPointer) throws {
        guard bytes.contains(where: { $0 != 32 && $0 != 9 && $0 != 13 }) else { return }
        try line.read(bytes)
        guard let kind = line.kind else { return }
        switch kind {
        case .header: try header()
        case .incarnation: try begin()
        case .entry:
            guard !isSkipping else { return }
            guard current != nil else { throw LineDamage("an entry stands before any incarnation") }
            try line.withEntry { try current?.take($0, &report) }
        case .configuration, .removal, .point, .held, .lost, .tag:
            guard !isSkipping else { return }
            guard current != nil else { throw LineDamage("it stands before any incarnation") }
            try current?.takeRecord(line, kind)
        case .end:
            guard current != nil || isSkipping else { throw LineDamage("an end stands before any incarnation") }
            try current?.finish(entries: try line.number("entries"), &report)
            current = nil
            isSkipping = false
        }
    }

    /// The lines are at their end.
    mutating func finish() throws(LineDamage) {
        guard let expected else { throw LineDamage("it holds nothing", hint: "`cistern export` writes such a file") }
        guard current == nil, !isSkipping, seen == expected else {
            throw LineDamage(
                "the file ends before its \(expected) incarnations do",
                hint: "it was cut off: export it again, then run the import again"
            )
        }
        if report.incarnations.isEmpty, let bucket = options.bucket {
            throw LineDamage("the file holds no bucket \(bucket)")
        }
    }

    private mutating func header() throws(LineDamage) {
        guard expected == nil else { throw LineDamage("a second beginning", hint: "import the files one by one") }
        let version = try line.number("version")
        guard version == InterchangeLine.version else {
            throw LineDamage("its format version is \(version)", hint: "use a newer cistern")
        }
        expected = try line.number("incarnations")
    }

    private mutating func begin() throws {
        guard expected != nil else {
            throw LineDamage("this is no export of cistern: its first line must be of type cistern-export")
        }
        guard current == nil, !isSkipping else { throw LineDamage("the incarnation before it has no end") }
        seen += 1
        guard try Self.bucket(line) == options.bucket ?? Self.bucket(line) else {
            isSkipping = true
            return
        }
        if line.optionalText("filter") != nil || line.optionalText("history") == HistoryMode.latest.rawValue {
            throw LineDamage(
                "it holds only a part of a bucket, and an archive of it would pass for the whole",
                hint: "export it without --filter and without --history latest"
            )
        }
        current = try ImportedIncarnation(line, writer: writer, options: options)
        if let incarnation = current?.incarnation { report.incarnations.append(incarnation) }
    }

    static func bucket(_ line: InterchangeLine) throws(LineDamage) -> BucketName {
        let name = try line.text("bucket")
        do { return try BucketName(name) } catch { throw LineDamage("\"\(Key(name))\" is no bucket name") }
    }
}
