import NATSClient
import NATSProtocol

/// Publishes numbered messages and gives the server's answers as they come, in any order.
///
/// For publishes that the server may refuse one by one, of which many are on their way at once. It waits for nothing
/// and repeats nothing: the caller bounds what is unanswered, and decides what no answer means.
public struct NumberedPublisher: Sendable {
    /// What the server says of a message.
    public enum Answer: Sendable {
        /// It is stored under this sequence.
        case stored(UInt64)
        /// It was dropped as a copy of what is, or was, stored under this sequence.
        case duplicate(UInt64)
        /// It was not stored.
        case refused(JetStreamError)
    }

    private let context: JetStreamContext
    private let inbox: [UInt8]
    private let subscription: Subscription

    /// A publisher on the context's connection.
    public init(_ context: JetStreamContext) async throws {
        self.context = context
        let name = context.connection.newInbox()
        inbox = Array((name + ".").utf8)
        subscription = try await context.connection.subscribe(name + ".*")
    }

    /// Messages to be sent together.
    public struct Batch: Sendable {
        fileprivate var messages = PublishBatch(reserving: 1 << 14)
        private let length: Int
        private var reply: [UInt8]

        fileprivate init(inbox: [UInt8]) {
            reply = inbox
            length = inbox.count
        }

        /// How many bytes there are to send.
        public var byteCount: Int { messages.byteCount }
        /// How many messages there are.
        public var count: Int { messages.count }

        /// Adds a message; `headers` is a whole wire block or empty.
        public mutating func append(
            number: UInt64,
            subject: UnsafeRawBufferPointer,
            headers: UnsafeRawBufferPointer,
            payload: UnsafeRawBufferPointer
        ) {
            reply.removeSubrange(length...)
            reply.append(contentsOf: String(number).utf8)
            reply.withUnsafeBytes {
                messages.append(subject: subject, reply: $0, headers: headers, payload: payload)
            }
        }
    }

    /// A batch to fill for `send`.
    public func makeBatch() -> Batch { Batch(inbox: inbox) }

    /// Sends a batch; answers the epoch of the connection that took it, nil where there was none.
    public func send(_ batch: Batch) async throws -> Int? {
        do {
            return try await context.connection.publish(batch.messages)
        } catch let error as NATSError where error.code == .disconnected {
            return nil
        }
    }

    /// Waits for answers; nil when the publisher was stopped or its connection closed.
    public func answers() async throws -> [(number: UInt64, answer: Answer)]? {
        guard let received = try await subscription.next() else { return nil }
        var answers: [(number: UInt64, answer: Answer)] = []
        answers.reserveCapacity(received.count)
        for index in 0..<received.count {
            received.withView(at: index) { message in
                guard let number = Self.number(message.subject, from: inbox.count) else { return }
                answers.append((number, answer(message)))
            }
        }
        return answers
    }

    /// Ends the publisher.
    public func stop() async {
        await subscription.unsubscribe()
    }

    private func answer(_ message: MessageView) -> Answer {
        do {
            let said = try PublishAcknowledgement(reply: message, subject: context.apiPrefix)
            return said.isDuplicate ? .duplicate(said.sequence) : .stored(said.sequence)
        } catch let error as JetStreamError {
            return .refused(error)
        } catch {
            return .refused(JetStreamError(code: .malformedReply, subject: context.apiPrefix, text: "\(error)"))
        }
    }

    private static func number(_ subject: UnsafeRawBufferPointer, from start: Int) -> UInt64? {
        guard subject.count > start, subject.count - start < 20 else { return nil }
        var value: UInt64 = 0
        for byte in subject[start...] {
            guard byte >= 48, byte <= 57 else { return nil }
            value = value * 10 + UInt64(byte - 48)
        }
        return value
    }
}
