public import KVModel

/// Writes what an archive holds as JSON Lines or CSV, one segment in memory at a time.
///
/// `JSONLines.md` specifies the lines. Without a point and a choice of keys an export holds everything: made an archive
/// again by `ArchiveImport`, it is entry for entry, configuration for configuration what it came from.
public struct ArchiveExport: Sendable {
    /// What is written.
    public enum Format: String, Sendable, CaseIterable {
        /// JSON Lines, which can be imported again.
        case jsonl
        /// A table for spreadsheets (RFC 4180).
        case csv
    }

    /// What to write, and how.
    public struct Options: Sendable {
        /// What is written.
        public var format = Format.jsonl
        /// Up to which point; nil for all that is archived.
        public var point: ArchivePoint?
        /// Keys to write; empty for all.
        public var filter: [KeyPattern] = []
        /// Which entries of a key.
        public var history = HistoryMode.full

        /// Everything, as JSON Lines.
        public init() {}
    }

    /// What was written.
    public struct Report: Sendable, Equatable {
        /// Incarnations written.
        public var incarnations = 0
        /// Entries written.
        public var entries: UInt64 = 0
        /// Bytes written.
        public var bytes: UInt64 = 0

        /// Nothing yet.
        public init() {}
    }

    private static let batch = 256 << 10
    private let reader: ArchiveReader
    private let options: Options

    /// An export of an archive.
    public init(_ reader: ArchiveReader, options: Options = Options()) {
        self.reader = reader
        self.options = options
    }

    /// Writes incarnations, in the order given; `write` takes the bytes as they come, `progress` how far it is.
    public func run(
        _ incarnations: [Incarnation],
        progress: (Report) -> Void = { _ in },
        to write: @escaping (UnsafeRawBufferPointer) throws -> Void
    ) throws -> Report {
        var output = Output(write: write)
        switch options.format {
        case .jsonl: output.header(incarnations: incarnations.count)
        case .csv: output.table.heading()
        }
        for incarnation in incarnations {
            try export(incarnation, to: &output, progress)
            output.report.incarnations += 1
        }
        try output.flush()
        return output.report
    }

    private func export(_ incarnation: Incarnation, to output: inout Output, _ progress: (Report) -> Void) throws {
        let before = output.report.entries
        let checkpoint = try reader.checkpoint(incarnation.id)
        let revision =
            try options.point.map { try reader.resolve($0, in: incarnation.id) } ?? checkpoint?.resumeRevision
        let state = try revision.map { revision in
            try reader.state(of: incarnation.id, at: revision, filter: options.filter, historyMode: options.history)
        }
        if options.format == .jsonl {
            let last = options.point == nil ? Revision.max : revision ?? 0
            let basis = try basis(of: incarnation, state, through: last)
            output.incarnation(
                incarnation,
                Self.cut(checkpoint, at: options.point == nil ? nil : state),
                basis.exactFrom,
                options
            )
            try writeRecords(of: incarnation, through: last, to: &output)
            try writeBasis(basis, of: incarnation, state, to: &output)
        }
        if var cursor = state?.makeCursor() {
            while let run = try cursor.next() {
                try run.forEachEntry { entry in
                    switch options.format {
                    case .jsonl: output.entry(entry)
                    case .csv: output.table.row(entry, of: incarnation)
                    }
                    output.report.entries += 1
                    if output.pending >= Self.batch { try output.flush() }
                }
                progress(output.report)
            }
        }
        if options.format == .jsonl { output.end(entries: output.report.entries - before) }
    }

    /// Which of its states an archive of these lines can know.
    private func basis(
        of incarnation: Incarnation,
        _ state: BucketState?,
        through revision: Revision
    ) throws -> BasisRecords {
        guard let state else { return BasisRecords() }
        guard options.history == .full else {
            // What the bucket held at the point is all there is: nothing is known of what was before.
            return BasisRecords(
                exactFrom: state.revision,
                points: [ConsistentPoint(revision: state.revision, time: state.time)]
            )
        }
        var basis = try reader.basisRecords(of: incarnation.id, through: revision)
        basis.exactFrom = min(basis.exactFrom, revision)
        return basis
    }

    private func writeBasis(
        _ basis: BasisRecords,
        of incarnation: Incarnation,
        _ state: BucketState?,
        to output: inout Output
    ) throws {
        for point in basis.points {
            var record = PointRecord(point: point)
            if options.history == .full {
                record = try reader.pointRecord(point, of: incarnation.id)
            } else if let state, state.entries > 0 {
                record.held = HeldRuns([1...max(1, state.revision)])
                record.entries = UInt64(state.entries)
            }
            output.point(record)
            if output.pending >= Self.batch { try output.flush() }
        }
        for range in basis.lost { output.lost(range) }
    }

    private func writeRecords(of incarnation: Incarnation, through revision: Revision, to output: inout Output) throws {
        let configurations = try reader.configurations(of: incarnation.id)
        for (index, record) in configurations.enumerated() where index == 0 || record.revision <= revision {
            output.configuration(record)
        }
        // States without full history hold nothing that was seen to be gone.
        if options.history == .full {
            for removal in try reader.removals(of: incarnation.id)
            where removal.isSighting ? removal.revisions.lowerBound <= revision : removal.sinceRevision <= revision {
                output.removal(removal)
            }
        }
        for tag in try reader.tags(of: incarnation.id) where tag.revision <= revision { output.tag(tag) }
    }

