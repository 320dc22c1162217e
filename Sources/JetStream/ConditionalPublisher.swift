import NATSClient
import NATSProtocol
import Synchronization

/// Publishes messages that the server may refuse one by one, and says of each what came of it.
///
/// Made for publishes that expect something of the stream (`Nats-Expected-…`): a refusal of one is no reason to hold
/// back the others. A batch is sent in one write and its answers are waited for; nothing is sent twice. What has no
/// answer may be stored or not: only the stream can say.
public actor ConditionalPublisher {
    /// What came of a message.
    public enum Outcome: Sendable {
        /// It is stored under this sequence.
        case stored(UInt64)
        /// It was not stored.
        case refused(JetStreamError)
        /// There was no answer.
        case unknown
    }

    private let context: JetStreamContext
    private let inbox: String
    private var answers: Subscription?
    private let batches = Atomic<Int>(0)

    /// A publisher on the context's connection.
    public init(_ context: JetStreamContext) async throws {
        self.context = context
        inbox = context.connection.newInbox()
        answers = try await context.connection.subscribe(inbox + ".>")
    }

    /// Messages to be sent together.
    public struct Batch: Sendable {
        fileprivate var messages = PublishBatch(reserving: 1 << 17)
        /// What the subjects of its answers begin with.
        fileprivate let inbox: [UInt8]
        private var reply: [UInt8]

        fileprivate init(inbox: String) {
            self.inbox = Array(inbox.utf8)
            reply = self.inbox
        }

        /// Whether it is time to send: 256 KiB or 1,024 messages.
        public var isFull: Bool { messages.byteCount >= 1 << 18 || messages.count >= 1024 }
        /// How many bytes there are to send.
        public var byteCount: Int { messages.byteCount }
        /// How many messages there are.
        public var count: Int { messages.count }

        /// Adds a message; `headers` is a whole wire block or empty.
        public mutating func append(
            subject: UnsafeRawBufferPointer,
            headers: UnsafeRawBufferPointer,
            payload: UnsafeRawBufferPointer
        ) {
            reply.removeSubrange(inbox.count...)
            reply.append(contentsOf: String(messages.count).utf8)
            reply.withUnsafeBytes {
                messages.append(subject: subject, reply: $0, headers: headers, payload: payload)
            }
        }
    }

    /// A batch to fill for `send`; answers to another one that come late are not taken for answers to it.
    nonisolated public func makeBatch() -> Batch {
        Batch(inbox: "\(inbox).\(batches.add(1, ordering: .relaxed).newValue).")
    }

    /// Sends a batch and waits for its answers: one for each message, in their order.
    public func send(_ batch: Batch) async throws -> [Outcome] {
        var outcomes = [Outcome](repeating: .unknown, count: batch.count)
        guard batch.count > 0, let answers else { return outcomes }
        let epoch: Int
        do {
            epoch = try await context.connection.publish(batch.messages)
        } catch let error as NATSError where error.code == .disconnected {
            return outcomes
        }
        var missing = batch.count
        var waited = Duration.zero
        while missing > 0, context.connection.epoch == epoch, waited < max(context.timeout, .seconds(10)) {
            do {
                guard let received = try await answers.next(timeout: .seconds(1)) else { break }
                for index in 0..<received.count {
                    try received.withView(at: index) { answer in
                        guard let number = Self.number(answer.subject, behind: batch.inbox),
                            outcomes.indices.contains(number)
                        else { return }
                        if case .unknown = outcomes[number] { missing -= 1 }
                        outcomes[number] = try outcome(answer)
                    }
                }
                waited = .zero
            } catch let error as NATSError where error.code == .timeout {
                waited += .seconds(1)
            }
        }
        return outcomes
    }

    /// Ends the publisher.
    public func stop() async {
        await answers?.unsubscribe()
        answers = nil
    }

    private static func number(_ subject: UnsafeRawBufferPointer, behind inbox: [UInt8]) -> Int? {
        guard subject.starts(with: inbox) else { return nil }
        return Int(String(decoding: subject.dropFirst(inbox.count), as: UTF8.self))
    }

    private func outcome(_ answer: MessageView) throws -> Outcome {
        do {
            return .stored(try PublishAcknowledgement(reply: answer, subject: context.apiPrefix).sequence)
        } catch let error as JetStreamError where error.code != .malformedReply {
            return .refused(error)
        }
    }
}
