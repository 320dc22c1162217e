public import KVModel
import Synchronization

/// The feature flags of a bucket, followed as they change and read without waiting.
///
/// ```swift
/// let flags = FeatureFlags(bucket) { problem in logger.warning("\(problem)") }
/// try await withThrowingTaskGroup(of: Void.self) { group in
///     group.addTask { try await flags.run() }
///     try await flags.waitUntilCurrent()
///     if flags[FeatureFlag("dark-mode", default: false)] { … }
///     for await limit in flags.changes(of: FeatureFlag("limit", default: 10)) { … }
/// }
/// ```
///
/// `run` watches the bucket; nothing is known before it. A read answers from memory: the newest value that has arrived,
/// or the flag's default where there is none or it is not of the flag's type. Values are seen in the order in which
/// they were written, some may be passed over, and two programs may see a change at different moments: what must change
/// everywhere at once is not a matter for flags.
///
/// When the server cannot be reached the last values stay in force. The watch goes on by itself over lost connections
/// and restarts; if it is down for longer than `patience`, `isCurrent` turns false until it is back, also if the bucket
/// is deleted: then the values are those of the bucket that is made again under its name. Flags in a bucket with a TTL
/// expire like everything there; use one without.
public final class FeatureFlags: Sendable {
    private struct State {
        var values: [Key: KeyValueEntry] = [:]
        var isCurrent = false
        var isRunning = false
        var nextID = 0
        /// Who wants to know that a key was written to.
        var listeners: [Int: (key: Key, sign: AsyncStream<Void>.Continuation)] = [:]
        var waiters: [Int: AsyncStream<Void>.Continuation] = [:]
        /// The revisions of values that were already reported as not of their flag's type.
        var reported: [Key: Revision] = [:]
    }

    private let bucket: KeyValueBucket
    private let patterns: [KeyPattern]
    private let patience: Duration
    private let report: (@Sendable (KeyValueError) -> Void)?
    private let state = Mutex(State())

    /// The flags of a bucket, or those of its keys that some patterns match.
    ///
    /// `report` is told, once each, of values that are not of their flag's type (`undecodable`), and of why the bucket
    /// cannot be followed. It is called from any task and should return quickly.
    public init(
        _ bucket: KeyValueBucket,
        matching patterns: [KeyPattern] = [],
        patience: Duration = .seconds(30),
        report: (@Sendable (KeyValueError) -> Void)? = nil
    ) {
        self.bucket = bucket
        self.patterns = patterns
        self.patience = patience
        self.report = report
    }

    /// Whether all that the bucket held was read, and the watch works or was lost no longer than `patience` ago.
    public var isCurrent: Bool { state.withLock { $0.isCurrent } }

    /// What a flag is now.
    public subscript<Value>(_ flag: FeatureFlag<Value>) -> Value {
        value(of: flag, in: state.withLock { $0.values[flag.key] })
    }

    /// What a flag is now, and then each time that its value is written to.
    ///
    /// It begins with the present value, the default if nothing is known yet. A reader that is slow sees the newest
    /// value alone. It ends when `run` does, or the reader's task is cancelled.
    public func changes<Value>(of flag: FeatureFlag<Value>) -> FlagChanges<Value> {
        FlagChanges(flags: self, flag: flag)
    }

    /// Gives a sign at once, and each time that a key is written to.
    func signs(of key: Key) -> AsyncStream<Void> {
        // Signs that come together are one.
        let (stream, sign) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let id = state.withLock { state in
            state.nextID += 1
            state.listeners[state.nextID] = (key, sign)
            return state.nextID
        }
        sign.onTermination = { [weak self] _ in
            _ = self?.state.withLock { $0.listeners.removeValue(forKey: id) }
        }
        sign.yield()
        return stream
    }

    /// Waits until `isCurrent`; throws `CancellationError` if the task is cancelled or `run` ends before.
    public func waitUntilCurrent() async throws {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let id = state.withLock { state -> Int? in
            if state.isCurrent { return nil }
            state.nextID += 1
            state.waiters[state.nextID] = continuation
            return state.nextID
        }
        guard let id else { return }
        defer { _ = state.withLock { $0.waiters.removeValue(forKey: id) } }
        for await _ in stream { return }
        throw CancellationError()
    }

    /// Gives a flag a value, for everybody; answers its revision.
    @discardableResult
    public func set<Value>(_ flag: FeatureFlag<Value>, to value: Value) async throws -> Revision {
        try await bucket.put(flag.key, try flag.encode(value))
    }

