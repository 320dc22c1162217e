import Foundation
import KVModel
import NATSClient
public import NATSProtocol
import NIOCore

/// Messages that arrived in order, with what the consumer says of each.
public struct DeliveredBatch: Sendable {
    /// The bytes.
    public let messages: MessageBatch
    /// The messages to use, in order; control messages are not among them.
    public let deliveries: [Delivery]

    /// Whether the consumer had nothing more to deliver after the last of these, by the server's estimate.
    public var isCaughtUp: Bool { deliveries.last?.metadata.pending == 0 }

    /// Shows every delivery in turn, in place.
    public func forEachDelivery(_ body: (DeliveryMetadata, MessageView) throws -> Void) rethrows {
        for delivery in deliveries {
            try messages.withView(at: delivery.index) { try body(delivery.metadata, $0) }
        }
    }
}

/// Reads a stream in order from a point on, through gaps, lost connections and restarts of the server.
///
/// A push consumer without acknowledgements, with flow control: the server sends on only when the batches before were
/// used, that is when `next` is called again. Whatever goes missing is read again behind the last message that was
/// handed out, so that a reader sees every message once and in order. A stream that was deleted and created again, or
/// that lost messages it had already delivered, is never read on silently.
public actor OrderedConsumer {
    /// Where to begin.
    public enum Start: Sendable, Hashable {
        /// At the first message.
        case all
        /// At a sequence, or the first message behind it.
        case sequence(UInt64)
        /// At the newest message of each subject.
        case lastPerSubject
        /// At messages that are yet to come.
        case new

        /// The sequence that reading begins behind, as far as it is known before.
        package var precedingSequence: UInt64 {
            if case .sequence(let first) = self, first > 0 { first - 1 } else { 0 }
        }
    }

    /// What to read, and how.
    public struct Options: Sendable {
        /// The subjects to read; empty means all.
        public var filters: [String] = []
        /// Where to begin.
        public var start: Start = .all
        /// Whether to leave out payloads.
        public var headersOnly = false
        /// How often an idle server says that it is there.
        public var heartbeat: Duration = .seconds(2)
        /// How many bytes a second the server may send; nil for no limit.
        ///
        /// A reader that merely takes its time lets what the server sends ahead pile up, until the server cuts it off.
        public var bytesPerSecond: UInt64?
        /// For how long to try to get a broken consumer going again before giving up; nil for ever.
        public var patience: Duration? = .seconds(120)
        /// The creation time that the stream must have; nil to take the one found.
        public var created: String?
        /// How many bytes may wait to be read.
        public var capacity = 8 << 20
        /// Whether a full consumer is given up, to be made anew behind what was read when that was read; otherwise the
        /// whole connection stops reading until there is room.
        public var parks = false

        /// Everything, from the first message on.
        public init() {}
    }

    /// How many messages there were to deliver when the consumer was first made, by the server's estimate.
    public private(set) var initiallyPending: UInt64 = 0
    /// The last sequence of the stream just before the consumer was first made.
    public let initialLastSequence: UInt64
    /// How often the consumer had to be made anew.
    public private(set) var restarts = 0
    /// The stream as it was when the consumer was last made.
    public private(set) var stream: StreamInfo

    private let context: JetStreamContext
    private let options: Options
    private var machine: OrderedConsumerMachine
    private var subscription: Subscription?
    private var epoch = 0
    private var owedFlowControl: [String] = []
    private var wantsRestart = false
    /// Whether the consumer was given up, to be made anew without anything having gone wrong.
    private var isToReopen = false
    /// When the server was last heard of, by a message, a heartbeat or a reply.
    private var lastHeard = ContinuousClock.now
    /// How often in a row it was silent for too long.
    private var silences = 0

    /// Starts reading a stream.
    public init(_ context: JetStreamContext, stream name: String, options: Options = Options()) async throws {
        self.context = context
        stream = try await context.streamInfo(name)
        initialLastSequence = stream.state.lastSequence
        var fixed = options
        if let created = options.created, created != stream.created {
            throw Self.recreated(name, from: created, to: stream.created)
        }
        fixed.created = stream.created
        if fixed.start == .new { fixed.start = .sequence(stream.state.lastSequence.addingClamped(1)) }
        if let rate = fixed.bytesPerSecond {
            // While it holds back a large message the server says nothing.
            let largest = Double(min(context.maximumPayload, 64 << 20)) / Double(max(1, rate))
            fixed.heartbeat = max(fixed.heartbeat, .seconds(min(largest / 2, 3600).rounded(.up)))
        }
        self.options = fixed
        // Servers before 2.10 send the newest of each subject in any order.
        let isAscending = fixed.start != .lastPerSubject || context.serverIsAtLeast(2, 10)
        machine = OrderedConsumerMachine(after: fixed.start.precedingSequence, isAscending: isAscending)
        initiallyPending = try await subscribe()
    }

    /// The stream sequence of the last message handed out; before the first, the one reading began behind.
    public var lastSequence: UInt64 { machine.lastStreamSequence }

    /// Bytes that have arrived and were not handed out yet.
    public var queuedBytes: Int { subscription?.queuedBytes ?? 0 }

    /// Waits for the next messages; answers nil if there are none within `timeout`.
    ///
    /// Calling it says that the batch before was used: only then the server may send more.
    public func next(timeout: Duration = .seconds(3600)) async throws -> DeliveredBatch? {
        let clock = ContinuousClock()
        let deadline = clock.now.advanced(by: timeout)
        try await payFlowControl()
        while true {
            if wantsRestart || isToReopen || context.connection.epoch != epoch {
                restarts += wantsRestart || context.connection.epoch != epoch ? 1 : 0
                (wantsRestart, isToReopen) = (false, false)
                try await restart()
            }
            guard let subscription else { throw CancellationError() }
            let now = clock.now
            guard now < deadline else { return nil }
            let batch: MessageBatch?
            do {
                batch = try await subscription.next(timeout: min(.seconds(1), now.duration(to: deadline)))
            } catch let error as NATSError where error.code == .timeout {
                if isSilent {
                    silences += 1
                    wantsRestart = true
                }
                continue
            }
            guard let batch else {
                if subscription.hasOverflowed {
                    isToReopen = true
                    continue
                }
                throw NATSError(.closed, subject: stream.name, cause: "the connection was closed")
            }
            (lastHeard, silences) = (clock.now, 0)
            let before = machine
            let outcome = machine.receive(batch)
            let jumps = leavesOut ? Self.jumps(in: batch, outcome.deliveries, after: before.lastStreamSequence) : []
            if !jumps.isEmpty, try await hasLeftOut(jumps) {
                machine = before
                continue
            }
            owedFlowControl += outcome.flowControl
            if outcome.restart != nil { wantsRestart = true }
            if !outcome.deliveries.isEmpty {
                return DeliveredBatch(messages: batch, deliveries: outcome.deliveries)
            }
            try await payFlowControl()
        }
    }

    /// Whether nothing was heard of the server for too long, whoever waited for it meanwhile.
    ///
    /// To be asked when nothing that has arrived is left: a reader that took its time finds heartbeats. A server that
    /// searches much for little sends none either, so that after each time in vain the limit grows.
    private var isSilent: Bool {
        let heartbeats: Int = 3 << min(silences, 5)
        return lastHeard.duration(to: .now) > options.heartbeat * heartbeats
    }

    /// Servers before 2.10 let a consumer that is behind jump to a roll-up of a subject (a purge), over whatever is
    /// between (seen on 2.9.10).
    private var leavesOut: Bool { !context.serverIsAtLeast(2, 10) && options.start != .lastPerSubject }

    /// The gaps in front of roll-ups.
    private static func jumps(
        in batch: MessageBatch,
        _ deliveries: [Delivery],
        after sequence: UInt64
    ) -> [Range<UInt64>] {
        var last = sequence
        var jumps: [Range<UInt64>] = []
        for delivery in deliveries {
            let next = delivery.metadata.streamSequence
            if next > last.addingClamped(1) {
                batch.withView(at: delivery.index) { message in
                    guard !message.headers.isEmpty else { return }
                    if HeaderBlock.value(of: "Nats-Rollup", in: message.headers) != nil {
                        jumps.append(last + 1..<next)
                    }
                }
            }
            last = next
        }
        return jumps
    }

    /// Whether the stream holds messages in gaps of what was delivered; the consumer must be made anew then, as it must
    /// if it does not.
    private func hasLeftOut(_ jumps: [Range<UInt64>]) async throws -> Bool {
        // What has arrived meanwhile is read again: as long as it fills the queue no reply gets through.
        await subscription?.unsubscribe()
        subscription = nil
        isToReopen = true
        do {
            for jump in jumps {
                for filter in options.filters.isEmpty ? [">"] : options.filters {
                    let next = try await context.message(stream.name, from: jump.lowerBound, subject: filter)
                    if let next, jump.contains(next.sequence) { return true }
                }
            }
            return false
        } catch  where error.isTransient {
            wantsRestart = true
            return true
        }
    }

    deinit {
        subscription?.cancel()
    }

    /// Stops reading.
    public func stop() async {
        await subscription?.unsubscribe()
        subscription = nil
    }

    private func payFlowControl() async throws {
        guard !owedFlowControl.isEmpty else { return }
        let subjects = owedFlowControl
        owedFlowControl = []
        for subject in subjects {
            do {
                try await context.connection.publish(subject, payload: ByteBuffer())
            } catch let error as NATSError where error.code == .disconnected {
                wantsRestart = true
            }
        }
    }

    private func restart() async throws {
        owedFlowControl = []
        await subscription?.unsubscribe()
        subscription = nil
        let clock = ContinuousClock()
        let started = clock.now
        var wait = Duration.milliseconds(50)
        while true {
            do {
                try await context.connection.waitUntilConnected(timeout: options.patience ?? .seconds(3600))
                let found = try await context.streamInfo(stream.name)
                if let created = options.created, found.created != created {
                    throw Self.recreated(stream.name, from: created, to: found.created)
                }
                if found.state.lastSequence < machine.lastStreamSequence {
                    throw regressed(to: found.state.lastSequence)
                }
                stream = found
                _ = try await subscribe()
                return
            } catch {
                // The consumers that this one follows count until the server finds that nobody listens.
                let isCrowded = (error as? JetStreamError)?.serverCode == 10_026
                let isOver = options.patience.map { started.duration(to: clock.now) > $0 } ?? false
                guard error.isTransient || isCrowded, !isOver else { throw error }
            }
            try await Task.sleep(for: wait)
            wait = min(wait * 2, .seconds(2))
        }
    }

    private func subscribe() async throws -> UInt64 {
        epoch = context.connection.epoch
        let inbox = context.connection.newInbox()
        let fresh = try await context.connection.subscribe(
            inbox,
            capacity: options.capacity,
            overflow: options.parks ? .ends : .pausesConnection
        )
        do {
            let wanted: JSONValue = ["stream_name": .string(stream.name), "config": consumer(deliveringTo: inbox)]
            let reply = try await context.connection.heavyRequests.run {
                try await context.request("CONSUMER.CREATE.\(stream.name)", wanted)
            }
            if options.filters.count > 1, reply["config"]?["filter_subjects"]?.array == nil {
                throw JetStreamError(
                    code: .unsupported,
                    subject: stream.name,
                    text: "the server takes one filter only",
                    hint: "servers from 2.10 on take several"
                )
            }
            machine.restarted(repeats: isStillChoosing)
            lastHeard = .now
            subscription = fresh
            return reply["num_pending"]?.unsigned ?? 0
        } catch {
            await fresh.unsubscribe()
            throw error
        }
    }

    /// Whether the newest message of each subject is still being chosen from what there was at the start: superseded
    /// ones must not come in their place after a restart.
    private var isStillChoosing: Bool {
        options.start == .lastPerSubject && context.serverIsAtLeast(2, 10)
            && machine.lastStreamSequence < initialLastSequence
    }

    private func consumer(deliveringTo inbox: String) -> JSONValue {
        var configuration: JSONValue = [
            "deliver_subject": .string(inbox), "ack_policy": "none", "max_deliver": 1, "mem_storage": true,
            "num_replicas": 1, "flow_control": true, "replay_policy": "instant",
            "idle_heartbeat": .integer(options.heartbeat.components.seconds * 1_000_000_000),
        ]
        if machine.lastStreamSequence > 0, !isStillChoosing {
            configuration["deliver_policy"] = "by_start_sequence"
            configuration["opt_start_seq"] = .unsigned(machine.lastStreamSequence.addingClamped(1))
        } else {
            configuration["deliver_policy"] = options.start == .lastPerSubject ? "last_per_subject" : "all"
        }
        if let rate = options.bytesPerSecond {
            configuration["rate_limit_bps"] = .unsigned(max(1, min(rate, .max / 8)) * 8)
        }
        if options.headersOnly { configuration["headers_only"] = true }
        if options.filters.count > 1 {
            configuration["filter_subjects"] = .array(options.filters.map { .string($0) })
        } else if let filter = options.filters.first {
            configuration["filter_subject"] = .string(filter)
        }
        return configuration
    }

    private func regressed(to last: UInt64) -> JetStreamError {
        JetStreamError(
            code: .streamRegressed,
            subject: stream.name,
            text: "the last sequence is \(last), but sequence \(machine.lastStreamSequence) was already read: "
                + "the server lost messages that it had acknowledged",
            hint: "find out what happened to the server's disk before writing more"
        )
    }

    private static func recreated(_ name: String, from old: String, to new: String) -> JetStreamError {
        JetStreamError(
            code: .streamRecreated,
            subject: name,
            text: "the stream was deleted and created again: created \(new), before that \(old)"
        )
    }
}
