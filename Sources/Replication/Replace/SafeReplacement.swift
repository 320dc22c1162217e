import Archive
import Foundation
import JetStream
import KVModel
import KeyValue

/// Backs a bucket up that is to be replaced, and deletes it: in this order, and with nothing lost in between.
///
/// What the bucket holds is captured while it is in use; then writers are kept out, and what came since is captured up to
/// the last revision that it ever gets. The archive is verified and compared with the bucket entry by entry, and only
/// then the bucket is deleted. What fails before that opens the bucket again. A run that is killed in between leaves it
/// closed to writers: the next one opens it, and begins anew.
struct SafeReplacement {
    let buckets: Buckets
    let name: BucketName
    let place: SafetyBackup.Place
    let patience: Duration
    let progress: @Sendable (RestoreProgress) -> Void

    private static let token = "replace-"

    /// Backs up and deletes.
    func run(_ safeguarded: (SafetyBackup) -> Void) async throws -> SafetyBackup {
        guard !ArchiveReader.isPresent(path: place.path) else {
            throw ArchiveError(.exists, path: place.path, hint: "choose another with --safety-backup")
        }
        try await reopenIfLeftClosed()
        let bucket = try await buckets.bucket(name)
        let fence = BucketFence(bucket: name, token: Self.token + UUID().uuidString.prefix(8).lowercased())
        let isOpen = Self.isOpen(bucket.configuration)
        let writer = try ArchiveWriter.open(path: place.path, createIfMissing: true, key: place.key)
        var isProved = false
        var isFenced = false
        do {
            var revision = try await capture(bucket, into: writer, isOpen: isOpen)
            // While writers are still there: most often nothing comes after it, and they are kept out for a moment only.
            var entries: UInt64?
            if let revision { entries = try await check(writer, at: revision, isOpen: isOpen) }
            if isOpen {
                isFenced = true
                try await buckets.updateWhenPlaced(fence.fenced(bucket.configuration), name, patience: patience)
                let last = try await fence.finalRevision(buckets.context, patience: patience)
                let before = revision
                revision = try await capture(try await buckets.bucket(name), into: writer, isFenced: true)
                guard revision == last else { throw busy("revision \(last) is its last, and was not captured") }
                if let revision, entries == nil || revision != before {
                    entries = try await check(writer, at: revision, isOpen: false)
                }
            }
            guard let revision, let entries else {
                throw busy("no consistent revision was found for its safety backup")
            }
            let backup = try tagged(writer, at: revision, entries)
            try writer.close()
            isProved = true
            safeguarded(backup)
            try Task.checkCancellation()
            do {
                try await buckets.delete(name)
            } catch let error as KeyValueError where error.code == .bucketNotFound {
                // Somebody else was quicker.
            }
            return backup
        } catch {
            let reason = isFenced ? await reopen(bucket.configuration) : nil
            if !isProved { discard(writer) }
            guard let reason else { throw error }
            throw ReplicationError(
                .leftClosed,
                bucket: name.rawValue,
                text: "\(error); and it could not be opened to writers again: \(reason)",
                hint: "run the same command again: it opens the bucket first"
            )
        }
    }

    /// Whether anybody could write into the bucket: not into a mirror, a sealed one, or an unfinished exact restore.
    private static func isOpen(_ configuration: BucketConfiguration) -> Bool {
        !configuration.isMirror && configuration.stream["sealed"]?.bool != true && RestoreMarker(configuration) == nil
    }

    /// Gives a bucket its subject back that an earlier run was killed over.
    private func reopenIfLeftClosed() async throws {
        var configuration = try await buckets.bucket(name).configuration
        let left = BucketFence(bucket: name, token: Self.token).subject.dropLast(2)
        guard let subjects = configuration.stream["subjects"]?.array, subjects.count == 1,
            subjects[0].string?.hasPrefix(left) == true
        else { return }
        configuration.stream["subjects"] = [.string(name.subjectPrefix + ">")]
        _ = try await buckets.update(configuration)
    }

