import Archive
import JetStream
import KVModel
public import KeyValue
public import Logging
import NATSClient
import Synchronization

/// Takes, renews and gives up the leases by which several daemons share their jobs: each job runs on one of them.
///
/// A lease is an entry of a NATS bucket whose TTL is the lease's duration (every server from 2.9 on has that): taken by
/// creating the key, renewed by updating it at its last revision after a third of the duration, given up by deleting it.
/// A holder that is gone renews no more, the entry expires, and within two durations another daemon has taken the job.
///
/// No clock but this machine's decides whether a lease still holds (see `Lease`). If the clocks of the server and of this
/// machine do not go alike, or the server loses what it acknowledged, two daemons may hold one job for a moment: therefore
/// an archive is told the lease's fencing token (`ArchiveWriter.open`), and refuses the one whose token is lower. A daemon
/// that was stopped in the middle of a run goes on holding the archive's lock on its machine; who takes the job over there
/// finds it `.locked` and tries again until the stopped process goes on (its first commit is refused) or is ended.
///
/// ```swift
/// let keeper = LeaseKeeper(buckets: { buckets }, settings: settings, daemon: "a", logger: logger)
/// keeper.candidates = ["nightly", "live"]
/// async let keeping: Void = keeper.run()
/// for await event in keeper.events { … }
/// ```
public final class LeaseKeeper: Sendable {
    /// Why a lease is over.
    public enum Loss: Sendable, Hashable {
        /// It could not be renewed in time.
        case lapsed
        /// Another daemon has it.
        case taken(by: String)
        /// The bucket holds it no more.
        case gone
        /// It was given up.
        case givenUp
        /// The bucket of leases was deleted and made again.
        case bucketReplaced
    }

    /// What happens to this daemon's leases; every `gained` is followed by one `lost`.
    public enum Event: Sendable, Hashable {
        case gained(job: String, token: UInt64)
        case lost(job: String, why: Loss)
    }

    struct State {
        var table: LeaseTable
        var bucket: Bucket?
        var generation: Int64?
        /// Whether what the bucket holds is known.
        var isCurrent = false
        /// When it was last said that this daemon is there, and the first time.
        var announced: ContinuousClock.Instant?
        var firstAnnounced: ContinuousClock.Instant?
        /// Why that cannot be said.
        var trouble: String?
        var isLeaving = false
        /// What follows the bucket.
        var reading: Task<Void, any Error>?
    }

    /// What happens, for one reader; it ends when `run` does.
    public let events: AsyncStream<Event>
    let continuation: AsyncStream<Event>.Continuation
    let timing: LeaseTiming
    let me: LeaseHolder
    let source: LeaseBucket
    let logger: Logger
    let now: @Sendable () -> ContinuousClock.Instant
    let state: Mutex<State>

