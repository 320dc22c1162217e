import Foundation
import StreamSnapshot

/// A folder as `nats stream backup` makes it: `backup.json` and the snapshot beside it.
struct BackupFolder {
    private static let pieceBytes = 1 << 20

    let path: String

    var metadataPath: String { path + "/" + BackupMetadata.fileName }
    var snapshotPath: String { path + "/" + BackupMetadata.snapshotFileName }

    /// Reads `backup.json`.
    func metadata() throws -> BackupMetadata {
        let file = try open(metadataPath)
        // Closing a file that was only read cannot lose anything.
        defer { try? file.close() }
        let bytes = try reading(metadataPath) { try file.read(upToCount: BackupMetadata.maximumBytes + 1) ?? Data() }
        do {
            return try BackupMetadata(Array(bytes))
        } catch {
            throw failure("\(error.place): \(error.text)", error.hint)
        }
    }

    /// Reads the snapshot once through and calls `body` with each message.
    func read(
        excluding deleted: DeletedSequences,
        progress: (UInt64) -> Void,
        _ body: (SnapshotEntry) throws -> Void
    ) throws -> SnapshotContents {
        let file = try open(snapshotPath)
        defer { try? file.close() }
        var reader = SnapshotReader(excluding: deleted)
        var read: UInt64 = 0
        do {
            while true {
                try Task.checkCancellation()
                let piece = try reading(snapshotPath) { try file.read(upToCount: Self.pieceBytes) }
                guard let piece, !piece.isEmpty else { break }
                try piece.withUnsafeBytes { try reader.read($0, body) }
                read += UInt64(piece.count)
                progress(read)
            }
            return try reader.finish()
        } catch let error as StreamSnapshotError {
            throw failure("\(BackupMetadata.snapshotFileName), \(error.place): \(error.text)", error.hint)
        }
    }

    func failure(_ text: String, _ hint: String) -> ReplicationError {
        ReplicationError(.unsupported, bucket: "-", text: "backup \(path): \(text)", hint: hint)
    }

    private func open(_ file: String) throws -> FileHandle {
        guard let handle = FileHandle(forReadingAtPath: file) else {
            throw failure(
                "\(file) cannot be opened",
                "give the folder that \"nats stream backup\" made, with backup.json and stream.tar.s2 in it"
            )
        }
        return handle
    }

    private func reading<Result>(_ file: String, _ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch {
            throw failure("\(file) cannot be read: \(error.localizedDescription)", "check the disk and the permissions")
        }
    }
}
