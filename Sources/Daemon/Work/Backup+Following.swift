import Archive
import KVModel
import KeyValue
import Synchronization

/// A backup that follows: all buckets side by side, until it is stopped.
///
/// From time to time it looks for new buckets that fit, and prunes. A bucket that cannot be followed is begun again,
/// after a wait that doubles; the others go on meanwhile, and the run's progress says so. The run fails only where none
/// of its buckets could be followed after several tries.
extension Backup {
    /// What happens while a backup follows.
    private enum Event: Sendable {
        case ended(RunTally.Part, BucketName, wasWell: Bool)
        case found(Result<BucketChoice, any Error>)
        case cared
        case stopped
    }

    /// A bucket, or a search, that went wrong, and is tried again.
    struct Setback: Sendable, Hashable {
        var text: String
        var count: Int
        /// When it is tried again.
        var due: ContinuousClock.Instant
    }

    /// So often the only buckets of a job may go wrong, one time after the other, before its run has failed.
    private static let patience = 3
    private static let longestWait = Duration.seconds(300)

    func follow() async throws -> RunResult {
        let followed = try await run.archives.withWriter(work.archive, creates: true, fencing: run.fencing) { writer in
            await follow(writer)
        }
        return followed.tally.result(
            followed.isGivenUp ? "followed" : "followed to the last",
            entries: "read",
            isStopped: !followed.isGivenUp && Task.isCancelled
        )
    }

    private func follow(_ writer: ArchiveWriter) async -> (tally: RunTally, isGivenUp: Bool) {
        var following = Following(work, first: run.runner.intervals.search, longest: Self.longestWait)
        let well = WellBuckets()
        return await withTaskGroup(of: Event.self) { group in
            group.addTask { await search(after: .zero) }
            group.addTask { await care(writer) }
            while let event = await group.next() {
                switch event {
                case .stopped: break
                case .cared:
                    if !Task.isCancelled { group.addTask { await care(writer) } }
                case .ended(let part, let name, let wasWell):
                    following.ended(part, name, wasWell: wasWell, now: .now)
                    well.remove(name)
                case .found(let result):
                    for bucket in following.found(result, well: well.names, now: .now) where !Task.isCancelled {
                        group.addTask { await followOne(bucket, well) }
                    }
                    run.meter.doing(following.activity)
                    let pause = run.runner.intervals.search
                    if !Task.isCancelled { group.addTask { await search(after: pause) } }
                }
                run.meter.warn(following.warning)
                if following.isHopeless(after: Self.patience) {
                    group.cancelAll()
                    await group.waitForAll()
                    return (following.tally(), true)
                }
            }
            return (following.tally(), false)
        }
    }

    private func search(after pause: Duration) async -> Event {
        do {
            try await Task.sleep(for: pause)
            return .found(.success(try await choose()))
        } catch {
            return Task.isCancelled ? .stopped : .found(.failure(error))
        }
    }

    private func care(_ writer: ArchiveWriter) async -> Event {
        do {
            try await Task.sleep(for: run.runner.intervals.care)
            if work.retention != nil, let failure = await prune(try await choose().buckets, writer),
                case .failed(let text) = failure.outcome
            {
                run.logger.warning("the archive was not pruned", metadata: ["reason": "\(text)"])
            }
            return .cared
        } catch {
            return Task.isCancelled ? .stopped : .cared
        }
    }

    private func followOne(_ bucket: Bucket, _ well: WellBuckets) async -> Event {
        let name = bucket.name
        do {
            let part = try await capture(bucket, follows: true) { state in
                if state.consistentRevision != nil { well.insert(name) }
            }
            return .ended(part, name, wasWell: well.contains(name))
        } catch {
            if !Task.isCancelled {
                run.logger.warning(
                    "a bucket is not followed any more",
                    metadata: ["bucket": "\(name)", "reason": "\(error)"]
                )
            }
            return .ended(RunTally.failed("bucket \(name)", error), name, wasWell: well.contains(name))
        }
    }
}

/// The buckets whose captures came to a consistent revision since they were begun.
private final class WellBuckets: Sendable {
    private let state = Mutex<Set<BucketName>>([])

    var names: Set<BucketName> { state.withLock { $0 } }

    func insert(_ name: BucketName) {
        state.withLock { _ = $0.insert(name) }
    }

    func remove(_ name: BucketName) {
        state.withLock { _ = $0.remove(name) }
    }

