import Archive
import KVModel

/// Encodes and commits segments in the background, in order, one at a time.
///
/// While one is on its way to the disk, the next fills, and whoever brings a third waits. That is where a slow disk
/// slows the server down. Once a segment could not be committed every later commit fails as well: the disk that had no
/// room for a segment may have some for a checkpoint, which would lie behind a hole.
struct SegmentCommitter {
    /// The last revision that is safely in the archive.
    private(set) var committedRevision: Revision
    /// Segments committed.
    private(set) var segments = 0
    private let writer: ArchiveWriter
    private let incarnation: IncarnationID
    /// Why a segment could not be committed: nothing may follow it.
    private var failure: (any Error)?
    private var underway: (task: Task<Void, any Error>, revision: Revision, segments: Int)?

    init(writer: ArchiveWriter, incarnation: IncarnationID, committedRevision: Revision) {
        self.writer = writer
        self.incarnation = incarnation
        self.committedRevision = committedRevision
    }

    /// Hands a segment over, with the checkpoint that it leads to; with `waits`, until it is on disk.
    mutating func commit(_ builder: consuming SegmentBuilder, _ checkpoint: Checkpoint, waits: Bool) async throws {
        try await finish()
        let writer = writer
        let incarnation = incarnation
        let full = builder
        let isEmpty = full.isEmpty
        // Not a child task: it must run to its end when the capture is cancelled, and is always awaited by `finish`.
        let task = Task.detached {
            let encoded = isEmpty ? [] : [try full.encode()]
            try writer.commit(encoded, incarnation, checkpoint: checkpoint)
        }
        underway = (task, checkpoint.resumeRevision, isEmpty ? 0 : 1)
        if waits { try await finish() }
    }

    /// Brings what was committed from the log into the file, in the background.
    mutating func shortenLog() async throws {
        try await finish()
        let writer = writer
        underway = (Task.detached { try writer.shortenLog() }, committedRevision, 0)
    }

    /// Waits until nothing is under way.
    mutating func finish() async throws {
        if let failure { throw failure }
        guard let underway else { return }
        self.underway = nil
        do {
            try await underway.task.value
        } catch {
            failure = error
            throw error
        }
        committedRevision = underway.revision
        segments += underway.segments
    }
}
