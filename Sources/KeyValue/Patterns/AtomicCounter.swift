public import KVModel

/// A number in a bucket that any number of programs change at once without losing a change.
///
/// ```swift
/// let orders = AtomicCounter(bucket, key: "orders.total")
/// let total = try await orders.add(3)
/// ```
///
/// The number stands in the key as decimal text (`-9223372036854775808` to `9223372036854775807`), so that other
/// clients can read it. A key without a value counts as 0. It is changed by reading it from the leader and writing the
/// new number if nobody wrote meanwhile; who was too late waits for a random moment and tries again. So changes of one
/// counter happen one after the other, some hundreds to thousands a second: for more, spread them over several keys
/// and add those up.
///
/// What it guarantees: no change is lost or counted twice, and the answer of a change is the number right after it. A
/// change whose answer is lost with its connection is sent again under the same `Nats-Msg-Id`, and if others have
/// changed the number since, looked for in the history of the key: give the bucket a history (up to 64) if many count
/// at once. If no answer comes within the JetStream context's timeout, or the history does not reach back to it, it
/// throws `unanswered`: then the change may have happened, and only the caller can tell what that means.
///
/// What it does not: it is not a sequence without gaps (a number that was handed out may never be used), and it does
/// not outlive its key: a bucket with a TTL forgets it that long after its last change. Replicated buckets need
/// servers from 2.9.21 on, older ones let two writers pass at once: there, and on mirrors, it throws `unsupported`.
public struct AtomicCounter: Sendable {
    /// The key that the number stands in.
    public let key: Key

    private let bucket: KeyValueBucket
    private let attempts: Int
    private let random: @Sendable () -> Double
    private let sleep: @Sendable (Duration) async throws -> Void

    /// The counter in a key of a bucket.
    ///
    /// A change that others come before gives up with `conflictTooOften` after so many attempts.
    public init(_ bucket: KeyValueBucket, key: Key, attempts: Int = 200) {
        self.init(
            bucket,
            key: key,
            attempts: attempts,
            random: { .random(in: 0..<1) },
            sleep: { try await Task.sleep(for: $0) }
        )
    }

    /// The same with another chance and another way to wait.
    init(
        _ bucket: KeyValueBucket,
        key: Key,
        attempts: Int,
        random: @escaping @Sendable () -> Double,
        sleep: @escaping @Sendable (Duration) async throws -> Void
    ) {
        self.bucket = bucket.forPattern(repeatsWrites: true)
        self.key = key
        self.attempts = max(1, attempts)
        self.random = random
        self.sleep = sleep
    }

    /// The number that the bucket's leader has now; 0 if the key has no value.
    ///
    /// Throws `undecodable` if the value is not a number.
    public var value: Int64 {
        get async throws { try number(in: try await bucket.latest(key)) }
    }

    /// Adds to the number, and answers what it is then.
    ///
    /// Throws `invalidOption` if the sum does not fit 64 bits, `undecodable` if the value is not a number,
    /// `conflictTooOften` if others were quicker each time, and `unanswered` as said above.
    @discardableResult
    public func add(_ amount: Int64 = 1) async throws -> Int64 {
        try await change { old in
            let (sum, overflow) = old.addingReportingOverflow(amount)
            guard !overflow else {
                throw KeyValueError(
                    code: .invalidOption,
                    bucket: bucket.name,
                    key: key,
                    text: "adding \(amount) to \(old) in key \(key) leaves the range of 64 bits"
                )
            }
            return sum
        }
        .new
    }

    /// Sets the number, and answers what it was before: nothing that others add is lost unseen.
    @discardableResult
    public func reset(to value: Int64 = 0) async throws -> Int64 {
        try await change { _ in value }.old
    }

    /// What to wait between two attempts: the time of a request or two at first, a quarter of a second at most.
    static let backoff = Backoff(first: .milliseconds(2), most: .milliseconds(250))

    private func change(_ body: (Int64) throws -> Int64) async throws -> (old: Int64, new: Int64) {
        try LeaseTerms.checkConditionalWrites(to: bucket)
        for failures in 0..<attempts {
            if failures > 0 { try await sleep(Self.backoff.delay(after: failures, random: random())) }
            let newest = try await bucket.latest(key)
            let old = try number(in: newest)
            let new = try body(old)
            do {
                try await bucket.update(key, Array(String(new).utf8), expecting: newest?.revision ?? 0)
                return (old, new)
            } catch let error as KeyValueError where error.code == .wrongRevision {
                continue
            }
        }
        throw KeyValueError(code: .conflictTooOften, bucket: bucket.name, key: key, text: "\(attempts) times")
    }

    private func number(in entry: KeyValueEntry?) throws -> Int64 {
        guard let entry, entry.operation == .put else { return 0 }
        guard let text = entry.string, let number = Int64(text) else {
            throw KeyValueError(
                code: .undecodable,
                bucket: bucket.name,
                key: key,
                text: "the value is no whole number of 64 bits",
                revision: entry.revision
            )
        }
        return number
    }
}
