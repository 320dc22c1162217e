import Logging
import NATSProtocol
import NIOCore
import Synchronization

extension Connection {
    /// Keeps the connection until ``close()``, the cancellation of the task, or the end of the policy's patience,
    /// which alone is an error.
    public func run() async throws {
        try state.withLock { state in
            switch state.phase {
            case .idle: state.phase = .running
            case .running: throw NATSError(.invalidConfiguration, cause: "the connection is running already")
            case .closed(let reason): throw reason
            }
        }
        try await withTaskCancellationHandler {
            defer { finish(.closed, end: .success(())) }
            let dialer = try makeDialer()
            while let (server, delay) = try nextAttempt() {
                if delay > .zero, await !pause(for: delay) { break }
                await attempt(server, with: dialer)
            }
        } onCancel: {
            finish(.closed, end: .success(()))
        }
    }

    /// Waits for the first connection; fails with the reason as soon as every server was tried in vain.
    public func connect() async throws {
        try await waitForConnection(timeout: nil, failsWithRound: true)
    }

    /// Waits for a connection, however many attempts that takes.
    public func waitUntilConnected(timeout: Duration) async throws {
        try await waitForConnection(timeout: timeout, failsWithRound: false)
    }

    /// Takes no more messages, has the server process what was sent, and closes.
    ///
    /// What subscriptions have received may still be read.
    public func drain() async throws {
        let removed = state.withLock { state in
            state.repliesID = nil
            return state.subscriptions.removeAll()
        }
        var lines = ByteBuffer()
        for (sid, _) in removed { lines.writeUnsubscribe(sid: sid) }
        // The rows are gone from the table, so that a reconnect does not bring them back, but what is on its way must
        // still arrive: they are put back into the delivery until the server has confirmed.
        let isConnected = state.withLock { state in
            state.draining = Dictionary(uniqueKeysWithValues: removed.map { ($0.sid, $0.row.sink) })
            state.session?.channel.writeAndFlush(lines, promise: nil)
            return state.session != nil
        }
        defer { finish(.closed, end: .success(())) }
        if isConnected { try await flush() }
    }

    /// Ends everything: subscriptions end, what waits for an answer fails.
    public func close() async {
        let channel = state.withLock { $0.session?.channel ?? $0.dialing }
        finish(.closed, end: .success(()))
        // Closing may be reported as failed if the other side was quicker: it is closed all the same.
        try? await channel?.closeFuture.get()
    }

    private func makeDialer() throws -> Dialer {
        do {
            guard !configuration.servers.isEmpty else {
                throw NATSError(.invalidConfiguration, cause: "no server address is given")
            }
            return try Dialer(connection: self)
        } catch {
            let reason = error as? NATSError ?? NATSError(.invalidConfiguration, cause: "\(error)")
            finish(reason, end: .failure(reason))
            throw reason
        }
    }

    private func nextAttempt() throws -> (ServerAddress, Duration)? {
        let random = Double.random(in: 0..<1)
        let step = state.withLock { state -> ServerPool.Step? in
            if case .closed = state.phase { return nil }
            return state.pool.next(random: random)
        }
        switch step {
        case nil: return nil
        case .dial(let server, let delay): return (server, delay)
        case .giveUp:
            let last = state.withLock { $0.lastFailure }
            let reason =
                last ?? NATSError(.unreachable, cause: "the connection was lost and is not to be restored")
            finish(reason, end: .failure(reason))
            throw reason
        }
    }

    /// False if the connection was closed meanwhile.
    private func pause(for delay: Duration) async -> Bool {
        let pause = SingleResult<Void>()
        let isClosed = state.withLock { state in
            if case .closed = state.phase { return true }
            state.pause = pause
            return false
        }
        if isClosed { return false }
        let timer = after(delay) { pause.resolve(.success(())) }
        defer { timer.cancel() }
        do {
            try await pause.wait()
            return true
        } catch {
            return false
        }
    }