    /// Follows the bucket until the task is cancelled.
    ///
    /// Throws only `invalidOption`, if it runs already, and `invalidPattern`, if the bucket's key codec does not take
    /// the patterns; everything else is reported and tried again.
    public func run() async throws {
        _ = try bucket.stored(patterns)
        let isFirst = state.withLock { state in
            defer { state.isRunning = true }
            return !state.isRunning
        }
        guard isFirst else {
            throw KeyValueError(code: .invalidOption, bucket: bucket.name, text: "its flags are followed already")
        }
        defer { finish() }
        let backoff = Backoff(first: .milliseconds(500), most: .seconds(10))
        var bucket = bucket
        var failures = 0
        while !Task.isCancelled {
            do {
                if failures > 0 {
                    // It may be another bucket by now.
                    bucket = KeyValueBucket(
                        try await bucket.bucket.refreshed(),
                        codecs: bucket.codecs,
                        consistency: bucket.consistency
                    )
                }
                try await follow(bucket) { failures = 0 }
            } catch {
                guard !Task.isCancelled else { break }
                state.withLock { $0.isCurrent = false }
                report(error, isNew: failures == 0)
                failures += 1
            }
            let wait = backoff.delay(after: failures, random: .random(in: 0.5..<1))
            do { try await Task.sleep(for: wait) } catch { break }
        }
    }

    private func follow(_ bucket: KeyValueBucket, whenCurrent: () -> Void) async throws {
        var options = KeyWatchOptions(start: .newest)
        options.patience = patience
        // What is not there any more may have left no marker: what did not come is forgotten.
        var seen: Set<Key>? = []
        for try await event in bucket.watch(patterns, options: options) {
            switch event {
            case .entry(let entry):
                seen?.insert(entry.key)
                take(entry.operation == .put ? entry : nil, as: entry.key)
            case .undecodable(let error):
                report?(error)
                if let key = error.key.flatMap({ plain($0, of: bucket) }) {
                    seen?.insert(key)
                    take(nil, as: key)
                }
            case .endOfInitialData:
                let gone = state.withLock { Set($0.values.keys) }.subtracting(seen ?? [])
                for key in gone { take(nil, as: key) }
                seen = nil
                let waiters = state.withLock { state in
                    state.isCurrent = true
                    return Array(state.waiters.values)
                }
                for waiter in waiters { waiter.yield() }
                whenCurrent()
            }
        }
    }

    /// The key of an entry of which something could not be decoded; nil if that was the key.
    private func plain(_ stored: Key, of bucket: KeyValueBucket) -> Key? {
        guard let codec = bucket.codecs.key else { return stored }
        do { return try codec.decode(stored) } catch { return nil }
    }

    private func take(_ entry: KeyValueEntry?, as key: Key) {
        let signs = state.withLock { state -> [AsyncStream<Void>.Continuation] in
            let before = state.values[key]
            state.values[key] = entry
            guard before?.revision != entry?.revision || before?.value != entry?.value else { return [] }
            return state.listeners.values.filter { $0.key == key }.map(\.sign)
        }
        for sign in signs { sign.yield() }
    }

    private func value<Value>(of flag: FeatureFlag<Value>, in entry: KeyValueEntry?) -> Value {
        guard let entry else { return flag.defaultValue }
        do {
            return try flag.decode(entry.value)
        } catch {
            let isNew = state.withLock { $0.reported.updateValue(entry.revision, forKey: flag.key) != entry.revision }
            if isNew {
                report?(
                    KeyValueError(
                        code: .undecodable,
                        bucket: entry.bucket,
                        key: entry.key,
                        text: "\(error); the flag's default holds",
                        revision: entry.revision,
                        underlying: error
                    )
                )
            }
            return flag.defaultValue
        }
    }

    private func report(_ error: any Error, isNew: Bool) {
        guard isNew else { return }
        let known = error as? KeyValueError
        report?(known ?? KeyValueError(code: .unanswered, bucket: bucket.name, text: "\(error)", underlying: error))
    }

    private func finish() {
        let ended = state.withLock { state in
            state.isRunning = false
            state.isCurrent = false
            defer {
                state.listeners = [:]
                state.waiters = [:]
            }
            return state.listeners.values.map(\.sign) + state.waiters.values
        }
        for stream in ended { stream.finish() }
    }
}

/// What a flag is, each time that its value is written to; see `FeatureFlags.changes`.
public struct FlagChanges<Value: Sendable>: AsyncSequence, Sendable {
    /// The flag's values.
    public typealias Element = Value
    /// It only ends.
    public typealias Failure = Never

    let flags: FeatureFlags
    let flag: FeatureFlag<Value>

    /// Begins with the present value.
    public func makeAsyncIterator() -> Iterator {
        Iterator(flags: flags, flag: flag, signs: flags.signs(of: flag.key).makeAsyncIterator())
    }

    /// One reader.
    public struct Iterator: AsyncIteratorProtocol {
        let flags: FeatureFlags
        let flag: FeatureFlag<Value>
        var signs: AsyncStream<Void>.Iterator

        /// Waits until the flag's value is written to; nil when the flags are not followed any more.
        public mutating func next(isolation actor: isolated (any Actor)? = #isolation) async -> Value? {
            guard await signs.next(isolation: actor) != nil else { return nil }
            return flags[flag]
        }
    }
}
