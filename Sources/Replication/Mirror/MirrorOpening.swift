import JetStream
import KVModel
import KeyValue

/// What a run of a mirror begins with: both buckets, and the record that it has claimed.
struct MirrorOpening {
    let source: Bucket
    let target: Bucket
    let isTargetNew: Bool
    let plan: MirrorPlan
    let keeper: MirrorKeeper

    /// How often a holder may bring its record up to date between two of our steps: it does so once a second.
    private static let attempts = 20

    /// Looks at both ends, decides and claims the record; nothing but a target that is made is written before.
    ///
    /// `claim` is the run's name, and `isAgain` whether it has claimed the record before: then it must still have it.
    static func begin(
        _ given: Bucket,
        to buckets: Buckets,
        as name: BucketName,
        options: MirrorOptions,
        claim: String,
        isAgain: Bool
    ) async throws -> MirrorOpening {
        var left = attempts
        while true {
            left -= 1
            let opening = try await MirrorOpening(
                given,
                to: buckets,
                as: name,
                options: options,
                claim: claim,
                isAgain: isAgain,
                isLast: left == 0
            )
            if let opening { return opening }
        }
    }

    /// Nil if who holds the record wrote it in between, unless this is the last try.
    private init?(
        _ given: Bucket,
        to buckets: Buckets,
        as name: BucketName,
        options: MirrorOptions,
        claim: String,
        isAgain: Bool,
        isLast: Bool
    ) async throws {
        source = try await given.refreshed()
        let opened = try await MirrorTarget(source: source, buckets: buckets, name: name, options: options).open()
        (target, isTargetNew) = opened
        let records = try await MirrorRecords(in: buckets, replicas: target.configuration.replicas)
        let key = MirrorRecord.key(source: source.name, cluster: source.clusterName, target: target.name)
        let found = try await records.read(key)
        plan = try MirrorPlan(
            found: found?.record,
            source: .init(end: .init(source), lastSequence: source.info.state.lastSequence),
            target: .init(end: .init(target), lastSequence: target.info.state.lastSequence),
            diverges: try await Self.diverges(source, found?.record),
            claim: claim,
            options: options,
            now: .wallClock()
        )
        guard !isAgain || found?.record.claim == claim else { throw MirrorRecords.overtaken(plan.record) }
        try await MirrorOpposite.refuse(plan.record, source: source, target: target, options: options)
        let last = if let found { found.revision } else { try await records.lastRevision(key) }
        let held: MirrorRecords.Held
        do {
            held = try await records.write(plan.record, under: key, expecting: last)
        } catch  where error.isOvertaken && !isLast && !isAgain {
            guard let found, try await records.read(key)?.record.claim == found.record.claim else { throw error }
            return nil
        }
        do {
            // Two that began at once see each other now, if they did not before.
            try await MirrorOpposite.refuse(plan.record, source: source, target: target, options: options)
        } catch {
            if found == nil { try await records.remove(key, at: held.revision) }
            throw error
        }
        keeper = MirrorKeeper(records, held)
    }

    /// Whether the source's entry at the record's resume revision is another than it was.
    private static func diverges(_ source: Bucket, _ record: MirrorRecord?) async throws -> Bool {
        guard let record, record.resumeTime != 0, record.source.created == source.info.created,
            let entry = try await source.context.message(source.name.streamName, at: record.resumeRevision)
        else { return false }
        return entry.time.nanoseconds != record.resumeTime
    }

    /// A name for a run.
    static func newClaim() -> String {
        String(UInt64.random(in: .min ... .max), radix: 36) + String(UInt64.random(in: .min ... .max), radix: 36)
    }
}