    /// Tries one server and, if it takes us, stays until that connection is lost.
    private func attempt(_ server: ServerAddress, with dialer: Dialer) async {
        logger.debug("connecting", metadata: ["server": "\(server)"])
        if epoch > 0 { announce(.reconnecting(server: server.description)) }
        let outcome = SessionOutcome()
        do {
            let channel = try await dialer.dial(server, outcome: outcome)
            let proceeds = state.withLock { state in
                if case .closed = state.phase { return false }
                if state.session == nil { state.dialing = channel }
                return true
            }
            guard proceeds else {
                channel.close(promise: nil)
                return
            }
            try await outcome.established.wait()
        } catch is CancellationError {
            return
        } catch {
            failed(NATSError(transport: error, server: server))
            return
        }
        // Cancellation closes the channel, so waiting for its end is waiting for little.
        let reason = (try? await outcome.ended.wait()) ?? .closed
        // Nobody has to be told of an end that was asked for.
        let isClosed = state.withLock { state in
            if case .closed = state.phase { true } else { false }
        }
        logger.log(
            level: isClosed ? .debug : .info,
            "disconnected",
            metadata: ["server": "\(server)", "reason": "\(reason)"]
        )
        state.withLock { state in
            state.lastFailure = reason
            state.pool.lost()
        }
    }

    private func failed(_ error: NATSError) {
        let refused =
            switch error.code {
            case .authorization, .authenticationExpired: true
            default: false
            }
        let waiters = state.withLock { state -> [SingleResult<Void>] in
            state.dialing = nil
            state.lastFailure = error
            state.pool.failed(refused: refused)
            guard state.pool.hasTriedAll else { return [] }
            state.roundFailure = error
            let impatient = state.connectWaiters.filter(\.value.failsWithRound)
            for id in impatient.keys { state.connectWaiters[id] = nil }
            return impatient.values.map(\.result)
        }
        logger.debug("not connected", metadata: ["reason": "\(error)"])
        for waiter in waiters { waiter.resolve(.failure(error)) }
    }

    func waitForConnection(timeout: Duration?, failsWithRound: Bool) async throws {
        let result = SingleResult<Void>()
        let id = try state.withLock { state -> UInt64? in
            if case .closed(let reason) = state.phase { throw reason }
            if state.session != nil { return nil }
            if failsWithRound, let failure = state.roundFailure { throw failure }
            let id = state.makeID()
            state.connectWaiters[id] = .init(result: result, failsWithRound: failsWithRound)
            return id
        }
        guard let id else { return }
        let timer = timeout.map { timeout in
            after(timeout) { [self] in
                let last = state.withLock { $0.lastFailure }
                let reason = last.map { ": \($0.cause)" } ?? ""
                result.resolve(
                    .failure(NATSError(.timeout, server: last?.server, cause: "no connection in time" + reason))
                )
            }
        }
        defer {
            timer?.cancel()
            state.withLock { $0.connectWaiters[id] = nil }
        }
        try await result.wait()
    }

    /// The end of everything; later calls do nothing.
    func finish(_ reason: NATSError, end: Result<Void, NATSError>) {
        let left = state.withLock { state -> ConnectionState? in
            if case .closed = state.phase { return nil }
            let left = state
            state.clear(reason)
            return left
        }
        guard let left else { return }
        for channel in [left.session?.channel, left.dialing].compactMap(\.self) {
            channel.close(promise: nil)
        }
        left.pause?.resolve(.failure(reason))
        for waiter in left.connectWaiters.values { waiter.result.resolve(.failure(reason)) }
        for request in left.requests.values { request.result.resolve(.failure(reason)) }
        for turn in left.turns { turn.resolve(.failure(reason)) }
        for flush in left.flushes.values { flush.resolve(.failure(reason)) }
        for writer in left.writers { writer.resolve(.failure(reason)) }
        let sinks = left.subscriptions.all.map(\.row.sink) + left.draining.values
        for case .subscription(let subscription) in sinks { subscription.finish(end) }
        for listener in left.listeners.values {
            listener.yield(.closed)
            listener.finish()
        }
    }
}
