public import Archive
import Foundation
import JetStream
public import KVModel
public import KeyValue

/// Writes an archived state into a bucket.
///
/// The target is created with a marker that says the restore is unfinished (`RestoreMarker`), filled in the order of
/// the archived revisions, compared with the archive, and only then freed of the marker. A restore that was killed
/// anywhere is run again: it finds the marker, sees from the target's last entry how far it came, and goes on.
public struct Restore: Sendable {
    let reader: ArchiveReader
    let buckets: Buckets
    let options: RestoreOptions
    let progress: @Sendable (RestoreProgress) -> Void

    /// A restore out of an archive into buckets of a server.
    public init(
        from reader: ArchiveReader,
        to buckets: Buckets,
        options: RestoreOptions,
        progress: @escaping @Sendable (RestoreProgress) -> Void = { _ in }
    ) {
        self.reader = reader
        self.buckets = buckets
        self.options = options
        self.progress = progress
    }

    /// Everything decided, nothing touched.
    public struct Prepared: Sendable {
        /// What will happen to the target.
        public let plan: RestorePlan
        /// Where the entries come from.
        public let incarnation: Incarnation
        /// The revision to restore.
        public let revision: Revision
        /// The entries to write.
        public let state: BucketState
        /// The way entries are written.
        public let mode: RestoreOptions.Mode
        /// Why that way.
        public let modeReason: String
        let marker: RestoreMarker
    }

    /// Decides what to do, from the archive and the target as they are now.
    public func prepare() async throws -> Prepared {
        let incarnation = try chosenIncarnation()
        let revision = try reader.resolve(options.point, in: incarnation.id)
        let state = try reader.state(
            of: incarnation.id,
            at: revision,
            filter: options.filter,
            historyMode: options.history
        )
        try state.refuseCollisions(under: options.mapping)
        let archived = try archivedConfiguration(state)
        let bucket = options.newName ?? incarnation.bucket
        var wanted = archived
        wanted.rename(to: bucket)
        var dropped: [String] = []
        for field in ["mirror", "sources"] where wanted.stream[field] != nil {
            // Its entries are written by us: a mirror would refuse them, sources would bring them a second time.
            dropped.append(field)
            try wanted.set("\(field)=")
        }
        for setting in options.settings { try wanted.set(setting) }
        let (adapted, unknown) = wanted.adapted(to: buckets.context.serverVersion)
        let target = try await existing(bucket)
        let marker = RestoreMarker(incarnation, revision: revision, options: options)
        let plan = try RestorePlan(
            archived: archived,
            adapted: adapted,
            leftOut: unknown + dropped,
            bucket: bucket,
            target: target.map { .init(configuration: $0.configuration, messages: $0.info.state.messages) },
            marker: marker,
            options: options
        )
        return Prepared(
            plan: plan,
            incarnation: incarnation,
            revision: revision,
            state: state,
            mode: .replay,
            modeReason: "entries are published in order; they get new revisions and times",
            marker: marker
        )
    }

    /// Restores what was prepared.
    public func run(_ prepared: Prepared) async throws -> RestoreReport {
        let clock = ContinuousClock()
        let started = clock.now
        guard options.mode != .exact else {
            throw ReplicationError(
                .unsupported,
                bucket: prepared.plan.bucket.rawValue,
                text: "this version restores by replay only",
                hint: "leave --mode out"
            )
        }
        try refuseOversized(prepared)
        let bucket = try await openTarget(prepared)
        var writer = ReplayWriter(bucket, prepared, options: options, progress: progress)
        try await writer.run()
        var comparison: ComparisonReport?
        if options.verifies {
            let found = try await compare(bucket, prepared)
            comparison = found
            guard found.isEqual else {
                throw ReplicationError(
                    .notEqual,
                    bucket: bucket.name.rawValue,
                    text: "what was written differs from the archive: \(found.summary)",
                    hint:
                        "the bucket stays marked as an unfinished restore; if nobody else writes to it, run again with "
                        + "--replace"
                )
            }
        }
        _ = try await buckets.update(prepared.plan.configuration)
        return RestoreReport(
            plan: prepared.plan,
            mode: prepared.mode,
            modeReason: prepared.modeReason,
            incarnation: prepared.incarnation,
            revision: prepared.revision,
            entries: UInt64(prepared.state.entries),
            written: writer.written,
            resumed: writer.resumed,
            expired: writer.expired,
            interruptions: writer.interruptions,
            comparison: comparison,
            duration: started.duration(to: clock.now)
        )
    }

