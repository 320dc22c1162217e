import Archive
import KVModel
import Logging

/// What reading an archive is worth a line in its audit trail for.
struct ReadingNote: Sendable {
    var incarnation: IncarnationID?
    var revision: Revision?
    var entries: UInt64 = 0
    var bytes: UInt64 = 0
    var error: String?
    var isStopped = false
}

extension JobRun {
    /// Reads an archive, with a line in its audit trail: the archive is open for writing only to begin and to end it.
    ///
    /// Where somebody else writes the archive just then, or nobody may, it is read without one: what is found out by
    /// reading counts all the same.
    func reading<Result: Sendable>(
        _ archive: String,
        as kind: String,
        _ body: @Sendable (ArchiveReader) async throws -> (Result, ReadingNote)
    ) async throws -> Result {
        // First of all: an archive that is not there, or has another key, is no archive to be read.
        let reader = try await archives.reader(archive)
        let line = try await noting(archive) { try $0.beginRun(kind: kind, at: .wallClock()) }
        var note = ReadingNote()
        let result: Swift.Result<Result, any Error>
        do {
            let (value, found) = try await body(reader)
            note = found
            result = .success(value)
        } catch {
            note.error = Explanation.of(error)
            note.isStopped = Task.isCancelled
            result = .failure(error)
        }
        close(reader)
        if let line {
            let final = note
            _ = try await noting(archive) { writer in
                try writer.finishRun(
                    line,
                    outcome: final.isStopped ? .stopped : final.error == nil ? .succeeded : .failed,
                    incarnation: final.incarnation,
                    toRevision: final.revision,
                    entries: Int(clamping: final.entries),
                    bytes: Int(clamping: final.bytes),
                    error: final.isStopped ? nil : final.error,
                    at: .wallClock()
                )
            }
        }
        return try result.get()
    }

    private func noting<Result: Sendable>(
        _ archive: String,
        _ body: @escaping @Sendable (ArchiveWriter) throws -> Result
    ) async throws -> Result? {
        do {
            return try await archives.withWriter(archive, lease: lease) { try body($0) }
        } catch let error as ArchiveError {
            switch error.code {
            case .locked, .readOnly, .full:
                logger.info("the run is not in the archive's audit trail", metadata: ["reason": "\(error)"])
                return nil
            default: throw error
            }
        }
    }
}
