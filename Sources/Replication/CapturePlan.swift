import Archive
import JetStream
public import KVModel

/// How a capture begins, decided from what the archive holds and what the server says: pure.
public enum CapturePlan: Sendable, Equatable {
    /// Nothing of this bucket is in the archive yet: everything is read.
    case first
    /// The archive holds the bucket up to a revision: reading goes on behind it.
    case resume(after: Revision)
    /// The bucket was deleted and created again since: its new life is read from the start, beside the old one.
    case recreated(previously: String)
    /// The bucket's last revision is lower than what the archive holds of the same life: the server lost writes.
    case regressed(from: Revision, to: Revision)

    /// Decides.
    ///
    /// - Parameters:
    ///   - created: the creation time that the server says.
    ///   - lastRevision: the last revision that the server says.
    ///   - known: the newest incarnation of the bucket that the archive holds, with its resume revision.
    public init(created: String, lastRevision: Revision, known: (created: String, resumeRevision: Revision)?) {
        guard let known else {
            self = .first
            return
        }
        guard known.created == created else {
            self = .recreated(previously: known.created)
            return
        }
        guard lastRevision >= known.resumeRevision else {
            self = .regressed(from: known.resumeRevision, to: lastRevision)
            return
        }
        self = .resume(after: known.resumeRevision)
    }
}