    private func chosenIncarnation() throws -> Incarnation {
        if let bucket = options.bucket { return try newestIncarnation(bucket) }
        let names = Set(try reader.incarnations().map(\.bucket))
        guard let only = names.first, names.count == 1 else {
            let known = names.sorted().map(\.rawValue).joined(separator: ", ")
            throw ReplicationError(
                .nothingToRestore,
                bucket: "-",
                text: names.isEmpty ? "the archive holds no bucket" : "the archive holds several buckets: \(known)",
                hint: names.isEmpty ? "back one up first" : "say which with --bucket"
            )
        }
        return try newestIncarnation(only)
    }

    private func newestIncarnation(_ bucket: BucketName) throws -> Incarnation {
        if let created = options.created {
            let time = Timestamp(rfc3339: created)
            let found = try reader.incarnations().first { incarnation in
                incarnation.bucket == bucket && (options.cluster == nil || incarnation.cluster == options.cluster)
                    && (incarnation.created == created
                        || time != nil && Timestamp(rfc3339: incarnation.created) == time)
            }
            if let found { return found }
        } else if let found = try reader.latestIncarnation(bucket: bucket, cluster: options.cluster) {
            return found
        }
        let known = Set(try reader.incarnations().map { "\($0.cluster)/\($0.bucket)" }).sorted()
        throw ReplicationError(
            .nothingToRestore,
            bucket: bucket.rawValue,
            text: "the archive does not hold it\(options.created.map { ", created \($0)" } ?? "")",
            hint: known.isEmpty ? "it holds no bucket at all" : "it holds \(known.joined(separator: ", "))"
        )
    }

    private func archivedConfiguration(_ state: BucketState) throws -> BucketConfiguration {
        guard let record = state.configuration else {
            throw ReplicationError(
                .nothingToRestore,
                bucket: state.incarnation.bucket.rawValue,
                text: "the archive holds no configuration of it",
                hint: "run verify on the archive"
            )
        }
        let stream = try JSONDecoder().decode(JSONValue.self, from: Data(record.json.utf8))
        return BucketConfiguration(stream: stream)
    }

    private func existing(_ name: BucketName) async throws -> Bucket? {
        do {
            return try await buckets.bucket(name)
        } catch let error as KeyValueError where error.code == .bucketNotFound {
            return nil
        }
    }

    private var hasMetadata: Bool {
        buckets.context.serverIsAtLeast(2, 10)
    }

    private func openTarget(_ prepared: Prepared) async throws -> Bucket {
        let plan = prepared.plan
        let marked = prepared.marker.mark(plan.configuration, hasMetadata: hasMetadata)
        switch plan.action {
        case .create:
            return try await buckets.create(marked)
        case .replace:
            try await buckets.delete(plan.bucket)
            return try await buckets.create(marked)
        case .resume:
            return try await buckets.bucket(plan.bucket)
        case .fill:
            let found = try await buckets.bucket(plan.bucket)
            guard found.info.state.messages == 0 else {
                throw ReplicationError(
                    .targetExists,
                    bucket: plan.bucket.rawValue,
                    text: "it was empty and now holds \(found.info.state.messages) entries",
                    hint: "somebody writes to it: choose another name with --as"
                )
            }
            return try await buckets.update(prepared.marker.mark(plan.configuration, hasMetadata: hasMetadata))
        }
    }

    /// Refuses before anything is touched what the target could never hold.
    private func refuseOversized(_ prepared: Prepared) throws {
        let limit = prepared.plan.configuration.maximumValueSize
        guard limit >= 0 else { return }
        let largest = Int64(try prepared.state.extent().largestMessage)
        guard largest <= limit else {
            throw ReplicationError(
                .targetRefuses,
                bucket: prepared.plan.bucket.rawValue,
                text: "the largest archived entry takes \(SizeText.text(bytes: largest)), the target would take values "
                    + "up to \(SizeText.text(bytes: limit))",
                hint: "give a larger one with --set max-value-size="
            )
        }
    }

    private func compare(_ bucket: Bucket, _ prepared: Prepared) async throws -> ComparisonReport {
        let progress = progress
        let total = UInt64(prepared.state.entries)
        let comparison = LiveComparison(
            bucket,
            prepared.incarnation,
            filter: options.filter,
            mapping: options.mapping,
            patience: options.patience
        )
        return try await comparison.run(prepared.state, at: prepared.revision) { compared in
            progress(RestoreProgress(phase: .verifying, entries: compared, total: total))
        }
    }
}
