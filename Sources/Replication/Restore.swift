public import Archive
import Foundation
import JetStream
public import KVModel
public import KeyValue
import StreamSnapshot

/// Writes an archived state into a bucket.
///
/// The target is created with a marker that says the restore is unfinished (`RestoreMarker`), filled, compared with the
/// archive, and only then freed of the marker. Where the server allows it is filled by the server itself, from a
/// snapshot (`ExactRestore`): revisions and times are the archived ones then. Otherwise entries are published in order
/// (`ReplayWriter`). A restore that was killed anywhere is run again: it finds the marker, and an exact one begins anew,
/// while a replay sees from the target's last entry how far it came, and goes on.
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
        public internal(set) var plan: RestorePlan
        /// Where the entries come from.
        public let incarnation: Incarnation
        /// The revision to restore.
        public let revision: Revision
        /// The entries to write.
        public let state: BucketState
        /// The way entries are written, and why.
        public let choice: RestoreChoice
        /// What is to be written, counted.
        public let census: RestoreCensus
        let marker: RestoreMarker
        /// What of the state an exact restore sends.
        let selection: ExactSelection
        /// When an exactly restored bucket says that it was created.
        let created: String

        /// The way entries are written.
        public var mode: RestoreOptions.Mode { choice.isExact ? .exact : .replay }
        /// Why that way.
        public var modeReason: String { choice.reason }
    }

    /// Decides what to do, from the archive and the target as they are now.
    public func prepare() async throws -> Prepared {
        let incarnation = try chosenIncarnation()
        let revision = try reader.resolve(options.point, in: incarnation.id)
        let bucket = options.newName ?? incarnation.bucket
        // Over a long link the answer takes as long as finding the state.
        async let found = existing(bucket)
        let state = try await reader.scannedState(
            of: incarnation.id,
            at: revision,
            filter: options.filter,
            historyMode: options.history
        )
        try state.refuseCollisions(under: options.mapping)
        let archived = try archivedConfiguration(state)
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
        let target = try await found
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
        // Both may walk through the whole state.
        let (selection, census) = try await onOwnThread { _ in
            let selection = try ExactSelection(
                state,
                archived: archived,
                wanted: adapted,
                mayExceedHistory: state.mayExceedHistory || options.history == .full || archived.history <= 0
                    || adapted.history < archived.history,
                now: .wallClock()
            )
            let target = TargetSubject(prefix: bucket.subjectPrefix, mapping: options.mapping)
            return (selection, try RestoreCensus(state, selection, target: target, end: revision))
        }
        let choice = try RestoreChoice(
            options.mode,
            RestoreChoice.Circumstances(
                version: buckets.context.serverVersion,
                maximumPayload: buckets.context.maximumPayload,
                configuration: adapted,
                action: plan.action,
                census: census
            )
        )
        return Prepared(
            plan: plan,
            incarnation: incarnation,
            revision: revision,
            state: state,
            choice: choice,
            census: census,
            marker: marker,
            selection: selection,
            created: try creationTime(incarnation, revision, bucket)
        )
    }

    /// A bucket that is restored whole and under its own name goes on as the same: captures of it go on as well.
    ///
    /// Anything else begins a life of its own.
    private func creationTime(
        _ incarnation: Incarnation,
        _ revision: Revision,
        _ bucket: BucketName
    ) throws -> String {
        let isWhole =
            options.filter.isEmpty && incarnation.filter.isEmpty && options.mapping.isIdentity
            && options.history == .bucket
        let isSame = bucket == incarnation.bucket && isWhole
        guard try isSame && reader.resolve(.newest, in: incarnation.id) == revision else {
            return Timestamp.wallClock().description
        }
        return incarnation.created
    }

    /// Restores what was prepared.
    ///
    /// `safeguarded` is told of the backup of a bucket that is to be replaced, before that is deleted.
    public func run(
        _ prepared: Prepared,
        safeguarded: @Sendable (SafetyBackup) -> Void = { _ in }
    ) async throws -> RestoreReport {
        let clock = ContinuousClock()
        let started = clock.now
        if prepared.plan.action == .merge { return try await merge(prepared, since: started) }
        try refuseOversized(prepared)
        let safetyBackup = try await makeRoomSafely(prepared, safeguarded)
        var making = prepared
        if safetyBackup != nil { making.plan.action = .create }
        let (bucket, work) = try await making.choice.isExact ? restoreExactly(making) : replay(making)
        let comparison = try await finish(bucket, prepared)
        return RestoreReport(
            plan: prepared.plan,
            mode: prepared.mode,
            modeReason: prepared.modeReason,
            incarnation: prepared.incarnation,
            revision: prepared.revision,
            entries: UInt64(prepared.state.entries),
            written: work.written,
            resumed: work.resumed,
            expired: work.expired,
            beyondHistory: work.beyondHistory,
            interruptions: work.interruptions,
            safetyBackup: safetyBackup,
            comparison: comparison,
            duration: started.duration(to: clock.now)
        )
    }

    /// What writing came to.
    private struct Work {
        var written: UInt64
        var resumed: UInt64 = 0
        var expired: UInt64
        var beyondHistory: UInt64 = 0
        var interruptions: Int
    }

    private func replay(_ prepared: Prepared) async throws -> (Bucket, Work) {
        try await ExactRestore(buckets, prepared, options: options, progress: progress).removeStaging()
        let bucket = try await openTarget(prepared)
        var writer = ReplayWriter(bucket, prepared, options: options, progress: progress)
        try await writer.run()
        let work = Work(
            written: writer.written,
            resumed: writer.resumed,
            expired: writer.expired,
            interruptions: writer.interruptions
        )
        return (bucket, work)
    }

    private func restoreExactly(_ prepared: Prepared) async throws -> (Bucket, Work) {
        var writer = ExactRestore(buckets, prepared, options: options, progress: progress)
        let bucket = try await writer.run()
        let work = Work(
            written: writer.totals.messages,
            expired: prepared.census.expired,
            beyondHistory: prepared.census.beyondHistory,
            interruptions: writer.interruptions
        )
        return (bucket, work)
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

    var hasMetadata: Bool {
        buckets.context.serverIsAtLeast(2, 10)
    }

    /// Refuses before anything is touched what the target could never hold.
    func refuseOversized(_ prepared: Prepared) throws {
        let room = prepared.plan.configuration.maximumBytes
        let bytes = prepared.census.storedBytes(in: prepared.plan.configuration.storage)
        // A replay is told so by the server; what it restores a server takes beyond the limit, or drops without a word.
        guard !prepared.choice.isExact || room < 0 || bytes <= UInt64(room) else {
            throw ReplicationError(
                .targetRefuses,
                bucket: prepared.plan.bucket.rawValue,
                text: "the entries take \(SizeText.text(bytes: Int64(clamping: bytes))), the target would hold "
                    + "\(SizeText.text(bytes: room))",
                hint: "give more room with --set max-bytes="
            )
        }
        let limit = prepared.plan.configuration.maximumValueSize
        guard limit >= 0 else { return }
        let largest = Int64(prepared.census.largestMessage)
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
}
