import KVModel
import NATSClient
import NATSProtocol
import NIOCore

/// The server's own snapshot of a stream, as its chunks come.
///
/// The server sends on only as chunks are used, that is when `next` is called again. Nothing is ever sent twice: a
/// download that breaks off is given up, and what it was for begins anew or goes on in another way. That it came to its
/// end says nothing of the snapshot, whose own format tells whether it is whole. It is no consistent cut: servers from
/// 2.15 on leave out what is overwritten meanwhile.
public actor StreamDownload {
    /// How many bytes a chunk has: more brings nothing.
    public static let chunkBytes = 256 << 10
    /// How many bytes may be on their way.
    public static let windowBytes = 4 << 20

    /// The stream when the snapshot began: what came later is not in it for certain.
    public nonisolated let state: StreamInfo.State

    private let context: JetStreamContext
    private let subject: String
    private let epoch: Int
    private var chunks: Subscription?
    private var owed: [String] = []
    private var isEnded = false

    init(_ context: JetStreamContext, subject: String, state: StreamInfo.State, chunks: Subscription, epoch: Int) {
        self.context = context
        self.subject = subject
        self.state = state
        self.chunks = chunks
        self.epoch = epoch
    }

    /// Waits for the next chunks; nil at the end.
    public func next() async throws -> Chunks? {
        for reply in owed { try await context.connection.publish(reply, payload: ByteBuffer()) }
        owed = []
        guard !isEnded, let chunks else { return nil }
        let batch = try await nextBatch(of: chunks)
        for index in 0..<batch.count {
            try batch.withView(at: index) { message in
                guard message.payload.isEmpty else {
                    if !message.reply.isEmpty { owed.append(String(decoding: message.reply, as: UTF8.self)) }
                    return
                }
                // The end, or why it ends.
                isEnded = true
                guard let status = message.status, status != 204 else { return }
                let line = String(decoding: message.headers.prefix { $0 != 0x0D }, as: UTF8.self)
                throw interrupted("the server ended it with \(line)")
            }
        }
        return Chunks(messages: batch)
    }

    private func nextBatch(of chunks: Subscription) async throws -> MessageBatch {
        var waited = Duration.zero
        while true {
            guard context.connection.epoch == epoch else { throw interrupted("the connection was lost") }
            do {
                guard let batch = try await chunks.next(timeout: .seconds(1)) else {
                    throw interrupted("the connection was closed")
                }
                return batch
            } catch let error as NATSError where error.code == .timeout {
                waited += .seconds(1)
                if waited >= max(context.timeout, .seconds(10)) {
                    throw interrupted("nothing came for \(waited.components.seconds) s")
                }
            }
        }
    }

    private func interrupted(_ text: String) -> JetStreamError {
        JetStreamError(code: .interrupted, subject: subject, text: text, hint: "begin the snapshot anew")
    }

    /// Chunks that arrived together.
    public struct Chunks: Sendable {
        fileprivate let messages: MessageBatch

        /// Shows the bytes of every chunk in turn, in place.
        public func forEachChunk(_ body: (UnsafeRawBufferPointer) throws -> Void) rethrows {
            for index in 0..<messages.count {
                try messages.withView(at: index) { message in
                    if !message.payload.isEmpty { try body(message.payload) }
                }
            }
        }
    }

    /// Gives the rest up.
    public func stop() async {
        await chunks?.unsubscribe()
        chunks = nil
    }
}

extension JetStreamContext {
    /// Asks the server for a snapshot of a stream, without its consumers.
    ///
    /// Servers refuse one of a stream in memory before 2.15, and before that a second one at the same time.
    public func downloadStream(_ name: String) async throws -> StreamDownload {
        let verb = "STREAM.SNAPSHOT.\(name)"
        let inbox = connection.newInbox()
        let epoch = connection.epoch
        // Twice the window never fills: the connection is not held up.
        let chunks = try await connection.subscribe(inbox, capacity: 2 * StreamDownload.windowBytes)
        do {
            var wanted: JSONValue = [
                "deliver_subject": .string(inbox), "no_consumers": true,
                "chunk_size": .integer(Int64(StreamDownload.chunkBytes)),
            ]
            // Servers before 2.12 do not know it.
            if serverIsAtLeast(2, 12) { wanted["window_size"] = .integer(Int64(StreamDownload.windowBytes)) }
            let reply = try await request(verb, wanted, timeout: max(timeout, .seconds(15)))
            guard let state = StreamInfo.State(reply["state"]) else {
                throw JetStreamError(
                    code: .malformedReply,
                    subject: "\(apiPrefix).\(verb)",
                    text: "the reply does not say what the stream holds"
                )
            }
            return StreamDownload(
                self,
                subject: "\(apiPrefix).\(verb)",
                state: state,
                chunks: chunks,
                epoch: epoch
            )
        } catch {
            await chunks.unsubscribe()
            throw error
        }
    }
}
