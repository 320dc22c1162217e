public import Archive
import JetStream
public import KVModel
public import KeyValue

/// Gives a bucket another configuration: in place if the server can, else by making it anew.
///
/// Backed up, tried under another name, fenced, captured to its final revision, deleted, restored, compared entry by
/// entry and only then open again. Every step is in the archive's journal before it is taken, so that a migration
/// killed anywhere is resumed or rolled back. What fails before the bucket is deleted is undone at once.
public struct Migration: Sendable {
    /// How to migrate.
    public struct Options: Sendable {
        /// Changed settings, each `FIELD=VALUE`.
        public var settings: [String] = []
        /// The longest time for which writers may be kept out, by the estimate; nil for no limit.
        public var maximumPause: Duration?
        /// For how long to try to reach a lost server again.
        public var patience: Duration = .seconds(120)

        /// No settings yet.
        public init() {}
    }

    let buckets: Buckets
    let name: BucketName
    let writer: ArchiveWriter
    let options: Options
    let progress: @Sendable (MigrationProgress) -> Void
    private let clock = ContinuousClock()

    /// A migration of a bucket, by way of an archive.
    public init(
        of name: BucketName,
        in buckets: Buckets,
        by writer: ArchiveWriter,
        options: Options,
        progress: @escaping @Sendable (MigrationProgress) -> Void = { _ in }
    ) {
        self.name = name
        self.buckets = buckets
        self.writer = writer
        self.options = options
        self.progress = progress
    }

    /// Backs the bucket up and says what would be done; nothing on the server is changed.
    public func plan() async throws -> MigrationPlan {
        let bucket = try await buckets.placedBucket(name, patience: options.patience)
        if let open = try JournaledMigration.last(of: name, cluster: bucket.clusterName, in: try writer.reader()),
            !open.step.isEnd
        {
            throw unfinished(open)
        }
        let old = bucket.configuration
        let new = try wanted(old)
        try await refuseWhatCannotBe(bucket)
        progress(MigrationProgress(activity: .backup))
        let incarnation = try await capture(bucket, records: true).incarnation
        let reader = try writer.reader()
        let problems = try reader.verify().problems
        guard problems.isEmpty else {
            throw ReplicationError(
                .unsupported,
                bucket: name.rawValue,
                text: "the archive is damaged: \(problems[0])",
                hint: "migrate by way of a new archive"
            )
        }
        var restore = RestoreOptions()
        restore.bucket = name
        restore.cluster = incarnation.cluster
        restore.created = incarnation.created
        restore.settings = options.settings
        restore.replaces = true
        let engine = Restore(from: reader, to: buckets, options: restore)
        let prepared = try await engine.prepare()
        let settings = try engine.settingsPlan(prepared, target: .itself)
        try refuseOrigins(new, settings.method)
        return MigrationPlan(
            bucket: name,
            incarnation: incarnation,
            old: old,
            new: new,
            settings: settings,
            consumers: Int(clamping: bucket.info.reply["state"]?["consumer_count"]?.unsigned ?? 0),
            dependents: try await dependents(),
            isStaged: prepared.choice.way == .promotedMirror,
            storedBytes: prepared.census.storedBytes(in: new.storage),
            admitsWriters: settings.method == .replay && !buckets.context.serverIsAtLeast(2, 10)
        )
    }

    private func wanted(_ old: BucketConfiguration) throws -> BucketConfiguration {
        var wanted = old
        for setting in options.settings { try wanted.set(setting) }
        let (adapted, unknown) = wanted.adapted(to: buckets.context.serverVersion)
        if let field = unknown.first {
            throw ReplicationError(
                .unsupported,
                bucket: name.rawValue,
                text: "the server, version \(buckets.context.serverVersion), does not know \(field)",
                hint: "leave that setting out"
            )
        }
        return adapted
    }

    private func refuseWhatCannotBe(_ bucket: Bucket) async throws {
        let configuration = bucket.configuration
        let obstacle: String? =
            if RestoreMarker(configuration) != nil {
                "it is an unfinished restore"
            } else if configuration.isMirror {
                "it mirrors another bucket, which goes on writing to it"
            } else if configuration.stream["sources"]?.array?.isEmpty == false {
                "other streams are its sources, and go on writing to it"
            } else {
                nil
            }
        guard let obstacle else { return }
        throw ReplicationError(
            .unsupported,
            bucket: name.rawValue,
            text: "it cannot be migrated: \(obstacle)",
            hint: "finish or end that first"
        )
    }

    /// Entries of others must not come in while the bucket is made anew, and a mirror takes none of ours.
    private func refuseOrigins(_ new: BucketConfiguration, _ method: SettingsPlan.Method) throws {
        guard method != .update, new.isMirror || new.stream["sources"]?.array?.isEmpty == false else { return }
        throw ReplicationError(
            .unsupported,
            bucket: name.rawValue,
            text: "it cannot be migrated to a bucket that other streams write to",
            hint: "leave mirror and sources out; sources can be given to it afterwards"
        )
    }

