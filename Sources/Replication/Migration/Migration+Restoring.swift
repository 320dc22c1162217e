import Archive
import JetStream
import KVModel
import KeyValue
import NATSClient

extension Migration {
    /// Makes the bucket anew, and goes on with that when servers, or the way to them, come back.
    ///
    /// Nil if a second attempt finds that the first had done it.
    func restore(
        _ state: MigrationState,
        _ incarnation: Incarnation,
        settings: [String]
    ) async throws -> RestoreReport? {
        guard let revision = state.finalRevision else {
            throw ReplicationError(
                .nothingToRestore,
                bucket: name.rawValue,
                text: "its journal names no final revision",
                hint: "run verify on the archive"
            )
        }
        let engine = try restoration(incarnation, to: revision, settings: settings)
        var attempt = 1
        while true {
            do {
                let prepared = try await patiently { try await engine.prepare() }
                return try await engine.run(prepared)
            } catch  where error.mayPass && attempt < Self.attemptLimit {
                try await Task.sleep(for: .milliseconds(500 * attempt))
                try await buckets.context.connection.waitUntilConnected(timeout: options.patience)
            }
            attempt += 1
            if try await patiently({ try await sight(state) }) == .open {
                // The answer to the very last request was lost.
                try await refuseOthers(state, incarnation)
                return nil
            }
        }
    }

    /// More broken attempts than these mean that the next would break as well.
    private static let attemptLimit = 8

    private func restoration(
        _ incarnation: Incarnation,
        to revision: Revision,
        settings: [String],
        replaces: Bool = false
    ) throws -> Restore {
        var restore = RestoreOptions()
        restore.bucket = name
        restore.cluster = incarnation.cluster
        restore.created = incarnation.created
        restore.point = .revision(revision)
        restore.settings = settings
        restore.replaces = replaces
        restore.isPartOfMigration = true
        restore.patience = options.patience
        let progress = progress
        return Restore(from: try writer.reader(), to: buckets, options: restore) { seen in
            progress(
                MigrationProgress(
                    activity: seen.phase == .writing ? .writing : .verifying,
                    entries: seen.entries,
                    total: seen.total
                )
            )
        }
    }

    /// What came after the plan was made may not go with it.
    func refuseWhatCame(
        _ state: MigrationState,
        _ incarnation: Incarnation,
        at revision: Revision
    ) async throws {
        let engine = try restoration(incarnation, to: revision, settings: state.settings, replaces: true)
        let prepared = try await patiently { try await engine.prepare() }
        try engine.refuseOversized(prepared)
        guard prepared.choice.isExact == state.isExact else {
            throw ReplicationError(
                .targetRefuses,
                bucket: name.rawValue,
                text: "entries that came meanwhile do not go with the plan: now \(prepared.choice.reason)",
                hint: "look at the plan again"
            )
        }
    }

    /// Removes what a restore has begun: it may have the new settings.
    ///
    /// What others have written there, where a server could not keep them out, is captured first, as a life of its own.
    func removeUnfinished(_ state: MigrationState, _ incarnation: Incarnation) async throws -> Incarnation? {
        do {
            let bucket = try await patiently { try await buckets.bucket(name) }
            guard RestoreMarker(bucket.configuration) != nil else { return nil }
            let strays =
                try await holdsStrays(bucket, state, incarnation)
                ? try await capture(bucket, records: true).incarnation : nil
            try await patiently { try await buckets.delete(name) }
            return strays
        } catch let error as KeyValueError where error.code == .bucketNotFound {
            // Nothing was begun, or the answer to the request was lost.
            return nil
        }
    }

    /// Whether somebody else wrote into a bucket while it was filled by replay.
    private func holdsStrays(
        _ bucket: Bucket,
        _ state: MigrationState,
        _ incarnation: Incarnation
    ) async throws -> Bool {
        guard let revision = state.finalRevision,
            bucket.configuration.stream["subjects"]?.array == [.string(name.subjectPrefix + ">")]
        else { return false }
        let archived = try writer.reader().state(of: incarnation.id, at: revision)
        let found = try await LiveComparison(bucket, incarnation, patience: options.patience, basis: .names)
            .run(archived, at: revision)
        return found.newer > 0 || found.examples.contains { $0.kind == .unexpected }
    }
}
