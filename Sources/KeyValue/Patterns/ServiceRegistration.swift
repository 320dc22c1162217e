import KVModel
import Synchronization

/// An instance that stands in a registry for as long as it is renewed.
public final class ServiceRegistration: Sendable {
    typealias Instant = ContinuousClock.Instant

    private struct State {
        /// nil before it was entered.
        var timer: LeaseTimer?
        /// Whether it is not to be in the registry any more.
        var isOver = false
        /// The newest revision of the key that is known to be ours; 0 if there is none.
        var revision: Revision = 0
        var failure: (any Error)?
    }

    /// The instance.
    public let instance: ServiceInstance

    private let registry: ServiceRegistry
    private let bucket: KeyValueBucket
    private let session = ServiceInstance.randomID()
    private let value: [UInt8]
    private let state = Mutex(State())

    init(_ registry: ServiceRegistry, _ instance: ServiceInstance) throws {
        self.registry = registry
        self.instance = instance
        bucket = registry.bucket.forPattern(requestTimeout: LeaseTimer.requestTimeout(of: registry.lease))
        value = try instance.value(session: session)
    }

    /// Whether the bucket holds it, as far as can be known without asking: it was renewed less than a lease ago.
    public var isRegistered: Bool {
        state.withLock { !$0.isOver && $0.timer?.isValid(at: .now) ?? false }
    }

    /// Why the last renewal failed; nil if it did not.
    public var failure: (any Error)? { state.withLock { $0.failure } }

    /// Keeps the instance in the registry until the task is cancelled, and then removes it.
    ///
    /// While the server cannot be reached it goes on trying, and enters the instance again if it has expired, or was
    /// deleted. Throws `wrongRevision` if another program registers the same id meanwhile: the later one stands.
    /// Throws `bucketNotFound` if there is no bucket for longer than a lease, and other errors that do not pass by
    /// themselves at once.
    public func run() async throws {
        while !Task.isCancelled {
            let moment = Instant.now
            guard let timer = state.withLock({ $0.isOver ? nil : $0.timer }) else { return }
            switch timer.step(at: moment) {
            case .wait(let due):
                do { try await Task.sleep(until: due, clock: .continuous) } catch { break }
            case .renew, .over:
                do {
                    try await renew()
                } catch {
                    guard !Task.isCancelled else { break }
                    try await fail(error)
                }
            }
        }
        await remove()
    }

    /// Removes the instance now, instead of when its time is over; `run` ends then.
    ///
    /// Throws if the server cannot be told: then it is shown until its time is over. What another program registered
    /// under the same id stays.
    public func deregister() async throws {
        let revision = state.withLock { state in
            state.isOver = true
            return state.revision
        }
        try await Task { try await self.clear(revision) }.value
    }

    /// Enters it, whatever was there.
    func enter() async throws {
        let backoff = Backoff(first: .milliseconds(5), most: .milliseconds(250))
        let deadline = Instant.now + registry.bucket.requestTimeout
        var failures = 0
        while true {
            do {
                if try await replace(try await newest()) { return }
                guard Instant.now < deadline else {
                    throw KeyValueError(code: .conflictTooOften, bucket: bucket.name, key: instance.key)
                }
            } catch  where error.passesByItself && Instant.now < deadline {
                // Requests are short, so that a renewal is repeated in time.
            }
            failures += 1
            try await Task.sleep(for: backoff.delay(after: failures, random: .random(in: 0..<1)))
        }
    }

    /// Writes it in place of an entry; false if somebody was quicker.
    private func replace(_ entry: (revision: Revision, session: String?)?) async throws -> Bool {
        let asked = Instant.now
        do {
            let revision = try await registry.terms.update(
                instance.key,
                value,
                expecting: entry?.revision ?? 0,
                in: bucket
            )
            try await took(revision, askedAt: asked)
            return true
        } catch let error as KeyValueError where error.code == .wrongRevision {
            return false
        } catch let error as KeyValueError where error.code == .unanswered {
            guard let found = try await newest(), found.session == session else { throw error }
            // It is there, but not known since when: at least since this was asked.
            try await took(found.revision, askedAt: asked)
            return true
        }
    }

    private func renew() async throws {
        let known = state.withLock { $0.revision }
        if try await replace((known, session)) { return }
        // An answer was lost, it has expired, or somebody else has the key.
        let found = try await newest()
        if let other = found?.session, other != session {
            state.withLock { $0.isOver = true }
            throw KeyValueError(
                code: .wrongRevision,
                bucket: bucket.name,
                key: instance.key,
                text: "another program has registered the same instance",
                revision: found?.revision
            )
        }
        if !state.withLock({ $0.isOver }) { _ = try await replace(found) }
    }

    private func took(_ revision: Revision, askedAt moment: Instant) async throws {
        let isOver = state.withLock { state in
            state.revision = max(state.revision, revision)
            state.failure = nil
            state.timer = LeaseTimer(lease: registry.lease, askedAt: moment)
            return state.isOver
        }
        // It was removed while this was under way.
        if isOver { try await clear(revision) }
    }

    /// Takes note of a failure; throws it if it does not pass by itself.
    private func fail(_ error: any Error) async throws {
        let moment = Instant.now
        let isFatal = state.withLock { state in
            state.failure = error
            state.timer?.failed(at: moment, random: .random(in: 0..<1))
            guard let timer = state.timer, !state.isOver else { return true }
            // A cluster that restarts may not know its buckets for a while.
            let isGone = (error as? KeyValueError)?.code == .bucketNotFound
            return isGone ? !timer.isValid(at: moment) : !error.passesByItself
        }
        guard !isFatal else { throw error }
        do {
            try await Task.sleep(for: registry.lease / 30)
        } catch {
            // Cancelled: `run` looks for that.
        }
    }

    /// The newest entry of the key; the session is empty if something else than a registry wrote it.
    private func newest() async throws -> (revision: Revision, session: String?)? {
        do {
            guard let entry = try await bucket.latest(instance.key) else { return nil }
            guard entry.operation == .put else { return (entry.revision, nil) }
            return (entry.revision, ServiceInstance.session(of: entry) ?? "")
        } catch let error as KeyValueError where error.code == .undecodable {
            guard let revision = error.revision else { throw error }
            return (revision, "")
        }
    }

    /// Removes it as far as the server can be told: otherwise it expires.
    private func remove() async {
        do { try await deregister() } catch { state.withLock { $0.failure = error } }
    }

    private func clear(_ revision: Revision) async throws {
        var revision = revision
        var failure: (any Error)?
        for _ in 0..<4 {
            do {
                return try await registry.terms.remove(instance.key, expecting: revision, in: bucket)
            } catch let error as KeyValueError where [.wrongRevision, .unanswered].contains(error.code) {
                // A renewal came in between, or a question or its answer was lost.
                guard let found = try await newest(), found.session == session else { return }
                revision = found.revision
                failure = error
            }
        }
        if let failure { throw failure }
    }
}
