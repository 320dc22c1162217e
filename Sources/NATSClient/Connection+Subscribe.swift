import NATSProtocol
import NIOCore
import Synchronization

extension Connection {
    /// Subscribes; while there is no connection, from the next one on.
    ///
    /// `capacity` is the number of bytes that may wait to be taken; `overflow` says what happens beyond it.
    public func subscribe(
        _ subject: String,
        queue: String? = nil,
        capacity: Int = 8 << 20,
        overflow: Subscription.Overflow = .pausesConnection
    ) async throws -> Subscription {
        if let fault = Subject.fault(in: subject, wildcardsAllowed: true) { throw NATSError(fault) }
        if let queue, let fault = Subject.fault(in: queue, wildcardsAllowed: false) { throw NATSError(fault) }
        return try state.withLock { state in
            if case .closed(let reason) = state.phase { throw reason }
            let (sid, sink) = state.subscriptions.add(subject: subject, queue: queue) { sid in
                .subscription(
                    Subscription(
                        subject: subject,
                        sid: sid,
                        capacity: capacity,
                        overflow: overflow,
                        connection: self
                    )
                )
            }
            guard case .subscription(let subscription) = sink else { throw NATSError.closed }
            if let session = state.session {
                var line = ByteBuffer()
                line.writeSubscribe(subject: subject, queue: queue, sid: sid)
                session.channel.writeAndFlush(line, promise: nil)
            }
            return subscription
        }
    }

    func unsubscribe(_ subscription: Subscription) {
        state.withLock { state in
            guard state.subscriptions.remove(subscription.sid) != nil, let session = state.session else { return }
            var line = ByteBuffer()
            line.writeUnsubscribe(sid: subscription.sid)
            session.channel.writeAndFlush(line, promise: nil)
        }
        subscription.finish(.success(()))
        resumeReading(for: subscription)
    }

    /// Lets the connection read again, unless another subscription is full or this one is full again.
    ///
    /// On the event loop, where it was stopped: so the two cannot overtake each other.
    func resumeReading(for subscription: Subscription) {
        eventLoop.execute { [self] in
            guard !subscription.isPausing else { return }
            let channel = state.withLock { state -> (any Channel)? in
                guard state.pausing.remove(subscription.sid) != nil, state.pausing.isEmpty else { return nil }
                return state.session?.channel
            }
            channel?.triggerUserOutboundEvent(ConnectionHandler.Command.resumeReading, promise: nil)
        }
    }
}