    /// The checkpoint of an archive that ends at a state.
    private static func cut(_ checkpoint: Checkpoint?, at state: BucketState?) -> Checkpoint? {
        guard var cut = checkpoint, let state else { return checkpoint }
        cut.resumeRevision = state.revision
        cut.consistentRevision = state.revision
        cut.consistentTime = state.time
        return cut
    }
}

extension ArchiveExport {
    /// The lines on their way out.
    private struct Output {
        var report = Report()
        var lines = JSONLineWriter()
        var table = CSVWriter()
        let write: (UnsafeRawBufferPointer) throws -> Void

        var pending: Int { lines.bytes.count + table.bytes.count }

        mutating func flush() throws {
            report.bytes += UInt64(pending)
            try lines.bytes.withUnsafeBytes { if !$0.isEmpty { try write($0) } }
            try table.bytes.withUnsafeBytes { if !$0.isEmpty { try write($0) } }
            lines.clear()
            table.clear()
        }

        mutating func header(incarnations: Int) {
            lines.begin(.header)
            lines.number("version", InterchangeLine.version)
            lines.number("incarnations", UInt64(incarnations))
            lines.end()
        }

        mutating func incarnation(
            _ incarnation: Incarnation,
            _ checkpoint: Checkpoint?,
            _ exactFrom: Revision,
            _ options: Options
        ) {
            lines.begin(.incarnation)
            lines.text("cluster", incarnation.cluster)
            lines.text("bucket", incarnation.bucket.rawValue)
            lines.text("created", incarnation.created)
            if !incarnation.filter.isEmpty { lines.text("keys", incarnation.filterText) }
            lines.text("history", options.history.rawValue)
            if !options.filter.isEmpty { lines.texts("filter", options.filter.map(\.description)) }
            if let checkpoint {
                lines.number("resume_revision", checkpoint.resumeRevision)
                if let revision = checkpoint.consistentRevision { lines.number("consistent_revision", revision) }
                if let time = checkpoint.consistentTime { lines.time("consistent_time", time) }
                lines.number("source_messages", checkpoint.sourceState.messages)
                lines.number("source_bytes", checkpoint.sourceState.bytes)
                lines.number("source_first", checkpoint.sourceState.firstSequence)
                lines.number("source_last", checkpoint.sourceState.lastSequence)
                lines.time("updated", checkpoint.updated)
                if exactFrom > 0 { lines.number("exact_from", exactFrom) }
            }
            lines.end()
        }

        mutating func configuration(_ record: ConfigurationRecord) {
            lines.begin(.configuration)
            lines.number("revision", record.revision)
            lines.time("time", record.time)
            lines.text("json", record.json)
            lines.end()
        }

        mutating func removal(_ removal: RemovalRecord) {
            lines.begin(.removal)
            lines.number("first", removal.revisions.lowerBound)
            lines.number("last", removal.revisions.upperBound)
            lines.number("since_revision", removal.sinceRevision)
            lines.time("since_time", removal.sinceTime)
            lines.number("seen_revision", removal.seenRevision)
            lines.time("seen_time", removal.seenTime)
            lines.end()
        }

        /// A point, then what it held, so many runs a line.
        mutating func point(_ record: PointRecord) {
            lines.begin(.point)
            lines.number("revision", record.point.revision)
            lines.time("time", record.point.time)
            if !record.held.runs.isEmpty { lines.number("entries", record.entries) }
            lines.end()
            for start in stride(from: 0, to: record.held.runs.count, by: 4096) {
                lines.begin(.held)
                lines.number("revision", record.point.revision)
                lines.ranges("ranges", record.held.runs[start..<min(record.held.runs.count, start + 4096)])
                lines.end()
            }
        }

        mutating func lost(_ range: ClosedRange<Revision>) {
            lines.begin(.lost)
            lines.number("first", range.lowerBound)
            lines.number("last", range.upperBound)
            lines.end()
        }

        mutating func tag(_ tag: ArchiveTag) {
            lines.begin(.tag)
            lines.text("name", tag.name)
            lines.number("revision", tag.revision)
            if let time = tag.time { lines.time("proved", time) }
            lines.text("note", tag.note)
            lines.time("tagged", tag.created)
            lines.end()
        }

        mutating func entry(_ entry: EntryView) {
            lines.begin(.entry)
            lines.number("revision", entry.revision)
            lines.time("time", entry.time)
            lines.text("operation", entry.operation.word)
            lines.content("key", "key_base64", entry.key)
            if !entry.headers.isEmpty || entry.operation != .put { lines.headers(entry.headers) }
            if !entry.value.isEmpty || entry.operation == .put { lines.content("value", "value_base64", entry.value) }
            lines.end()
        }

        mutating func end(entries: UInt64) {
            lines.begin(.end)
            lines.number("entries", entries)
            lines.end()
        }
    }
}

extension KVModel.Operation {
    /// The word that exports use.
    var word: String {
        switch self {
        case .put: "put"
        case .delete: "delete"
        case .purge: "purge"
        }
    }
}