    /// The streams that read from the bucket.
    private func dependents() async throws -> [String] {
        let stream = name.streamName
        return try await buckets.context.streams().filter { info in
            let origins = [info.configuration["mirror"]] + (info.configuration["sources"]?.array ?? []).map { $0 }
            return origins.contains { $0?["name"]?.string == stream }
        }.map(\.name)
    }

    /// Migrates as planned.
    public func run(_ plan: MigrationPlan) async throws -> MigrationReport {
        if plan.settings.method == .update {
            try await update(plan.new)
            return MigrationReport(bucket: name, outcome: .changedInPlace)
        }
        if let limit = options.maximumPause, let pause = plan.settings.estimate.pause, pause > limit {
            throw ReplicationError(
                .unsupported,
                bucket: name.rawValue,
                text: "it would take no writes for about \(pause), longer than --max-pause \(limit)",
                hint: "nothing was changed; allow a longer pause, or migrate when the bucket is smaller"
            )
        }
        if let loss = plan.settings.losses.first(where: { $0.effect == .refused }) {
            throw ReplicationError(
                .targetRefuses,
                bucket: name.rawValue,
                text: "\(loss.part.entries) entries do not go with the new \(loss.field)",
                hint: "nothing was changed; allow larger ones"
            )
        }
        let state = MigrationState(plan, settings: options.settings)
        return try await run(from: .trial, state, plan.incarnation)
    }

    /// Goes on with a migration that was interrupted.
    public func resume(_ migration: JournaledMigration) async throws -> MigrationReport {
        try await go(
            MigrationDecision.resume(after: migration.step, seeing: patiently { try await sight(migration.state) }),
            migration
        )
    }

    /// Brings back what a migration that was interrupted found.
    public func rollBack(_ migration: JournaledMigration) async throws -> MigrationReport {
        try await go(
            MigrationDecision.rollBack(after: migration.step, seeing: patiently { try await sight(migration.state) }),
            migration
        )
    }

    private func go(_ decision: MigrationDecision, _ migration: JournaledMigration) async throws -> MigrationReport {
        switch decision {
        case .take(let step): return try await run(from: step, migration.state, migration.incarnation)
        case .confirm(let end): return try await confirm(end, migration)
        case .refuse(let why):
            throw ReplicationError(
                .targetChanged,
                bucket: name.rawValue,
                text: "its migration of \(migration.time) stands at \(migration.step.rawValue): \(why)",
                hint: "the archive holds the bucket under the tag \(migration.state.tag), or at its newest point"
            )
        }
    }

    /// Whether the open bucket is what the migration made; then that is written down.
    private func confirm(_ end: MigrationStep, _ migration: JournaledMigration) async throws -> MigrationReport {
        try await refuseOthers(migration.state, migration.incarnation)
        try journal(end, migration.state, migration.incarnation)
        return MigrationReport(bucket: name, outcome: end == .done ? .migrated : .rolledBack)
    }

    /// Throws if the open bucket is not what the migration made of it.
    func refuseOthers(_ migration: MigrationState, _ incarnation: Incarnation) async throws {
        let reader = try writer.reader()
        let revision = migration.finalRevision ?? 0
        let state = try reader.state(of: incarnation.id, at: revision)
        let found = try await LiveComparison(try await patiently { try await buckets.bucket(name) }, incarnation)
            .run(state, at: revision) { _ in }
        guard found.isEqual else {
            throw ReplicationError(
                .targetChanged,
                bucket: name.rawValue,
                text: "it is not what the migration made: \(found.summary)",
                hint: "somebody made it anew, or wrote to it; the archive holds the old one under the tag "
                    + migration.tag
            )
        }
    }

    func sight(_ state: MigrationState) async throws -> MigrationSight {
        do {
            let configuration = try await buckets.bucket(name).configuration
            if RestoreMarker(configuration) != nil { return .unfinished }
            return BucketFence(bucket: name, token: state.token).isClosed(configuration) ? .fenced : .open
        } catch let error as KeyValueError where error.code == .bucketNotFound {
            return .absent
        }
    }

    func journal(_ step: MigrationStep, _ state: MigrationState, _ incarnation: Incarnation) throws {
        try writer.recordMigration(incarnation.id, step: step.rawValue, detail: try state.text, at: .wallClock())
    }

    private func unfinished(_ migration: JournaledMigration) -> ReplicationError {
        ReplicationError(
            .targetChanged,
            bucket: name.rawValue,
            text: "a migration of \(migration.time) stopped at its step \(migration.step.rawValue)",
            hint: migration.step.isReturn
                ? "finish its way back with --rollback"
                : "go on with --resume, or bring the bucket back as it was with --rollback"
        )
    }
}
