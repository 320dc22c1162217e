public import NATSProtocol
public import NIOCore
import Synchronization

extension Connection {
    /// Publishes one message; suspends while too much waits to be written.
    public func publish(
        _ subject: String,
        payload: ByteBuffer,
        reply: String? = nil,
        headers: Headers? = nil
    ) async throws {
        if let fault = Subject.fault(in: subject, wildcardsAllowed: false) { throw NATSError(fault) }
        var batch = PublishBatch(reserving: subject.utf8.count + payload.readableBytes + 128)
        batch.append(subject: subject, reply: reply, headers: headers, payload: payload)
        do {
            _ = try await publish(batch)
        } catch let error as NATSError where error.subject == nil {
            throw NATSError(error.code, server: error.server, subject: subject, cause: error.cause, hint: error.hint)
        }
    }

    /// Publishes a batch in one write and returns the epoch of the connection that took it.
    ///
    /// Suspends while too much waits to be written, and fails with ``NATSError/Code/disconnected`` where there is no
    /// connection, or another one than that of the epoch demanded. That it returns does not mean that the server has it:
    /// see ``epoch`` and ``flush(timeout:)``.
    public func publish(_ batch: PublishBatch, in demanded: Int? = nil) async throws -> Int {
        if let fault = batch.fault { throw NATSError(fault) }
        guard !batch.isEmpty else { return epoch }
        let bytes = batch.byteCount
        while true {
            let waiter = SingleResult<Void>()
            let session = try state.withLock { state -> ConnectionState.Session? in
                let session = try state.establishedSession()
                if let demanded, session.epoch != demanded {
                    throw NATSError(.disconnected, cause: "the connection was lost and made anew")
                }
                try Self.check(batch.largestMessage, against: session)
                if session.outstanding > 0, session.outstanding + bytes > configuration.writeLimit {
                    state.writers.append(waiter)
                    return nil
                }
                state.session?.outstanding += bytes
                return session
            }
            guard let session else {
                try await waiter.wait()
                continue
            }
            write(batch.buffer, to: session)
            return session.epoch
        }
    }

    /// Waits until the server has processed everything sent before.
    public func flush(timeout: Duration? = nil) async throws {
        let result = SingleResult<Void>()
        let (id, channel) = try state.withLock { state in
            let session = try state.establishedSession()
            let id = state.makeID()
            state.flushes[id] = result
            return (id, session.channel)
        }
        channel.triggerUserOutboundEvent(ConnectionHandler.Command.flush(id), promise: nil)
        let timer = after(timeout ?? configuration.requestTimeout) {
            result.resolve(.failure(NATSError(.timeout, cause: "the server did not answer a ping in time")))
        }
        defer {
            timer.cancel()
            state.withLock { $0.flushes[id] = nil }
        }
        try await result.wait()
    }

    static func check(_ size: Int, against session: ConnectionState.Session) throws {
        let limit = session.info.maxPayload
        guard size > limit else { return }
        throw NATSError(
            .maximumPayload(limit: limit),
            server: session.server.description,
            cause: "a message of \(size) bytes exceeds the server's limit of \(limit)",
            hint: "Raise max_payload on the server."
        )
    }

    /// Writes bytes that were already added to the outstanding ones.
    func write(_ buffer: ByteBuffer, to session: ConnectionState.Session) {
        let promise = session.channel.eventLoop.makePromise(of: Void.self)
        promise.futureResult.whenComplete { [bytes = buffer.readableBytes, epoch = session.epoch] _ in
            self.wrote(bytes, in: epoch)
        }
        session.channel.writeAndFlush(buffer, promise: promise)
    }

    private func wrote(_ bytes: Int, in epoch: Int) {
        let waiters = state.withLock { state -> [SingleResult<Void>] in
            guard state.session?.epoch == epoch else { return [] }
            state.session?.outstanding -= bytes
            guard let session = state.session, session.outstanding <= configuration.writeLimit / 2 else { return [] }
            defer { state.writers = [] }
            return state.writers
        }
        for waiter in waiters { waiter.resolve(.success(())) }
    }
}
