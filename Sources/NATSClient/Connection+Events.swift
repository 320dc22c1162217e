import Synchronization

/// What is told of a connection to those who want to know.
extension Connection {
    /// How the connection stands now.
    public var status: ConnectionStatus { state.withLock { $0.status } }

    /// How the connection stands, from now on and beginning with now; ends after ``ConnectionStatus/closed``.
    ///
    /// Who reads slowly misses what has passed meanwhile, never what holds: only the newest is kept.
    public func statuses() -> AsyncStream<ConnectionStatus> {
        listen(\.statusListeners, keeping: 1, first: \.status)
    }

    /// What happens from now on; ends after ``ConnectionEvent/closed``.
    ///
    /// The newest 256 events wait for a reader; of those before a slow one learns nothing. To know only how the
    /// connection stands, see ``statuses()``.
    public func events() -> AsyncStream<ConnectionEvent> {
        listen(\.listeners, keeping: 256)
    }

    private func listen<Element: Sendable>(
        _ listeners: any WritableKeyPath<ConnectionState, [UInt64: AsyncStream<Element>.Continuation]> & Sendable,
        keeping count: Int,
        first: (ConnectionState) -> Element? = { _ in nil }
    ) -> AsyncStream<Element> {
        let (stream, continuation) = AsyncStream.makeStream(of: Element.self, bufferingPolicy: .bufferingNewest(count))
        let id = state.withLock { state -> UInt64? in
            // Under the lock, so that nothing newer is told before.
            if let first = first(state) { continuation.yield(first) }
            if case .closed = state.phase { return nil }
            let id = state.makeID()
            state[keyPath: listeners][id] = continuation
            return id
        }
        guard let id else {
            continuation.finish()
            return stream
        }
        continuation.onTermination = { [weak self] _ in
            _ = self?.state.withLock { $0[keyPath: listeners].removeValue(forKey: id) }
        }
        return stream
    }

    /// Tells of an event, and of the status if that is another one by it.
    func announce(_ event: ConnectionEvent) {
        let listeners = state.withLock { state in
            // Told under the lock, so that the newest comes last.
            for listener in state.statusListeners.values where state.toldStatus != state.status {
                listener.yield(state.status)
            }
            state.toldStatus = state.status
            return Array(state.listeners.values)
        }
        for listener in listeners { listener.yield(event) }
    }

    /// Tells of servers that were not known before.
    func announce(discovered endpoints: [String]) {
        if !endpoints.isEmpty { announce(.discovered(servers: endpoints)) }
    }
}

extension ConnectionState {
    var status: ConnectionStatus {
        switch phase {
        case .idle: .idle
        case .closed: .closed
        case .running where isDraining: .draining
        case .running where session != nil: .connected
        case .running: epoch == 0 ? .connecting : .reconnecting
        }
    }
}
