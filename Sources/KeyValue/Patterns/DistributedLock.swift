public import KVModel

/// A lock that at most one program holds at a time, kept as one key of a bucket.
///
/// ```swift
/// let lock = try DistributedLock(bucket, key: "nightly-report", lease: .seconds(15))
/// try await lock.withLock { lease in
///     try await writeReport(fencedWith: lease.token)
/// }
/// ```
///
/// Whoever creates the key holds the lock, until they purge it or stop renewing it: then the server drops the key when
/// the lease is over, and the next one creates it. A lease is renewed after a third of its time, and counts as lost for
/// its holder after five sixths of it, reckoned by the machine's monotonic clock from before the request was sent. So a
/// holder that cannot reach the server, or was stopped itself, knows that its lease is over before the server lets
/// anybody else have it: `withLock` cancels its body then and throws `lockLost`.
///
/// ## What expires
///
/// On servers from 2.11 on, in a bucket that allows entries a lifetime of their own (`limitMarkerTTL`) and keeps a
/// history of 1, the lease is the key's own; servers count whole seconds, so others may wait up to a second longer.
/// In any other bucket its TTL is what ends a lease that nobody renews: make a bucket for locks, with a TTL of the
/// lease's length. A bucket with neither, a mirror, or a bucket with replicas on servers before 2.9.21 is refused with
/// `unsupported`. The bucket's configuration is taken from when it was opened.
///
/// ## What it guarantees, and what it cannot
///
/// At most one lease of a key is valid at a time as long as monotonic clocks of holders and clocks of the servers that
/// lead the stream run within a sixth of the lease of each other over its time, and as long as servers keep what they
/// acknowledge. A server clock that is set forward ends leases early, a new leader whose clock is ahead as well.
/// Even then the *token* tells holders apart: the revision of the entry by which the lock was taken. It rises from holder
/// to holder as long as the bucket is not deleted. Have what the lock guards (a database, a file's name) remember the
/// highest token and refuse lower ones: nothing that a program checks can keep it from being stopped between the check
/// and the write, for longer than its lease.
///
/// Waiting is not fair: who comes first when the lock gets free has it. The lock is not reentrant.
public struct DistributedLock: Sendable {
    typealias Instant = ContinuousClock.Instant

    /// The key that is the lock.
    public let key: Key
    /// How long the lock is kept for a holder that does not renew it.
    public let lease: Duration
    /// What the key's value says of the holder, beside a random number; for people who look.
    public let label: String

    let bucket: KeyValueBucket
    let terms: LeaseTerms
    let now: @Sendable () -> Instant

    /// The lock of a key in a bucket, with a lease of a second or more.
    ///
    /// All who share a lock should give it the same lease. Throws `unsupported` and `invalidOption` as said above.
    public init(
        _ bucket: KeyValueBucket,
        key: Key,
        lease: Duration = .seconds(15),
        label: String = ""
    ) throws {
        try self.init(bucket, key: key, lease: lease, label: label) { .now }
    }

    /// The same with another clock.
    init(
        _ bucket: KeyValueBucket,
        key: Key,
        lease: Duration,
        label: String = "",
        now: @escaping @Sendable () -> Instant
    ) throws {
        terms = try LeaseTerms(lease: lease, in: bucket)
        _ = try bucket.stored(key)
        self.bucket = bucket.forPattern(requestTimeout: LeaseTimer.requestTimeout(of: lease))
        self.key = key
        self.lease = lease
        self.label = label
        self.now = now
    }

    /// Takes the lock if it is free; nil if somebody else holds it.
    ///
    /// Whoever gets a lease has to renew it (`LockLease.run`) and to release it. Throws `unanswered` if the server
    /// cannot be reached in time.
    public func tryAcquire() async throws -> LockLease? {
        var claim = LockClaim(self)
        do {
            let lease = try await claim.attempt()
            guard let lease, Task.isCancelled else { return lease }
            await lease.giveBack()
            throw CancellationError()
        } catch let error as KeyValueError where error.code == .unanswered {
            await claim.withdraw()
            throw error
        }
    }

    /// Waits until the lock is free and takes it.
    ///
    /// With `timeout` it gives up after that time with `lockHeld`; without, it waits as long as its task is not
    /// cancelled. Lost connections and servers that restart only make it wait. Waiters learn at once that the lock was
    /// released, and within a twentieth of the lease that it has expired. Whoever gets a lease has to renew it
    /// (`LockLease.run`) and to release it.
    public func acquire(timeout: Duration? = nil) async throws -> LockLease {
        try await LockWaiter(self).acquire(timeout: timeout)
    }

    /// Waits until the lock is free, holds it while the body runs, and releases it.
    ///
    /// The lease is renewed meanwhile. If it is lost the body's task is cancelled; when the body has ended, `lockLost`
    /// is thrown in place of what it answers. What it did after the loss is up to its own care: see `LockLease.token`.
    /// With `timeout`, `lockHeld` is thrown if the lock is not free within that time.
    public func withLock<Result: Sendable>(
        timeout: Duration? = nil,
        _ body: @escaping @Sendable (LockLease) async throws -> Result
    ) async throws -> Result {
        let lease = try await acquire(timeout: timeout)
        let (answer, loss) = await withTaskGroup { group in
            group.addTask { () -> Ending<Result> in
                do {
                    let result = try await body(lease)
                    // A result that came too late is none, even if nobody has noticed yet.
                    try lease.checkNotLost()
                    return .body(.success(result))
                } catch {
                    return .body(.failure(error))
                }
            }
            group.addTask { () -> Ending<Result> in
                do {
                    try await lease.run()
                    return .kept
                } catch {
                    return .lost(error)
                }
            }
            var answer: Swift.Result<Result, any Error>?
            var loss: (any Error)?
            for await ending in group {
                switch ending {
                case .body(let result): answer = result
                // What ended while the lock was held counts, whatever happened then.
                case .lost(let error): if answer == nil { loss = error }
                // Released by the body, or cancelled with it.
                case .kept: continue
                }
                group.cancelAll()
            }
            return (answer, loss)
        }
        await lease.giveBack()
        if let loss { throw loss }
        guard let answer else { throw CancellationError() }
        return try answer.get()
    }

    private enum Ending<Result: Sendable>: Sendable {
        case body(Swift.Result<Result, any Error>)
        case kept
        case lost(any Error)
    }

    /// Runs something to its end even if the caller's task is cancelled; the caller waits for it.
    func uncancelled<Result: Sendable>(
        _ body: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        try await Task { try await body() }.value
    }
}
