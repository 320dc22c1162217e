import KVModel
import Synchronization

/// Waits for one lock: for a sign that it is free, or the moment at which it should be.
final class LockWaiter: Sendable {
    private struct State {
        var turn: LockTurn
        var claim: LockClaim
        /// Why the last attempt could not be made.
        var failure: (any Error)?
    }

    private let lock: DistributedLock
    private let state: Mutex<State>

    init(_ lock: DistributedLock) {
        self.lock = lock
        state = Mutex(State(turn: LockTurn(kept: lock.terms.kept, at: lock.now()), claim: LockClaim(lock)))
    }

    func acquire(timeout: Duration?) async throws -> LockLease {
        let began = ContinuousClock.now
        let result: Result<LockLease, any Error>
        do {
            if let lease = try await attempt() {
                result = .success(lease)
            } else {
                result = await wait(timeout.map { $0 - began.duration(to: .now) })
            }
        } catch {
            result = .failure(error)
        }
        switch result {
        case .success(let lease):
            guard Task.isCancelled else { return lease }
            await lease.giveBack()
            throw CancellationError()
        case .failure(let error):
            await state.withLock { $0.claim }.withdraw()
            throw error
        }
    }

    private func wait(_ timeout: Duration?) async -> Result<LockLease, any Error> {
        // Signs that come together are one.
        let (signs, sign) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        return await withTaskGroup(of: Result<LockLease?, any Error>.self) { group in
            group.addTask { await self.trying(signs) }
            group.addTask { await self.following(sign) }
            group.addTask { await self.ticking(sign) }
            if let timeout { group.addTask { await self.timing(timeout) } }
            var lease: LockLease?
            var failure: (any Error)?
            for await result in group {
                switch result {
                case .success(nil): continue
                case .success(let found?): lease = found
                case .failure(let error): failure = failure ?? error
                }
                group.cancelAll()
            }
            // An attempt that was under way when the time was over may have been the lucky one.
            if let lease { return .success(lease) }
            return .failure(Task.isCancelled ? CancellationError() : failure ?? CancellationError())
        }
    }

    /// Tries for the lock at each sign.
    private func trying(_ signs: AsyncStream<Void>) async -> Result<LockLease?, any Error> {
        do {
            for await _ in signs where !Task.isCancelled {
                if let lease = try await attempt() { return .success(lease) }
            }
            return .success(nil)
        } catch {
            return .failure(error)
        }
    }

    /// Gives a sign when the lock was released, and takes note of its renewals.
    private func following(_ sign: AsyncStream<Void>.Continuation) async -> Result<LockLease?, any Error> {
        var options = KeyWatchOptions(start: .newest, withoutValues: true)
        options.capacity = 0
        options.patience = nil
        while !Task.isCancelled {
            do {
                try await follow(options, sign)
            } catch  where error.passesByItself {
                // It could not even begin; meanwhile the time alone gives signs.
                do { try await Task.sleep(for: state.withLock { $0.turn.interval }) } catch { break }
            } catch {
                return Task.isCancelled ? .success(nil) : .failure(error)
            }
        }
        return .success(nil)
    }

    private func follow(_ options: KeyWatchOptions, _ sign: AsyncStream<Void>.Continuation) async throws {
        var isHeld = false
        for try await event in lock.bucket.watch([try KeyPattern(lock.key.description)], options: options) {
            switch event {
            case .entry(let entry):
                isHeld = entry.operation == .put
                let age = lock.terms.age(of: entry.created, at: .wallClock())
                let moment = lock.now()
                if isHeld { state.withLock { $0.turn.saw(age: age, at: moment) } } else { sign.yield() }
            case .undecodable: isHeld = true
            // It was released before the watch began.
            case .endOfInitialData: if !isHeld { sign.yield() }
            }
        }
    }

    /// Gives a sign when the lease that somebody else has should be over.
    private func ticking(_ sign: AsyncStream<Void>.Continuation) async -> Result<LockLease?, any Error> {
        while !Task.isCancelled {
            let moment = lock.now()
            let (isDue, interval) = state.withLock { state in
                let isDue = state.turn.isDue(at: moment)
                if isDue { state.turn.tried(at: moment) }
                return (isDue, state.turn.interval)
            }
            if isDue { sign.yield() }
            do { try await Task.sleep(for: interval) } catch { break }
        }
        return .success(nil)
    }

    private func timing(_ timeout: Duration) async -> Result<LockLease?, any Error> {
        do { try await Task.sleep(for: timeout) } catch { return .success(nil) }
        let failure = state.withLock { $0.failure }
        return .failure(
            KeyValueError(
                code: .lockHeld,
                bucket: lock.bucket.name,
                key: lock.key,
                text: failure.map { "\($0)" },
                underlying: failure
            )
        )
    }

    /// Tries once; nil if somebody else holds it, or the server cannot be reached at the moment.
    private func attempt() async throws -> LockLease? {
        var claim = state.withLock { $0.claim }
        let result: Result<LockLease?, any Error>
        do { result = .success(try await claim.attempt()) } catch { result = .failure(error) }
        let moment = lock.now()
        state.withLock { [claim] state in
            state.claim = claim
            switch result {
            case .success: state.failure = nil
            case .failure(let error):
                state.failure = error
                // What is there is not known: it is tried again soon.
                state.turn.saw(age: state.turn.kept - state.turn.interval, at: moment)
            }
        }
        do {
            return try result.get()
        } catch  where error.passesByItself {
            return nil
        }
    }
}