    /// Captures the bucket; answers the consistent revision that was reached.
    ///
    /// While it is open there need not be one: what is missing is captured once writers are kept out.
    private func capture(
        _ bucket: Bucket,
        into writer: ArchiveWriter,
        isOpen: Bool = false,
        isFenced: Bool = false
    ) async throws -> Revision? {
        var options = Capture.Options()
        options.recordsConfiguration = !isFenced
        options.patience = patience
        if isOpen { options.probeLimit = .seconds(1) }
        let progress = progress
        let report = try await Capture(bucket, into: writer, options: options) { seen in
            progress(
                RestoreProgress(
                    phase: .reading,
                    entries: seen.entries,
                    total: seen.pending > 0 ? seen.entries.addingClamped(seen.pending) : 0,
                    interruptions: seen.interruptions
                )
            )
        }.run()
        try Task.checkCancellation()
        return report.outcome == .complete ? report.consistentRevision : nil
    }

    /// Verifies the archive and holds it against the bucket; answers how many entries the bucket has.
    ///
    /// Nil if they differ while the bucket is open: writers may have driven out what was archived while it was read.
    private func check(_ writer: ArchiveWriter, at revision: Revision, isOpen: Bool) async throws -> UInt64? {
        let reader = try writer.reader()
        let incarnation = try incarnation(reader)
        if let problem = try reader.verify().problems.first { throw unsound("\(problem.detail)") }
        let state = try reader.state(of: incarnation.id, at: revision)
        let entries = UInt64(clamping: state.entries)
        let progress = progress
        let found = try await LiveComparison(
            try await buckets.bucket(name),
            incarnation,
            patience: patience,
            basis: .revisions
        ).run(state, at: revision) { compared in
            progress(RestoreProgress(phase: .reading, entries: compared, total: entries))
        }
        try reader.close()
        guard found.isEqual else {
            guard isOpen else { throw unsound(found.summary) }
            return nil
        }
        return entries
    }

    private func tagged(_ writer: ArchiveWriter, at revision: Revision, _ entries: UInt64) throws -> SafetyBackup {
        let reader = try writer.reader()
        let now = Timestamp.wallClock()
        let tag = "before-replace-\(SafetyBackup.stamp(now))"
        let note = "made before the bucket was replaced"
        try writer.tag(tag, try incarnation(reader).id, revision: revision, note: note, at: now)
        try reader.close()
        return SafetyBackup(path: place.path, bucket: name, tag: tag, revision: revision, entries: entries)
    }

    private func incarnation(_ reader: ArchiveReader) throws -> Incarnation {
        guard let found = try reader.latestIncarnation(bucket: name) else { throw unsound("it holds nothing") }
        return found
    }

    /// Opens the bucket again, even when the task was cancelled and its connection closed with it.
    ///
    /// Answers why it could not.
    private func reopen(_ configuration: BucketConfiguration) async -> (any Error)? {
        let (buckets, name) = (buckets, name)
        return await Task.detached { () -> (any Error)? in
            do {
                try await buckets.onOpenConnection { buckets in
                    let found = try await buckets.bucket(name).configuration
                    guard found.stream["subjects"] != configuration.stream["subjects"] else { return }
                    _ = try await buckets.update(configuration)
                }
                return nil
            } catch let error as KeyValueError where error.code == .bucketNotFound {
                // It is deleted already.
                return nil
            } catch {
                return error
            }
        }.value
    }

    /// Removes an archive that was not finished: it must not pass for a backup.
    private func discard(_ writer: ArchiveWriter) {
        // What cannot be removed has no tag, which says as much.
        try? writer.close()
        for ending in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: place.path + ending) }
    }

    private func busy(_ text: String) -> ReplicationError {
        ReplicationError(
            .targetBusy,
            bucket: name.rawValue,
            text: "\(text): it was written to all the time",
            hint: "nothing was deleted; try again when there are fewer writes"
        )
    }

    private func unsound(_ text: String) -> ReplicationError {
        ReplicationError(
            .notEqual,
            bucket: name.rawValue,
            text: "its safety backup differs from it: \(text)",
            hint: "nothing was deleted; run it again, or look into the disk of \(place.path)"
        )
    }
}