    /// A keeper of leases in a bucket on the servers of `buckets`; it does nothing until it is run.
    ///
    /// Connections are the caller's: when one was closed, `buckets` is asked for another. `now` is a clock that goes on while the
    /// machine sleeps or the process is stopped.
    public init(
        buckets: @escaping @Sendable () async throws -> Buckets,
        settings: LeaseSettings,
        daemon: String,
        logger: Logger,
        now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }
    ) {
        (events, continuation) = AsyncStream.makeStream(of: Event.self)
        let timing = LeaseTiming(settings)
        self.timing = timing
        me = LeaseHolder(daemon: daemon)
        source = LeaseBucket(
            buckets: {
                let context = try await buckets().context
                return Buckets(
                    JetStreamContext(context.connection, apiPrefix: context.apiPrefix, timeout: timing.request)
                )
            },
            name: settings.bucket,
            ttl: settings.duration,
            description: "leases of cistern's jobs"
        )
        self.logger = logger
        self.now = now
        state = Mutex(State(table: LeaseTable(timing: timing, me: me)))
    }

    /// The jobs that this daemon would run; leases of others are given up.
    public var candidates: Set<String> {
        get { state.withLock { $0.table.candidates } }
        set {
            state.withLock { state in
                guard state.table.candidates != newValue else { return }
                state.table.candidates = newValue
                // As one that has just come: the others must know first what it would run.
                (state.announced, state.firstAnnounced) = (nil, nil)
            }
        }
    }

    /// This daemon's lease of a job; nil if it has none.
    public func lease(_ job: String) -> Lease? {
        state.withLock { $0.table.held[job] }.flatMap { $0.isValid ? $0 : nil }
    }

    /// Who holds which job, as far as is known here.
    public func holders() -> [String: LeaseHolder] {
        let moment = now()
        return state.withLock { $0.table.holders(at: moment) }
    }

    /// The daemons that are there, this one among them.
    public func daemons() -> [LeaseHolder] {
        let moment = now()
        return state.withLock { $0.table.daemons(at: moment) }
    }

    /// Why this daemon cannot say that it is there, and so takes no leases; nil if it can.
    public var trouble: String? { state.withLock { $0.trouble } }

    /// How many leases this daemon has beyond its share.
    ///
    /// Whoever joins late finds nothing free: a daemon that gives up that many jobs lets the others have their part.
    public func surplus() -> Int {
        let moment = now()
        return state.withLock { max(0, $0.table.held.count - $0.table.share(at: moment)) }
    }

    /// Gives up the lease of a job, so that another daemon can take it at once; this one leaves it to others for a while.
    ///
    /// What worked under the lease must have ended before.
    public func giveUp(_ job: String) async {
        guard let lease = state.withLock({ $0.table.held[job] }) else { return }
        let moment = now()
        state.withLock { $0.table.putOff(job, to: moment + timing.restraint) }
        guard lose(lease, .givenUp) else { return }
        await clear(job, lease.revision)
    }

    /// Gives up all leases.
    public func giveUpAll() async {
        let jobs = state.withLock { Array($0.table.held.keys) }
        await withTaskGroup(of: Void.self) { group in
            for job in jobs { group.addTask { await self.giveUp(job) } }
        }
    }

    /// Keeps leases until its task is cancelled, and gives them up then.
    ///
    /// Throws a `DaemonError` if the bucket of leases cannot be used; everything that passes by itself is waited for. Run
    /// it once, and cancel it when what worked under the leases has ended.
    public func run() async throws {
        defer { continuation.finish() }
        try await begin()
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.follow() }
            group.addTask { await self.repeatedly { await self.renewAll() } }
            group.addTask { await self.repeatedly { await self.takeFree() } }
            group.addTask { await self.repeatedly { await self.dropLapsed() } }
        }
        // In a task of its own: this one is cancelled, and a request in it would not be sent.
        await Task { await self.leave() }.value
    }

    /// Opens the bucket, as often as it takes; throws what will not pass.
    private func begin() async throws {
        while !Task.isCancelled {
            do {
                adopt(try await source.open())
                return
            } catch let error as DaemonError {
                throw error
            } catch is CancellationError {
                return
            } catch {
                logger.warning("the bucket of leases cannot be reached yet", metadata: ["reason": "\(error)"])
            }
            await pause(timing.retry)
        }
    }

    private func leave() async {
        state.withLock { $0.isLeaving = true }
        await giveUpAll()
        guard let bucket = state.withLock({ $0.bucket }) else { return }
        do {
            try await bucket.delete(LeaseKey.daemon(me))
        } catch {
            logger.debug("the bucket of leases was not told of the end", metadata: ["reason": "\(error)"])
        }
    }

    /// Ends a lease and says so; answers false if that was done before.
    @discardableResult
    func lose(_ lease: Lease, _ why: Loss) -> Bool {
        guard state.withLock({ $0.table.remove(lease) }) else { return false }
        logger.info("lease lost", metadata: ["job": "\(lease.job)", "why": "\(why)"])
        continuation.yield(.lost(job: lease.job, why: why))
        return true
    }

    func repeatedly(_ body: () async -> Void) async {
        while !Task.isCancelled {
            await body()
            await pause(timing.tick)
        }
    }

    func pause(_ duration: Duration) async {
        do {
            try await Task.sleep(for: duration)
        } catch {
            // Cancelled: whoever paused looks for that itself.
        }
    }
}
