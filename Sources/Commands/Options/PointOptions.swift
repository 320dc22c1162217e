import Archive
import ArgumentParser
import KVModel

/// The point of an archive that a command looks at.
struct PointOptions: ParsableArguments, Sendable {
    @Option(help: "The state at this revision.")
    var atRevision: Revision?

    @Option(
        help: "The state at this time (RFC 3339, for example 2026-11-21T03:00:00Z).",
        transform: PointOptions.time
    )
    var atTime: Timestamp?

    @Option(help: "The state at the revision with this tag.")
    var atTag: String?

    /// Refuses more than one point.
    func validate() throws {
        let given = [atRevision != nil, atTime != nil, atTag != nil].filter(\.self).count
        guard given < 2 else {
            throw ValidationError("Give one of --at-revision, --at-time and --at-tag, not several.")
        }
    }

    /// The point; the newest consistent revision if none was given.
    var point: ArchivePoint {
        if let atRevision { return .revision(atRevision) }
        if let atTime { return .time(atTime) }
        if let atTag { return .tag(atTag) }
        return .newest
    }

    static func time(_ text: String) throws -> Timestamp {
        guard let time = Timestamp(rfc3339: text) else {
            throw ValidationError("write it as RFC 3339, for example 2026-11-21T03:00:00Z")
        }
        return time
    }
}
