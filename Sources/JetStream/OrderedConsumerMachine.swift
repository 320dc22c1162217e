import KVModel
import NATSProtocol

/// One message that an ordered consumer delivered in order.
public struct Delivery: Sendable, Hashable {
    /// Its place in the batch of messages.
    public var index: Int
    /// What the consumer says of it.
    public var metadata: DeliveryMetadata
}

/// Decides what an ordered consumer does with what arrives: pure, one batch in, one outcome out.
///
/// An ordered consumer acknowledges nothing: it counts. The consumer's own sequence must rise by one from message to
/// message; a gap, or a heartbeat that speaks of deliveries never seen, means that the consumer must be made anew
/// behind the last message received. Flow control requests are collected, to be answered when the batch was used.
struct OrderedConsumerMachine: Sendable, Equatable {
    /// What to do about a batch.
    struct Outcome: Sendable, Equatable {
        /// The messages to hand on, in order.
        var deliveries: [Delivery] = []
        /// Subjects to publish nothing to, once the messages were used.
        var flowControl: [String] = []
        /// Why the consumer must be made anew, if it must.
        var restart: RestartReason?
    }

    /// Why a consumer must be made anew.
    enum RestartReason: Sendable, Equatable {
        /// A delivery is missing.
        case gap(expected: UInt64, seen: UInt64)
        /// The server ended the consumer.
        case ended(status: Int)
    }

    /// The stream sequence of the last message that was handed on; 0 before the first.
    private(set) var lastStreamSequence: UInt64
    private var lastConsumerSequence: UInt64 = 0
    /// Up to which stream sequence messages are dropped, because they were handed on before.
    private var floor: UInt64 = 0

    /// A machine that has everything up to a sequence already.
    init(after sequence: UInt64) {
        lastStreamSequence = sequence
    }

    /// A new consumer takes over behind the last message; if it begins before, what it repeats is dropped.
    mutating func restarted(drops: Bool = false) {
        lastConsumerSequence = 0
        floor = drops ? lastStreamSequence : 0
    }

    /// Takes in what arrived.
    mutating func receive(_ batch: MessageBatch) -> Outcome {
        var outcome = Outcome()
        outcome.deliveries.reserveCapacity(batch.count)
        for index in 0..<batch.count where outcome.restart == nil {
            batch.withView(at: index) { receive($0, at: index, &outcome) }
        }
        return outcome
    }

    private mutating func receive(_ message: MessageView, at index: Int, _ outcome: inout Outcome) {
        if !message.headers.isEmpty, let status = message.status {
            outcome.restart = control(status, message, &outcome.flowControl)
            return
        }
        guard let metadata = DeliveryMetadata(reply: message.reply) else { return }
        guard metadata.consumerSequence == lastConsumerSequence + 1 else {
            outcome.restart = .gap(expected: lastConsumerSequence + 1, seen: metadata.consumerSequence)
            return
        }
        lastConsumerSequence += 1
        guard metadata.streamSequence > floor else { return }
        lastStreamSequence = metadata.streamSequence
        outcome.deliveries.append(Delivery(index: index, metadata: metadata))
    }

    private func control(_ status: Int, _ message: MessageView, _ flowControl: inout [String]) -> RestartReason? {
        guard status == 100 else { return .ended(status: status) }
        if !message.reply.isEmpty {
            flowControl.append(String(decoding: message.reply, as: UTF8.self))
            return nil
        }
        if let stalled = HeaderBlock.value(of: "Nats-Consumer-Stalled", in: message.headers) {
            flowControl.append(String(decoding: stalled, as: UTF8.self))
        }
        if let last = HeaderBlock.value(of: "Nats-Last-Consumer", in: message.headers),
            let sequence = UInt64(String(decoding: last, as: UTF8.self)), sequence != lastConsumerSequence
        {
            return .gap(expected: lastConsumerSequence, seen: sequence)
        }
        return nil
    }
}