    func contains(_ name: BucketName) -> Bool {
        state.withLock { $0.contains(name) }
    }
}

/// What a backup that follows knows of its buckets: which are followed, and which are to be tried again when.
struct Following {
    private let work: BackupWork
    private let firstWait: Duration
    private let longestWait: Duration
    private(set) var running: Set<BucketName> = []
    private var setbacks: [String: Backup.Setback] = [:]
    private var entries: [BucketName: RunTally.Part] = [:]

    init(_ work: BackupWork, first: Duration, longest: Duration) {
        self.work = work
        firstWait = first
        longestWait = longest
    }

    /// The key under which a search that failed is noted: no bucket has such a name.
    private static let searching = "looking for buckets"

    /// Takes note of what a search found, and answers the buckets to begin with.
    mutating func found(
        _ result: Result<BucketChoice, any Error>,
        well: Set<BucketName>,
        now: ContinuousClock.Instant
    ) -> [Bucket] {
        for name in running where well.contains(name) { setbacks["bucket \(name)"] = nil }
        switch result {
        case .failure(let error):
            note(Self.searching, Explanation.of(error), now)
            return []
        case .success(let choice):
            setbacks[Self.searching] = nil
            for name in choice.missing where !GlobPattern(text: name).isPattern && !isRunning(name) {
                note("bucket \(name)", "there is no such bucket on cluster \(work.cluster)", now)
            }
            // A bucket that a pattern meant and that is gone is nobody's trouble any more.
            let present = Set(choice.buckets.map { "bucket \($0.name)" } + choice.missing.map { "bucket \($0)" })
            setbacks = setbacks.filter { present.contains($0.key) }
            return choice.buckets.filter { bucket in
                guard !running.contains(bucket.name) else { return false }
                if let setback = setbacks["bucket \(bucket.name)"], setback.due > now { return false }
                running.insert(bucket.name)
                return true
            }
        }
    }

    /// Takes note that a bucket is not followed any more.
    mutating func ended(_ part: RunTally.Part, _ name: BucketName, wasWell: Bool, now: ContinuousClock.Instant) {
        running.remove(name)
        var whole = part
        if let before = entries[name] {
            whole.entries += before.entries
            whole.bytes += before.bytes
            whole.revision = part.revision ?? before.revision
        }
        entries[name] = whole
        guard case .failed(let text) = part.outcome else { return }
        if wasWell { setbacks["bucket \(name)"] = nil }
        note("bucket \(name)", text, now)
    }

    private mutating func note(_ what: String, _ text: String, _ now: ContinuousClock.Instant) {
        let count = (setbacks[what]?.count ?? 0) + 1
        let wait = min(longestWait, firstWait * (1 << min(count - 1, 10)))
        setbacks[what] = Backup.Setback(text: text, count: count, due: now + wait)
    }

    private func isRunning(_ name: String) -> Bool {
        running.contains { $0.rawValue == name }
    }

    /// Whether nothing is followed, and all there is to follow went wrong this many times.
    func isHopeless(after tries: Int) -> Bool {
        running.isEmpty && !setbacks.isEmpty && setbacks.values.allSatisfy { $0.count >= tries }
    }

    /// What is being done.
    var activity: String {
        switch running.count {
        case 0: setbacks.isEmpty ? "waiting for a bucket that fits" : "waiting to try again"
        case 1: "following \(running.first.map(\.rawValue) ?? "")"
        default: "following \(running.count) buckets"
        }
    }

    /// What goes wrong; nil if nothing does.
    var warning: String? {
        guard let first = setbacks.min(by: { $0.key < $1.key }) else { return nil }
        let more = setbacks.count > 1 ? " (and \(setbacks.count - 1) more)" : ""
        return "\(first.key): \(first.value.text)\(more)"
    }

    /// What all came to.
    func tally() -> RunTally {
        var tally = RunTally()
        for (name, part) in entries.sorted(by: { $0.key < $1.key }) {
            var part = part
            if let setback = setbacks["bucket \(name)"] { part.outcome = .failed(setback.text) }
            tally.add(part)
        }
        for (what, setback) in setbacks.sorted(by: { $0.key < $1.key })
        where !entries.keys.contains(where: { "bucket \($0)" == what }) {
            tally.add(RunTally.Part(name: what, outcome: .failed(setback.text)))
        }
        return tally
    }
}
