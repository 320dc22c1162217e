public import KVModel

extension ArchiveWriter {
    /// What a piece of work says of itself at its end, for the audit trail.
    public struct AuditNote: Sendable {
        /// The incarnation it was about, if one.
        public var incarnation: IncarnationID?
        /// The entries it moved or dropped.
        public var entries = 0
        /// The raw bytes of these.
        public var bytes = 0
        /// Whether it was stopped before its end.
        public var isStopped = false

        /// Nothing to say.
        public init() {}
    }

    /// Does a piece of work with a line in the audit trail; what it throws is recorded, and thrown.
    ///
    /// `now` is when it runs, by default what the system's clock says at its beginning and its end.
    @discardableResult
    public func audited<Result>(
        _ kind: String,
        now: Timestamp? = nil,
        _ work: (inout AuditNote) throws -> Result
    ) throws -> Result {
        let run = try beginRun(kind: kind, at: now ?? .wallClock())
        var note = AuditNote()
        do {
            let result = try work(&note)
            try finishRun(
                run,
                outcome: note.isStopped ? .stopped : .succeeded,
                incarnation: note.incarnation,
                entries: note.entries,
                bytes: note.bytes,
                at: now ?? .wallClock()
            )
            return result
        } catch {
            do {
                try finishRun(run, outcome: .failed, error: "\(error)", at: now ?? .wallClock())
            } catch {
                // What failed first is what counts, and is thrown. On a full disk not even this line can be written:
                // then the run stands there without an end, as that of a process that was killed.
            }
            throw error
        }
    }
}
