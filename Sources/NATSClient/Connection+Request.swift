public import NATSProtocol
public import NIOCore
import Synchronization

extension Connection {
    /// Asks and waits for one answer.
    ///
    /// While there is no connection it waits for one, within its time. Nobody listening is
    /// ``NATSError/Code/noResponders``; a connection lost before the answer is ``NATSError/Code/disconnected``, and
    /// the request may or may not have been carried out.
    public func request(
        _ subject: String,
        payload: ByteBuffer = ByteBuffer(),
        headers: Headers? = nil,
        timeout: Duration? = nil
    ) async throws -> Message {
        if let fault = Subject.fault(in: subject, wildcardsAllowed: false) { throw NATSError(fault) }
        let timeout = timeout ?? configuration.requestTimeout
        let deadline = ContinuousClock.now + timeout
        let result = SingleResult<Message>()
        var id: UInt64?
        while id == nil {
            try await waitForConnection(timeout: deadline - .now, failsWithRound: false)
            id = try send(subject, payload, headers, result)
        }
        let timer = after(deadline - .now) {
            result.resolve(
                .failure(
                    NATSError(
                        .timeout,
                        subject: subject,
                        cause: "no answer came within \(timeout)",
                        hint: "The server may be busy, or the user may lack a permission."
                    )
                )
            )
        }
        defer {
            timer.cancel()
            if let id { state.withLock { $0.requests[id] = nil } }
        }
        let reply = try await result.wait()
        if reply.status == 503, reply.payload.readableBytes == 0 {
            throw NATSError(
                .noResponders,
                subject: subject,
                cause: "nobody answers on this subject",
                hint: subject.hasPrefix("$JS.")
                    ? "JetStream may be disabled for this account, or the domain or API prefix may be wrong." : nil
            )
        }
        return reply
    }

    /// Sends a request if there is a connection, and returns what its answer is filed under.
    private func send(
        _ subject: String,
        _ payload: ByteBuffer,
        _ headers: Headers?,
        _ result: SingleResult<Message>
    ) throws -> UInt64? {
        try state.withLock { state -> UInt64? in
            if case .closed(let reason) = state.phase { throw reason }
            guard let session = state.session else { return nil }
            let id = state.makeID()
            var batch = PublishBatch(reserving: subject.utf8.count + payload.readableBytes + 256)
            batch.append(subject: subject, reply: replyBase + String(id), headers: headers, payload: payload)
            if let fault = batch.fault { throw NATSError(fault, subject: subject) }
            try Self.check(batch.largestMessage, against: session)
            var buffer = ByteBuffer()
            if state.repliesID == nil {
                let sid = state.subscriptions.add(subject: replyBase + "*", queue: nil) { _ in .replies }.sid
                state.repliesID = sid
                buffer.writeSubscribe(subject: replyBase + "*", queue: nil, sid: sid)
            }
            buffer.writeImmutableBuffer(batch.buffer)
            state.requests[id] = .init(subject: subject, result: result)
            state.session?.outstanding += buffer.readableBytes
            // Written under the lock, so that the subscription is on its way before any other request.
            write(buffer, to: session)
            return id
        }
    }

    /// Hands the answers of a batch to those who wait for them.
    func deliverReplies(_ batch: MessageBatch) {
        for index in 0..<batch.count {
            let message = batch[index]
            guard let id = UInt64(message.subject.dropFirst(replyBase.count)) else { continue }
            let request = state.withLock { $0.requests.removeValue(forKey: id) }
            request?.result.resolve(.success(message))
        }
    }
}
