import Foundation
import JetStream
import KVModel
public import KeyValue
import NATSClient
import Synchronization

/// What daemons that share jobs tell each other of one.
public struct JobMemory: Sendable, Hashable, Codable {
    /// Whether somebody paused it: then no daemon begins a run; nil if nobody has said.
    public var isPaused: Bool?
    /// The last due time that was run or left out, in nanoseconds since 1970: it is not run again by another daemon.
    public var lastDue: Int64?
    /// How many runs have failed in a row.
    public var failures = 0
    /// What was last told to others.
    public var notified: RunRecord.Outcome?
    /// The daemon that wrote this.
    public var daemon: String?

    /// A job that nothing is known of.
    public init() {}

    /// Takes note of a due time; an earlier one than is known changes nothing.
    public mutating func handled(due: Int64) {
        lastDue = max(lastDue ?? due, due)
    }
}

/// What daemons that share jobs know together: an entry for each job in a second bucket beside that of the leases, without
/// a TTL, so that whoever takes a job over knows what was done, and a pause holds on all of them.
public final class SharedMemory: Sendable {
    private let source: LeaseBucket
    private let daemon: String
    private let opened = Mutex<Bucket?>(nil)

    /// The memory beside the leases of these settings; `daemon` is who writes.
    ///
    /// Connections are the caller's: when one was closed, `buckets` is asked for another.
    public init(buckets: @escaping @Sendable () async throws -> Buckets, settings: LeaseSettings, daemon: String) {
        source = LeaseBucket(
            buckets: buckets,
            name: settings.bucket + "-jobs",
            ttl: 0,
            description: "what cistern's daemons know of their jobs"
        )
        self.daemon = daemon
    }

    /// What is known of a job.
    public func get(_ job: String) async throws -> JobMemory {
        try await inBucket { bucket in
            guard let entry = try await bucket.get(LeaseKey.job(job)) else { return JobMemory() }
            return try self.decode(entry, job)
        }
    }

    /// What is known of all jobs.
    public func all() async throws -> [String: JobMemory] {
        try await inBucket { bucket in
            var options = WatchOptions()
            options.start = .lastPerSubject
            var newest: [String: Entry] = [:]
            try await bucket.readAll(options) { entry in
                let entry = Entry(entry)
                // A job that changes while it is read comes again, or is forgotten.
                if let job = LeaseKey.jobName(entry.key) { newest[job] = entry.operation == .put ? entry : nil }
            }
            var result: [String: JobMemory] = [:]
            for (job, entry) in newest { result[job] = try self.decode(entry, job) }
            return result
        }
    }

    /// Changes what is known of a job, and answers it; what other daemons change meanwhile is kept.
    ///
    /// `change` may be called several times.
    @discardableResult
    public func update(_ job: String, _ change: @Sendable (inout JobMemory) -> Void) async throws -> JobMemory {
        try await inBucket { bucket in
            let key = LeaseKey.job(job)
            while true {
                try Task.checkCancellation()
                let newest = try await bucket.latest(key)
                let before = try newest.flatMap { $0.operation == .put ? try self.decode($0, job) : nil }
                var memory = before ?? JobMemory()
                change(&memory)
                if memory == before { return memory }
                memory.daemon = self.daemon
                let encoder = JSONEncoder()
                encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
                do {
                    try await bucket.put(
                        key,
                        Array(try encoder.encode(memory)),
                        expected: newest?.revision ?? 0
                    )
                    return memory
                } catch let error as KeyValueError where error.code == .wrongRevision {
                    continue
                }
            }
        }
    }

    /// Calls `body` with what is known of a job whenever that changes, and first with all that is known, until the task is
    /// cancelled; goes on by itself when the server was away.
    public func follow(_ body: @Sendable (_ job: String, JobMemory) async -> Void) async throws {
        while true {
            do {
                let bucket = try await bucket()
                var options = WatchOptions()
                options.start = .lastPerSubject
                options.patience = nil
                options.created = bucket.info.created
                let watch = try await bucket.watch(options)
                do {
                    while true {
                        guard let batch = try await watch.next() else { continue }
                        var entries: [Entry] = []
                        batch.forEachEntry { entries.append(Entry($0)) }
                        for entry in entries {
                            guard let job = LeaseKey.jobName(entry.key) else { continue }
                            await body(job, entry.operation == .put ? try decode(entry, job) : JobMemory())
                        }
                    }
                } catch {
                    await watch.stop()
                    throw error
                }
            } catch let error as DaemonError {
                throw error
            } catch is CancellationError {
                throw CancellationError()
            } catch {
                opened.withLock { $0 = nil }
                try await Task.sleep(for: .seconds(1))
            }
        }
    }

    private func bucket() async throws -> Bucket {
        if let bucket = opened.withLock({ $0 }) { return bucket }
        let bucket = try await source.open()
        opened.withLock { $0 = bucket }
        return bucket
    }

    /// Works in the bucket; if it was deleted or its connection closed, in a new one.
    private func inBucket<Result: Sendable>(_ body: @Sendable (Bucket) async throws -> Result) async throws -> Result {
        do {
            return try await body(try await bucket())
        } catch {
            let isGone = (error as? JetStreamError)?.code == .streamNotFound
            guard isGone || (error as? NATSError)?.code == .closed else { throw error }
            opened.withLock { $0 = nil }
            return try await body(try await bucket())
        }
    }

    private func decode(_ entry: Entry, _ job: String) throws -> JobMemory {
        do {
            return try JSONDecoder().decode(JobMemory.self, from: Data(entry.value))
        } catch {
            throw DaemonError(
                .leases,
                text: "bucket \(source.name) says of job \(job) what no daemon of this version writes: \(error)",
                hint: "delete key \(entry.key) in it, or use a newer cistern"
            )
        }
    }
}
