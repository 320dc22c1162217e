import Archive
import KVModel

/// A verification in `--json` output.
struct VerificationDocument: Encodable, Sendable {
    /// One thing that is wrong.
    struct Problem: Encodable, Sendable {
        var cluster: String?
        var bucket: String?
        var created: String?
        var segment: Int?
        var firstRevision: Revision?
        var lastRevision: Revision?
        var detail: String
    }

    var archive: String
    var isSound: Bool
    var incarnations: Int
    var segments: Int
    var entries: Int
    var bytes: Int
    var unopenedSegments: Int?
    var problems: [Problem]
    var comparison: ComparisonDocument?

    init(_ file: String, _ report: VerificationReport) {
        archive = file
        isSound = report.isSound
        incarnations = report.incarnations
        segments = report.checked.segments
        entries = report.checked.entries
        bytes = report.checked.bytes
        unopenedSegments = report.unopenedSegments == 0 ? nil : report.unopenedSegments
        problems = report.problems.map { problem in
            Problem(
                cluster: problem.incarnation?.cluster,
                bucket: problem.incarnation?.bucket.rawValue,
                created: problem.incarnation?.created,
                segment: problem.segment,
                firstRevision: problem.revisions?.lowerBound,
                lastRevision: problem.revisions?.upperBound,
                detail: problem.detail
            )
        }
    }
}
