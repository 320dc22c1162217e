import Archive
import JetStream
import KVModel
import KeyValue
import Logging
import NATSClient
import StreamSnapshot

extension CaptureSession {
    /// Whether the server's snapshot may serve the bulk: entries that it has at hand, in the order of revisions, each
    /// as the bucket holds it.
    ///
    /// Before 2.15 a snapshot holds the blocks of the server's files, with whatever had been driven out or deleted.
    private var readsSnapshot: Bool {
        lastRevision == 0 && incarnation.filter.isEmpty && options.bytesPerSecond == nil
            && bucket.context.serverIsAtLeast(2, 15) && bucket.info.state.bytes >= options.leastSnapshotBytes
    }

    /// Begins a first capture of a bucket with the server's own snapshot, which comes about twice as fast as what a
    /// consumer delivers.
    ///
    /// A snapshot lacks what is overwritten while it is made, as a watch does that falls behind; the successors lie
    /// behind the last revision of its first moment, where the watch begins. Wherever a snapshot breaks off, or cannot
    /// be had, the watch goes on.
    mutating func readSnapshot() async throws {
        guard readsSnapshot else { return }
        let (context, stream, expected) = (bucket.context, bucket.name.streamName, incarnation.created)
        let download: StreamDownload
        do {
            download = try await context.downloadStream(stream)
        } catch is CancellationError {
            throw CancellationError()
        } catch {
            return note("cannot be had", error)
        }
        // Asked for after the snapshot began: a bucket that was recreated before shows now. Over a long link the answer comes
        // behind chunks that the server sends on only as they are read.
        let created = Task { try await context.streamInfo(stream).created }
        let before = intake
        var isSame = false
        defer {
            created.cancel()
            if !isSame { intake = before }
        }
        do {
            try await read(download) {
                if !isSame { isSame = try await created.value == expected }
                return isSame
            }
        } catch let error as JetStreamError where error.code == .interrupted {
            // What has come is in order, and nothing is missing in between.
            note("broke off", error)
        } catch let error as NATSError {
            note("broke off", error)
        } catch let error as StreamSnapshotError {
            note("is not what it should be", error)
        } catch {
            await download.stop()
            throw error
        }
        await download.stop()
        // It may have broken off inside a block.
        if isSame { try await arrive(at: intake.lastRevision, pending: received.pending) }
    }

    private func note(_ what: String, _ error: any Error) {
        bucket.context.connection.logger.info(
            "the server's snapshot \(what): a consumer reads on",
            metadata: ["bucket": "\(bucket.name)", "error": "\(error)"]
        )
    }

    /// Reads the snapshot to its end, as long as it is confirmed to be of the bucket that is captured; nothing is committed
    /// before that.
    private mutating func read(_ download: StreamDownload, isConfirmed: () async throws -> Bool) async throws {
        var reader = SnapshotReader()
        let prefix = Array(bucket.subjectPrefix.utf8)
        let last = download.state.lastSequence
        var isFirst = true
        while let chunks = try await download.next() {
            chunks.forEachChunk { reader.append($0) }
            while try read(&reader, prefix, through: last) {
                if isFirst {
                    guard intake.hasFull else { continue }
                    guard try await isConfirmed() else { return }
                    isFirst = false
                }
                try await arrive(
                    at: intake.lastRevision,
                    pending: download.state.messages - min(intake.entries, download.state.messages)
                )
            }
        }
        _ = try reader.finish()
        guard try await isConfirmed() else { return }
        try await arrive(at: last, pending: 0)
    }

    /// Reads one more block of the snapshot; false if none has come whole.
    private mutating func read(_ reader: inout SnapshotReader, _ prefix: [UInt8], through last: Revision) throws -> Bool
    {
        try reader.readBlock { message in
            guard message.sequence <= last, message.subject.count > prefix.count, message.subject.starts(with: prefix)
            else { return }
            try intake.append(
                EntryView(
                    revision: message.sequence,
                    time: message.time,
                    operation: Operation(headers: message.headers),
                    key: UnsafeRawBufferPointer(rebasing: message.subject[prefix.count...]),
                    headers: message.headers,
                    value: message.value
                )
            )
        }
    }
}
