import Logging
import NATSProtocol
import NIOCore
import Synchronization

/// What the handler on the event loop reports.
extension Connection {
    var isReadingPaused: Bool { state.withLock { !$0.pausing.isEmpty } }

    /// Hands messages on; on the event loop.
    func deliver(_ batch: MessageBatch) {
        guard let sid = batch.frames.first?.sid else { return }
        switch state.withLock({ $0.subscriptions.sink(sid) ?? $0.draining[sid] }) {
        case .subscription(let subscription):
            switch subscription.enqueue(batch) {
            case .takesMore: break
            case .pausesConnection: state.withLock { _ = $0.pausing.insert(sid) }
            case .ends: unsubscribe(subscription)
            }
        case .replies: deliverReplies(batch)
        case nil: break
        }
    }

    /// Makes a connection the one in use and returns what must be sent on it first; nil if it is no longer wanted.
    func established(_ channel: any Channel, server: ServerAddress, info: ServerInfo) -> ByteBuffer? {
        let result = state.withLock { state -> (lines: ByteBuffer, waiters: [SingleResult<Void>])? in
            if case .closed = state.phase { return nil }
            state.epoch += 1
            state.dialing = nil
            state.session = .init(channel: channel, server: server, epoch: state.epoch, info: info)
            state.pool.connected()
            state.pool.discovered(info.connectURLs)
            state.roundFailure = nil
            let waiters = state.connectWaiters.values.map(\.result)
            state.connectWaiters = [:]
            return (state.subscriptions.resubscription(), waiters)
        }
        guard let result else { return nil }
        logger.info("connected", metadata: ["server": "\(server)", "version": "\(info.versionText)"])
        announce(.connected(server: server.description))
        for waiter in result.waiters { waiter.resolve(.success(())) }
        return result.lines
    }

    func infoChanged(_ info: ServerInfo) {
        state.withLock { state in
            state.session?.info = info
            state.pool.discovered(info.connectURLs)
        }
    }

    /// The server will shut down; true if there is another to go to.
    func lameDuck(_ server: ServerAddress) -> Bool {
        logger.notice("the server is about to shut down", metadata: ["server": "\(server)"])
        announce(.lameDuck(server: server.description))
        return state.withLock { $0.pool.lameDuck() }
    }

    func completeFlush(_ id: UInt64, with result: Result<Void, any Error>) {
        state.withLock { $0.flushes.removeValue(forKey: id) }?.resolve(result)
    }

    /// The server complains and stays: those concerned fail at once.
    func report(_ fault: ServerFault, text: String, server: ServerAddress) {
        let error = NATSError(fault, text: text, server: server.description)
        logger.warning("the server complains", metadata: ["error": "\(error)"])
        announce(.serverError(text))
        switch fault {
        case .publishPermission(let subject):
            let concerned = state.withLock { state in
                let concerned = state.requests.filter { $0.value.subject == subject }
                for id in concerned.keys { state.requests[id] = nil }
                return concerned.values.map(\.result)
            }
            for request in concerned { request.resolve(.failure(error)) }
            giveTurns()
        case .subscriptionPermission(let subject, let queue):
            refuse(subject: subject, queue: queue, error)
        default: break
        }
    }

    private func refuse(subject: String, queue: String?, _ error: NATSError) {
        let (refused, requests) = state.withLock { state in
            let refused = state.subscriptions.refuse(subject: subject, queue: queue)
            var requests: [SingleResult<Message>] = []
            if let id = state.repliesID, refused.contains(where: { $0.sid == id }) {
                state.repliesID = nil
                requests = state.requests.values.map(\.result)
                state.requests = [:]
            }
            return (refused, requests)
        }
        for (_, row) in refused {
            guard case .subscription(let subscription) = row.sink else { continue }
            subscription.finish(.failure(error))
            resumeReading(for: subscription)
        }
        for request in requests { request.resolve(.failure(error)) }
        giveTurns()
    }

    /// The connection in use is lost: what waits for an answer over it fails.
    func sessionEnded(_ channel: any Channel, reason: NATSError) {
        let left = state.withLock { state -> ConnectionState? in
            guard let session = state.session, session.channel === channel else { return nil }
            let left = state
            state.lastInfo = session.info
            state.session = nil
            state.requests = [:]
            state.flushes = [:]
            state.writers = []
            return left
        }
        guard let left else { return }
        let error = NATSError(
            .disconnected,
            server: reason.server,
            cause: reason.cause,
            hint: reason.hint ?? "The connection is being restored: send it again once it is."
        )
        for request in left.requests.values { request.result.resolve(.failure(error)) }
        giveTurns()
        for flush in left.flushes.values { flush.resolve(.failure(error)) }
        for writer in left.writers { writer.resolve(.failure(error)) }
        announce(.disconnected(reason: reason.description))
    }
}
