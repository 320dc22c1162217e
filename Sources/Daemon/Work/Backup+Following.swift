import Archive
import JetStream
import KVModel
import KeyValue
import Logging
import Replication
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
        /// Nil where it is not known which buckets to look after.
        case cared(ArchiveCare?)
        case stopped
    }

    /// A bucket, or a search, that went wrong, and is tried again.
    struct Setback: Sendable, Hashable {
        var text: String
        var count = 0
        /// Whether there was no such bucket.
        var isMissing = false
        /// When it is tried again.
        var due: ContinuousClock.Instant
    }

    /// So often the only buckets of a job may go wrong, one time after the other, before its run has failed.
    private static let patience = 3
    private static let longestWait = Duration.seconds(300)

    func follow() async throws -> RunResult {
        let followed = try await run.archives.withWriter(work.archive, creates: true, lease: run.lease) { writer in
            await follow(writer)
        }
        var result = followed.tally.result(
            followed.isGivenUp ? "followed" : "followed to the last",
            entries: "read",
            isStopped: !followed.isGivenUp && Task.isCancelled
        )
        // What was read counts, whatever became of the bucket after that.
        let progress = run.meter.present
        (result.entries, result.bytes) = (progress.entries, progress.bytes)
        return result
    }

    private func follow(_ writer: ArchiveWriter) async -> (tally: RunTally, isGivenUp: Bool) {
        var following = Following(work, first: run.runner.intervals.search, longest: Self.longestWait)
        let well = WellBuckets()
        return await withTaskGroup(of: Event.self) { group in
            group.addTask { await search(after: .zero) }
            group.addTask { await care(writer, after: run.runner.intervals.care) }
            while let event = await group.next() {
                switch event {
                case .stopped: break
                case .cared(let outcome):
                    if let outcome { following.cared(outcome) }
                    let usual = run.runner.intervals.care
                    let pause = outcome == nil ? min(usual, Self.longestWait) : usual
                    if !Task.isCancelled { group.addTask { await care(writer, after: pause) } }
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

    /// After a while: compares and prunes what is to be.
    ///
    /// What fails is in what is answered; the other buckets are compared and the archive is pruned all the same.
    private func care(_ writer: ArchiveWriter, after pause: Duration) async -> Event {
        let buckets: [Bucket]
        do {
            try await Task.sleep(for: pause)
            buckets = try await choose().buckets
        } catch {
            guard !Task.isCancelled else { return .stopped }
            // Whoever looks for new buckets meets the same, and says so in the run's progress.
            run.logger.warning("the archive was not looked after", metadata: ["reason": "\(error)"])
            return .cared(nil)
        }
        var care = ArchiveCare()
        if work.verifies {
            for bucket in buckets where !Task.isCancelled {
                care.comparisons[bucket.name] = await compare(bucket, writer)
            }
        }
        if let part = await prune(buckets, writer), case .failed(let text) = part.outcome {
            care.pruningFailure = text
        }
        return Task.isCancelled ? .stopped : .cared(care)
    }

    private func compare(_ bucket: Bucket, _ writer: ArchiveWriter) async -> ArchiveCare.Comparison {
        do {
            guard let text = try await difference(of: bucket, writer) else { return .equal }
            return .different(text)
        } catch {
            if !Task.isCancelled {
                run.logger.warning(
                    "a bucket was not compared with the archive",
                    metadata: ["bucket": "\(bucket.name)", "reason": "\(error)"]
                )
            }
            return .failed(Explanation.of(error))
        }
    }

    /// How a bucket that is followed differs from what the archive says it held at the newest consistent revision.
    private func difference(of bucket: Bucket, _ writer: ArchiveWriter) async throws -> String? {
        let reader = try writer.reader()
        defer { run.close(reader) }
        let newest = try reader.latestIncarnation(bucket: bucket.name, cluster: bucket.clusterName)
        guard let incarnation = newest, incarnation.created == bucket.info.created,
            let revision = try reader.checkpoint(incarnation.id)?.consistentRevision
        else { return nil }
        let state = try await reader.scannedState(of: incarnation.id, at: revision)
        let comparison = try await LiveComparison(bucket, incarnation).run(state, at: revision)
        return comparison.isEqual ? nil : "the archive differs from the bucket: \(comparison.summary)"
    }

    private func followOne(_ bucket: Bucket, _ well: WellBuckets) async -> Event {
        let name = bucket.name
        do {
            let part = try await capture(bucket, follows: true) { state in
                if state.isProved { well.insert(name) }
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

/// The buckets whose captures came to a consistent revision since they were begun: no earlier proof counts.
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
