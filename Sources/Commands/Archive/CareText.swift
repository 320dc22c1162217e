import Archive
import KVModel
import Schedule

/// What is said of prunes and compactions.
enum CareText {
    static func progress(_ state: CompactionProgress) -> ProgressText {
        ProgressText(
            activity: "merging segment \(state.segments) of \(state.ofSegments)",
            entries: UInt64(clamping: state.entries),
            bytes: UInt64(clamping: state.bytes)
        )
    }

    /// What a compaction does or did.
    static func lines(_ report: CompactionReport, of file: String, isDryRun: Bool) -> [String] {
        let name = file.escapedForTerminal
        guard !report.isEmpty else { return ["\(name): nothing to merge, nothing to give back"] }
        var lines: [String] = []
        for bucket in report.buckets where bucket.segmentsAfter != bucket.segmentsBefore || bucket.droppedEntries > 0 {
            var line =
                "\(bucket.incarnation.bucket): \(NumberText.count(bucket.segmentsBefore, "segment")) "
                + "\(isDryRun ? "would become" : "became") \(NumberText.count(bucket.segmentsAfter))"
            if bucket.droppedEntries > 0 {
                line += ", without \(NumberText.count(bucket.droppedEntries, "entry")) that a prune dropped"
            }
            lines.append(line)
        }
        if isDryRun {
            lines.append("\(name): \(NumberText.bytes(report.freeBytes)) of it hold nothing already")
        } else {
            lines.append(size(report, of: name))
        }
        return lines
    }

    /// How large a file was and is.
    static func size(_ report: CompactionReport, of name: String) -> String {
        let sizes = "\(NumberText.bytes(report.sizeBefore)) before, \(NumberText.bytes(report.sizeAfter)) now"
        let readers = report.awaitsReaders ? "; it is being read, and shrinks when it is next written or compacted" : ""
        return "\(name): \(sizes)\(readers)"
    }

    /// What a prune does, before it is done.
    static func table(_ report: PruneReport) -> Table {
        var table = Table([
            .text("Bucket"), .text("Created"), .number("Points"), .number("Go"), .number("Tags go"),
            .number("Entries"), .number("Go"), .number("Size"), .number("Goes"), .text("Whole from"),
        ])
        for bucket in report.buckets {
            table.add([
                bucket.incarnation.bucket.rawValue,
                bucket.incarnation.created,
                NumberText.count(bucket.points.count),
                NumberText.count(bucket.droppedPoints.count),
                NumberText.count(bucket.droppedTags.count),
                NumberText.count(bucket.entries),
                NumberText.count(bucket.droppedEntries),
                NumberText.bytes(bucket.bytes),
                NumberText.bytes(bucket.droppedBytes),
                "revision \(bucket.exactFrom)",
            ])
        }
        return table
    }

    /// The points that stay and those that go.
    static func points(_ report: PruneReport) -> Table {
        var table = Table([.text("Bucket"), .number("Revision"), .text("Time"), .text(""), .text("Why"), .text("Tags")])
        for bucket in report.buckets {
            for point in bucket.points {
                table.add([
                    bucket.incarnation.bucket.rawValue,
                    String(point.point.revision),
                    point.point.time.description,
                    point.isKept ? "stays" : "goes",
                    point.reasons.map(\.rawValue).sorted().joined(separator: ", "),
                    point.tags.joined(separator: ", "),
                ])
            }
        }
        return table
    }
}
