import Archive
import JetStream
import KVModel
import KeyValue
import NATSClient

/// Publishes an archived state into a bucket, in order, and finds out by itself where to go on after an interruption.
///
/// Where to go on is read from the target: its last entry names the archived revision that it came from. Every publish
/// demands that it follow the entry before it, so nothing that was under way when a connection broke can land later,
/// and nobody else's entry can slip in between unnoticed.
struct ReplayWriter {
    /// Entries that this run wrote.
    private(set) var written: UInt64 = 0
    /// Entries that were there before this run.
    private(set) var resumed: UInt64 = 0
    /// Entries left out because their time is over.
    private(set) var expired: UInt64 = 0
    /// How often writing had to be resumed.
    private(set) var interruptions = 0

    private let bucket: Bucket
    private let prepared: Restore.Prepared
    private let options: RestoreOptions
    private let progress: @Sendable (RestoreProgress) -> Void
    private let identity: ReplayIdentity
    private var throttle: Throttle?
    private let clock = ContinuousClock()

    init(
        _ bucket: Bucket,
        _ prepared: Restore.Prepared,
        options: RestoreOptions,
        progress: @escaping @Sendable (RestoreProgress) -> Void
    ) {
        self.bucket = bucket
        self.prepared = prepared
        self.options = options
        self.progress = progress
        identity = ReplayIdentity(prepared.incarnation)
        throttle = Throttle(bytesPerSecond: options.bytesPerSecond)
    }

    /// Where writing goes on.
    private struct Position {
        /// The last archived revision that the target holds; 0 for none.
        var archived: Revision
        /// The target's last sequence.
        var lastSequence: UInt64
    }

    /// Writes until everything is there.
    mutating func run() async throws {
        var quietSince = clock.now
        var wait = Duration.milliseconds(50)
        var isFirst = true
        while true {
            let before = written
            do {
                let position = try await position()
                if isFirst {
                    resumed =
                        position.archived == 0
                        ? 0 : UInt64(try prepared.state.extent(through: position.archived).entriesThrough)
                    isFirst = false
                }
                try await write(from: position)
                return
            } catch  where error.mayPass || (error as? JetStreamError)?.code == .wrongLastSequence {
                // Looking at the target and going on from there may help.
                interruptions += 1
                if written > before {
                    quietSince = clock.now
                    wait = .milliseconds(50)
                }
                if let patience = options.patience, quietSince.duration(to: clock.now) > patience { throw error }
            }
            try await Task.sleep(for: wait)
            wait = min(wait * 2, .seconds(2))
        }
    }

    private func position() async throws -> Position {
        try await bucket.context.connection.waitUntilConnected(timeout: options.patience ?? .seconds(3600))
        let stream = bucket.name.streamName
        let info = try await bucket.context.streamInfo(stream)
        guard info.created == bucket.info.created else {
            throw changed("it was deleted and created again meanwhile")
        }
        guard info.state.messages > 0 else { return Position(archived: 0, lastSequence: info.state.lastSequence) }
        var sequence = info.state.lastSequence
        var unnamed: [StoredMessage] = []
        var archived: Revision = 0
        while archived == 0, sequence >= info.state.firstSequence, sequence > 0 {
            if let message = try await bucket.context.message(stream, at: sequence) {
                if let named = message.headers.withUnsafeBytes({ identity.revision(in: $0) }) {
                    archived = named
                } else if !isMarker(message) {
                    guard isTooLargeToName(message) else { throw foreign(message) }
                    unnamed.append(message)
                }
            }
            sequence -= 1
        }
        for message in unnamed.reversed() { archived = try recognise(message, after: archived) }
        return Position(archived: archived, lastSequence: info.state.lastSequence)
    }

    /// The server itself may add markers of expired keys.
    private func isMarker(_ message: StoredMessage) -> Bool {
        message.headers.withUnsafeBytes { HeaderBlock.value(of: "Nats-Marker-Reason", in: $0) != nil }
    }

    private func isTooLargeToName(_ message: StoredMessage) -> Bool {
        message.headers.count + message.payload.count + ReplayHeaders.largestAddition
            > bucket.context.maximumPayload
    }

    /// An entry that had no room for its archived revision is the next one in the archive, or it is not ours.
    private func recognise(_ message: StoredMessage, after revision: Revision) throws -> Revision {
        var cursor = prepared.state.makeCursor(after: revision)
        var next: Entry?
        if let run = try cursor.next() {
            try run.forEachEntry { if next == nil { next = Entry($0) } }
        }
        let prefix = Array(bucket.name.subjectPrefix.utf8)
        guard let next, message.subject == prefix + options.mapping.map(next.key).bytes,
            message.payload == next.value
        else {
            throw foreign(message)
        }
        return next.revision
    }

    private func foreign(_ message: StoredMessage) -> ReplicationError {
        changed("somebody else writes to it: \(String(decoding: message.subject, as: UTF8.self))")
    }

    private mutating func write(from position: Position) async throws {
        let pipeline = try await PublishPipeline(bucket.context)
        let done = written
        var encoder = ReplayEncoder(
            bucket: bucket,
            configuration: prepared.plan.configuration,
            mapping: options.mapping,
            identity: identity,
            isTTLHeeded: try prepared.state.heedsEntryTTL,
            expected: position.lastSequence
        )
        var cursor = prepared.state.makeCursor(after: position.archived)
        let portion = throttle?.portion ?? .max
        do {
            while let run = try cursor.next() {
                var full: [PublishPipeline.Batch] = []
                var batch = pipeline.makeBatch()
                try run.forEachEntry { entry in
                    encoder.append(entry, to: &batch)
                    if batch.isFull || batch.byteCount >= portion {
                        full.append(batch)
                        batch = pipeline.makeBatch()
                    }
                }
                full.append(batch)
                for batch in full {
                    try await pipeline.send(batch)
                    try await throttle?.pass(batch.byteCount)
                    written = done + UInt64(await pipeline.acknowledged)
                    report()
                }
            }
            try await pipeline.finish()
            written = done + UInt64(await pipeline.acknowledged)
            expired = encoder.expired
            report()
        } catch {
            written = done + UInt64(await pipeline.acknowledged)
            await pipeline.stop()
            throw error
        }
    }

    private func report() {
        progress(
            RestoreProgress(
                phase: .writing,
                entries: resumed + written,
                total: UInt64(prepared.state.entries),
                interruptions: interruptions
            )
        )
    }

    private func changed(_ text: String) -> ReplicationError {
        ReplicationError(
            .targetChanged,
            bucket: bucket.name.rawValue,
            text: "\(text) while it is restored",
            hint: "keep others away from the bucket until it is finished, then run again with --replace"
        )
    }
}
