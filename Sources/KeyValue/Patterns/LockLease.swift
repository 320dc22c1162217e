public import KVModel
import Synchronization

/// A lock, held for as long as it is renewed.
///
/// `DistributedLock.withLock` takes care of everything below. Otherwise `run` keeps it in a task of the caller's, or the
/// caller calls `renew` often enough, and `release` gives it back.
public final class LockLease: Sendable {
    private enum Phase {
        case held
        case released
        case lost
    }

    private struct State {
        var phase = Phase.held
        var timer: LeaseTimer
        /// The newest revision of the key that is known to be this holder's.
        var revision: Revision
        /// Why the last renewal failed.
        var failure: (any Error)?
    }

    /// The key that is the lock.
    public var key: Key { lock.key }
    /// What tells this holder's writes from those of others: the revision by which the lock was taken.
    ///
    /// Renewals leave it as it is, and every later holder's is higher.
    public let token: Revision

    private let lock: DistributedLock
    private let claim: LockClaim
    private let state: Mutex<State>

    init(_ claim: LockClaim, token: Revision, revision: Revision, askedAt moment: DistributedLock.Instant) {
        lock = claim.lock
        self.claim = claim
        self.token = token
        let timer = LeaseTimer(lease: claim.lock.lease, askedAt: moment)
        state = Mutex(State(timer: timer, revision: revision))
    }

    /// Whether it holds now, judged by this machine's clock alone.
    public var isValid: Bool {
        let moment = lock.now()
        return state.withLock { $0.phase == .held && $0.timer.isValid(at: moment) }
    }

    /// For how long it holds if it is not renewed; zero if it does not.
    public var remaining: Duration {
        let moment = lock.now()
        return state.withLock { state in
            state.phase == .held ? max(.zero, moment.duration(to: state.timer.validUntil)) : .zero
        }
    }

    /// Throws `lockLost` unless it holds now; to be called before each step of what the lock guards.
    public func check() throws {
        guard !isValid else { return }
        throw lost()
    }

    /// Renews it.
    ///
    /// Throws `lockLost` if it is over, or somebody else holds the lock; `unanswered` and other errors if the server
    /// could not be asked: it holds until its time is over then, and may be renewed until then.
    public func renew() async throws {
        while true {
            let asked = lock.now()
            let revision = try held(at: asked).revision
            do {
                let renewed = try await lock.terms.update(lock.key, claim.value, expecting: revision, in: lock.bucket)
                let moment = lock.now()
                let isInTime = state.withLock { state in
                    state.revision = max(state.revision, renewed)
                    state.failure = nil
                    return state.phase == .held && state.timer.renewed(askedAt: asked, at: moment)
                }
                guard isInTime else { throw lost() }
                return
            } catch let error as KeyValueError where error.code == .wrongRevision {
                // The answer to an earlier renewal may have been lost.
                guard let found = try await claim.revision(), found > revision else { throw lose(error) }
                state.withLock { $0.revision = max($0.revision, found) }
            }
        }
    }

    /// Renews it until it is released or the task is cancelled; throws `lockLost` at once when it is over.
    ///
    /// After a release it returns within a third of the lease. What fails is tried again as long as it holds.
    public func run() async throws {
        let result = await withTaskGroup { group in
            // A renewal that is under way must not keep the loss from being told.
            group.addTask { await self.watchOver() }
            group.addTask { await self.keepRenewed() }
            let result = await group.next()
            group.cancelAll()
            return result
        }
        try result?.get()
    }

    /// Gives the lock back: whoever waits for it has it at once.
    ///
    /// It does not hold any more from the beginning of this call on. If the server cannot be told this throws, and the
    /// lock is free when the lease is over. Released twice, or after it was lost, it does no harm: what is somebody
    /// else's stays.
    public func release() async throws {
        let revision = state.withLock { state in
            if state.phase == .held { state.phase = .released }
            return state.revision
        }
        let claim = claim
        try await lock.uncancelled { try await claim.remove(revision) }
    }

    /// Gives the lock back as far as the server can be told: otherwise it is free when the lease is over.
    func giveBack() async {
        do { try await release() } catch { state.withLock { $0.failure = error } }
    }

    /// Throws `lockLost` if it was not released and does not hold.
    func checkNotLost() throws {
        let moment = lock.now()
        let isLost = state.withLock { state in
            state.phase == .lost || (state.phase == .held && !state.timer.isValid(at: moment))
        }
        if isLost { throw lost() }
    }

    private func keepRenewed() async -> Result<Void, any Error> {
        while !Task.isCancelled {
            guard let step = nextStep() else { return .success(()) }
            switch step {
            case .over: return .failure(lost())
            case .wait(let moment): await pause(until: moment)
            case .renew:
                do {
                    try await renew()
                } catch let error as KeyValueError where error.code == .lockLost {
                    return nextStep() == nil ? .success(()) : .failure(error)
                } catch {
                    guard !Task.isCancelled else { break }
                    let moment = lock.now()
                    state.withLock { state in
                        state.failure = error
                        state.timer.failed(at: moment, random: .random(in: 0..<1))
                    }
                }
            }
        }
        return .success(())
    }

    private func watchOver() async -> Result<Void, any Error> {
        while !Task.isCancelled {
            guard nextStep() != nil else { return .success(()) }
            let end = state.withLock { $0.timer.validUntil }
            guard lock.now() < end else { return .failure(lost()) }
            await pause(until: end)
        }
        return .success(())
    }

    /// What is to be done now; nil if it was released.
    private func nextStep() -> LeaseTimer.Step? {
        let moment = lock.now()
        return state.withLock { state in
            switch state.phase {
            case .held: state.timer.step(at: moment)
            case .released: nil
            case .lost: .over
            }
        }
    }

    private func held(at moment: DistributedLock.Instant) throws -> State {
        let state = state.withLock { $0 }
        guard state.phase == .held, state.timer.isValid(at: moment) else { throw lost() }
        return state
    }

    private func lose(_ error: any Error) -> KeyValueError {
        state.withLock { state in
            if state.phase == .held { state.phase = .lost }
            state.failure = error
        }
        return lost()
    }

    private func lost() -> KeyValueError {
        let (phase, failure) = state.withLock { state in
            if state.phase == .held { state.phase = .lost }
            return (state.phase, state.failure)
        }
        let text = phase == .released ? "it was released" : failure.map { "\($0)" }
        return KeyValueError(
            code: .lockLost,
            bucket: lock.bucket.name,
            key: key,
            text: text ?? "it was not renewed in time",
            revision: token,
            underlying: failure
        )
    }

    /// Waits for a moment of the lock's clock, or the task's end.
    private func pause(until moment: DistributedLock.Instant) async {
        do {
            // Another clock may jump: it is looked at again soon.
            let wait = min(max(.milliseconds(1), lock.now().duration(to: moment)), lock.lease / 10)
            try await Task.sleep(for: wait)
        } catch {
            // Cancelled: whoever pauses looks for that itself.
        }
    }
}
