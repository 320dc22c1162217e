import Foundation
import KVModel
import NATSClient
import NATSProtocol
import NIOCore

/// What a server says of a message it stored.
public struct PublishAcknowledgement: Sendable, Hashable {
    /// The sequence it got.
    public var sequence: UInt64
    /// Whether the server had it already, by its `Nats-Msg-Id`.
    public var isDuplicate: Bool
}

/// Publishes many messages with a bounded number of acknowledgements outstanding.
///
/// `append` only encodes; when it answers that the batch is full, `send` writes the batch and waits until the window
/// has room again. Messages reach the server in the order in which they were appended. Nothing is sent twice: a lost
/// connection, a refusal or a missing acknowledgement ends the pipeline with an error, after which only the caller can
/// know, from the stream itself, where to go on.
public actor PublishPipeline {
    /// How many messages may be unacknowledged.
    ///
    /// Servers from 2.11 on refuse messages when about 10,000 wait in a stream's queue; 1,024 to 4,096 are as fast as more.
    public static let defaultWindow = 4096

    /// How many messages were acknowledged.
    public private(set) var acknowledged = 0
    /// The highest sequence acknowledged.
    public private(set) var lastSequence: UInt64 = 0

    private let context: JetStreamContext
    private let inbox: String
    private let window: Int
    private let windowBytes: Int
    private var acknowledgements: Subscription?
    private var epoch: Int?
    private var sent = 0
    private var inFlight: [(messages: Int, bytes: Int)] = []
    private var bytesInFlight = 0

    /// A pipeline on the context's connection.
    public init(_ context: JetStreamContext, window: Int = defaultWindow, windowBytes: Int = 8 << 20) async throws {
        self.context = context
        self.window = window
        self.windowBytes = windowBytes
        inbox = context.connection.newInbox()
        acknowledgements = try await context.connection.subscribe(inbox)
    }

    /// A batch to fill for `send`.
    nonisolated public func makeBatch() -> Batch {
        Batch(reply: Array(inbox.utf8))
    }

    /// Messages on their way into the pipeline.
    public struct Batch: Sendable {
        fileprivate var messages = PublishBatch(reserving: 1 << 17)
        private let reply: [UInt8]

        fileprivate init(reply: [UInt8]) {
            self.reply = reply
        }

        /// Whether it is time to send: 64 KiB or 512 messages.
        public var isFull: Bool { messages.byteCount >= 1 << 16 || messages.count >= 512 }
        /// How many bytes there are to send.
        public var byteCount: Int { messages.byteCount }
        /// Whether there is nothing to send.
        public var isEmpty: Bool { messages.isEmpty }

        /// Adds a message; `headers` is a whole wire block or empty.
        public mutating func append(
            subject: UnsafeRawBufferPointer,
            headers: UnsafeRawBufferPointer,
            payload: UnsafeRawBufferPointer
        ) {
            reply.withUnsafeBytes {
                messages.append(subject: subject, reply: $0, headers: headers, payload: payload)
            }
        }
    }

    /// Sends a batch and waits until the window has room for another.
    public func send(_ batch: Batch) async throws {
        guard !batch.isEmpty else { return }
        let writtenIn: Int
        do {
            writtenIn = try await context.connection.publish(batch.messages)
        } catch let error as NATSError where error.code == .disconnected {
            throw interrupted("the connection was lost")
        }
        if let epoch, epoch != writtenIn { throw interrupted("the connection was lost and made anew") }
        epoch = writtenIn
        sent += batch.messages.count
        inFlight.append((batch.messages.count, batch.messages.byteCount))
        bytesInFlight += batch.messages.byteCount
        while sent - acknowledged > window || bytesInFlight > windowBytes && inFlight.count > 1 {
            try await readAcknowledgements()
        }
    }

    /// Waits for every acknowledgement that is still missing.
    public func finish() async throws {
        while acknowledged < sent { try await readAcknowledgements() }
        await stop()
    }

    /// Gives the pipeline up without waiting.
    public func stop() async {
        await acknowledgements?.unsubscribe()
        acknowledgements = nil
    }

    private func readAcknowledgements() async throws {
        guard let acknowledgements else { throw interrupted("the pipeline was stopped") }
        var waited = Duration.zero
        var batch: MessageBatch?
        while batch == nil {
            if context.connection.epoch != epoch { throw interrupted("the connection was lost") }
            do {
                batch = try await acknowledgements.next(timeout: .seconds(1))
                if batch == nil { throw interrupted("the connection was closed") }
            } catch let error as NATSError where error.code == .timeout {
                waited += .seconds(1)
                if waited >= max(context.timeout, .seconds(10)) {
                    throw interrupted("no acknowledgement for \(waited.components.seconds) s")
                }
            }
        }
        guard let batch else { return }
        for index in 0..<batch.count {
            let acknowledgement = try batch.withView(at: index) {
                try PublishAcknowledgement(reply: $0, subject: context.apiPrefix)
            }
            guard !acknowledgement.isDuplicate else { throw duplicate(acknowledgement.sequence) }
            acknowledged += 1
            lastSequence = max(lastSequence, acknowledgement.sequence)
        }
        settle(batch.count)
    }

    private func duplicate(_ sequence: UInt64) -> JetStreamError {
        JetStreamError(
            code: .duplicate,
            subject: context.apiPrefix,
            text: "the server dropped a message as a copy of sequence \(sequence)",
            hint: "the stream was emptied within its duplicate window: wait until that is over, or recreate the stream"
        )
    }

    private func settle(_ count: Int) {
        var rest = count
        while rest > 0, let first = inFlight.first {
            if first.messages > rest {
                inFlight[0].messages -= rest
                return
            }
            rest -= first.messages
            bytesInFlight -= first.bytes
            inFlight.removeFirst()
        }
    }

    private func interrupted(_ text: String) -> JetStreamError {
        JetStreamError(
            code: .interrupted,
            subject: context.apiPrefix,
            text: "\(text) with \(sent - acknowledged) publishes unacknowledged"
        )
    }
}
