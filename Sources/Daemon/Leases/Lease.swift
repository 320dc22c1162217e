public import Archive
import KVModel
import Synchronization

/// The right of one daemon to run a job, for as long as it is renewed.
///
/// It is judged by this machine's clock alone: whoever cannot reach the server, or was stopped and goes on, knows by it
/// that the lease is over before the server lets anybody else take it. So work asks `check` before it begins, and at each
/// of its checkpoints. A lease that is over stays so; the next one of the job has a higher token.
public final class Lease: Sendable {
    private struct State {
        var revision: Revision
        var validUntil: ContinuousClock.Instant
        var renewAt: ContinuousClock.Instant
        var isOver = false
    }

    /// The job.
    public let job: String
    /// What the job's writes are fenced with: the revision with which the lease was taken.
    ///
    /// Renewals have higher revisions, but the token stays: it is one for all of a holder's writes, and as revisions of
    /// a bucket only grow, that of every later holder is higher.
    public let fencing: FencingToken
    /// Who has it, since when.
    let holder: LeaseHolder
    private let now: @Sendable () -> ContinuousClock.Instant
    private let state: Mutex<State>

    init(
        job: String,
        fencing: FencingToken,
        holder: LeaseHolder,
        validUntil: ContinuousClock.Instant,
        renewAt: ContinuousClock.Instant,
        now: @escaping @Sendable () -> ContinuousClock.Instant
    ) {
        self.job = job
        self.fencing = fencing
        self.holder = holder
        self.now = now
        state = Mutex(State(revision: fencing.value, validUntil: validUntil, renewAt: renewAt))
    }

    /// The fencing token's number.
    public var token: UInt64 { fencing.value }

    /// Whether it holds now.
    public var isValid: Bool { isValid(at: now()) }

    /// Whether it holds, without being renewed, at a moment of this machine's clock.
    public func isValid(at moment: ContinuousClock.Instant) -> Bool {
        state.withLock { !$0.isOver && moment < $0.validUntil }
    }

    /// Throws `.leaseLost` unless it holds now.
    public func check() throws(DaemonError) {
        guard !isValid else { return }
        throw DaemonError(
            .leaseLost,
            text: "this daemon's lease of job \(job) is over",
            hint: "another daemon goes on with it from its last checkpoint"
        )
    }

    /// The revision with which it was last renewed.
    var revision: Revision { state.withLock { $0.revision } }

    func isDue(at moment: ContinuousClock.Instant) -> Bool {
        state.withLock { !$0.isOver && moment >= $0.renewAt }
    }

    /// Puts the next renewal off.
    func postpone(to moment: ContinuousClock.Instant) {
        state.withLock { $0.renewAt = moment }
    }

    /// Takes note of the revision of a renewal that was stored without an answer.
    func found(_ revision: Revision) {
        state.withLock { $0.revision = max($0.revision, revision) }
    }

    /// Takes note of a renewal; answers false if it came too late.
    func renewed(
        _ revision: Revision,
        validUntil: ContinuousClock.Instant,
        renewAt: ContinuousClock.Instant
    ) -> Bool {
        let moment = now()
        return state.withLock { state in
            state.revision = max(state.revision, revision)
            guard !state.isOver, moment < state.validUntil else { return false }
            state.validUntil = max(state.validUntil, validUntil)
            state.renewAt = renewAt
            return true
        }
    }

    /// Ends it.
    func end() {
        state.withLock { $0.isOver = true }
    }
}
