public import NATSProtocol
public import NIOCore
import Synchronization

extension Connection {
    /// How many requests may be under way at a time; more wait for their turn.
    ///
    /// Servers drop requests to the JetStream API, and messages to a stream, that pile up beyond 10,000.
    static let requestWindow = 4096

    /// Asks and waits for one answer.
    ///
    /// While there is no connection it waits for one, within its time. Nobody listening is
    /// ``NATSError/Code/noResponders``; a connection lost before the answer is ``NATSError/Code/disconnected``, and
    /// the request may or may not have been carried out. At most 4,096 requests are under way at a time: the time of
    /// those that wait for their turn begins when it comes.
    public func request(
        _ subject: String,
        payload: ByteBuffer = ByteBuffer(),
        headers: Headers? = nil,
        timeout: Duration? = nil
    ) async throws -> Message {
        if let fault = Subject.fault(in: subject, wildcardsAllowed: false) { throw NATSError(fault) }
        let timeout = timeout ?? configuration.requestTimeout
        var deadline = ContinuousClock.now + timeout
        let result = SingleResult<Message>()
        var id: UInt64?
        var hasTurn = false
        defer { if hasTurn { giveBackTurn() } }
        while id == nil {
            try await waitForConnection(timeout: deadline - .now, failsWithRound: false)
            switch try send(subject, payload, headers, .init(result, timeout, deadline, subject), hasTurn) {
            case .sent(let number): (id, hasTurn) = (number, false)
            case .noConnection: continue
            case .full(let turn):
                try await turn.wait()
                hasTurn = true
                deadline = .now + timeout
            }
        }
        defer { if let id { complete([id]) } }
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

    private enum Admission {
        /// It is on its way, and its answer filed under this number.
        case sent(UInt64)
        case noConnection
        /// There are too many under way: to be tried again when this is resolved.
        case full(SingleResult<Void>)
    }

    /// Sends a request if there is a connection and room for it.
    private func send(
        _ subject: String,
        _ payload: ByteBuffer,
        _ headers: Headers?,
        _ request: ConnectionState.PendingRequest,
        _ hasTurn: Bool
    ) throws -> Admission {
        let (admission, startsTimer) = try state.withLock { state -> (Admission, Bool) in
            if case .closed(let reason) = state.phase { throw reason }
            guard let session = state.session else { return (.noConnection, false) }
            guard hasTurn || state.requests.count + state.turnsTaken < Self.requestWindow else {
                let turn = SingleResult<Void>()
                state.turns.append(turn)
                return (.full(turn), false)
            }
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
            state.requests[id] = request
            if hasTurn { state.turnsTaken -= 1 }
            state.session?.outstanding += buffer.readableBytes
            // Written under the lock, so that the subscription is on its way before any other request.
            write(buffer, to: session)
            let isNext = state.nextDeadline.map { request.deadline < $0 } ?? true
            if isNext { state.nextDeadline = request.deadline }
            return (.sent(id), isNext)
        }
        if startsTimer { watchDeadline(request.deadline) }
        return admission
    }

    /// Hands the answers of a batch to those who wait for them.
    func deliverReplies(_ batch: MessageBatch) {
        for index in 0..<batch.count {
            let message = batch[index]
            guard let id = UInt64(message.subject.dropFirst(replyBase.count)) else { continue }
            for request in complete([id]) { request.result.resolve(.success(message)) }
        }
    }

    /// Takes requests from those under way, and lets others have their turn.
    @discardableResult
    func complete(_ ids: some Sequence<UInt64>) -> [ConnectionState.PendingRequest] {
        let requests = state.withLock { state in ids.compactMap { state.requests.removeValue(forKey: $0) } }
        giveTurns()
        return requests
    }

    /// Lets as many have their turn as there is room for.
    func giveTurns() {
        while let turn = state.withLock({ $0.nextTurn() }) {
            // Who no longer waits takes none.
            if !turn.resolve(.success(())) { state.withLock { $0.turnsTaken -= 1 } }
        }
    }

    private func giveBackTurn() {
        state.withLock { $0.turnsTaken = max(0, $0.turnsTaken - 1) }
        giveTurns()
    }

    /// One timer serves all requests: it is set for the earliest end of their time.
    private func watchDeadline(_ deadline: ContinuousClock.Instant) {
        _ = after(deadline - .now) { [weak self] in self?.expire(deadline) }
    }

    private func expire(_ deadline: ContinuousClock.Instant) {
        let now = ContinuousClock.now
        let (late, next) = state.withLock { state -> ([UInt64], ContinuousClock.Instant?) in
            // Another timer was set for an earlier end.
            guard state.nextDeadline == deadline else { return ([], nil) }
            var late: [UInt64] = []
            var next: ContinuousClock.Instant?
            for (id, request) in state.requests {
                if request.deadline <= now {
                    late.append(id)
                } else {
                    next = min(next ?? request.deadline, request.deadline)
                }
            }
            state.nextDeadline = next
            return (late, next)
        }
        for request in complete(late) {
            request.result.resolve(
                .failure(
                    NATSError(
                        .timeout,
                        subject: request.subject,
                        cause: "no answer came within \(request.timeout)",
                        hint: "The server may be busy, or the user may lack a permission."
                    )
                )
            )
        }
        if let next { watchDeadline(next) }
    }
}
