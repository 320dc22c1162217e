import Foundation
public import KVModel
import NATSClient
import NATSProtocol
import NIOCore

/// Uploads a snapshot, of which the server makes a stream: sequences, times and gaps are those of the snapshot.
///
/// Chunks go out in order with a bounded number of them unacknowledged. The server gives a restore up without a word
/// if nothing comes for 5 seconds, and forgets it with the connection's server: nothing is ever sent twice, whoever
/// wants to try again begins anew. Some versions say what is wrong in the answer to a chunk, some only at the end;
/// either way it is thrown. After `finish` has thrown, only the stream's info tells whether there is a stream: message
/// blocks leave none, the entries format leaves what had come.
public actor StreamRestore {
    /// How many chunks may be unacknowledged.
    public static let defaultWindow = 16
    /// How many bytes a chunk should have: more brings nothing.
    public static let chunkBytes = 256 << 10

    /// The stream's name.
    public nonisolated let stream: String
    /// How many bytes were sent.
    public private(set) var sentBytes: UInt64 = 0

    private let context: JetStreamContext
    private let subject: [UInt8]
    private let inbox: [UInt8]
    private let window: Int
    private var acknowledgements: Subscription?
    private var epoch: Int?
    private var sent = 0
    private var acknowledged = 0
    /// What the server has answered to the end.
    private var result: JSONValue?
    /// The server has stopped listening: why may be in an answer that is still to come.
    private var isGone = false

    init(_ context: JetStreamContext, stream: String, subject: String, window: Int) async throws {
        self.context = context
        self.stream = stream
        self.subject = Array(subject.utf8)
        self.window = max(1, window)
        let inbox = context.connection.newInbox()
        self.inbox = Array(inbox.utf8)
        acknowledgements = try await context.connection.subscribe(inbox)
    }

    /// Sends the next bytes of the snapshot, at most what the server takes in a message.
    ///
    /// An empty chunk is not sent: to the server it would be the end.
    public func send(_ chunk: [UInt8]) async throws {
        guard !chunk.isEmpty else { return }
        try await publish(chunk)
        sent += 1
        sentBytes += UInt64(chunk.count)
        while sent - acknowledged >= window { try await readAnswers(for: acknowledgementPatience) }
    }

    /// Says that the snapshot is whole, and gives what the server made of it.
    ///
    /// Servers do much of the work only now: `timeout`, from the acknowledgement of the last chunk on, should grow with
    /// the snapshot.
    public func finish(timeout: Duration) async throws -> StreamInfo {
        // Right behind the last chunk: over a long link the acknowledgements of those on their way would take a while.
        try await publish([])
        while result == nil, acknowledged < sent { try await readAnswers(for: acknowledgementPatience) }
        while result == nil { try await readAnswers(for: timeout) }
        await unsubscribe()
        guard let result, let info = StreamInfo(result) else {
            throw JetStreamError(
                code: .malformedReply,
                subject: restoreSubject,
                text: "the reply has no configuration, creation time or state"
            )
        }
        return info
    }

    private func publish(_ chunk: [UInt8]) async throws {
        var batch = PublishBatch(reserving: chunk.count + subject.count + inbox.count + 64)
        subject.withUnsafeBytes { subject in
            inbox.withUnsafeBytes { inbox in
                chunk.withUnsafeBytes { batch.append(subject: subject, reply: inbox, payload: $0) }
            }
        }
        do {
            epoch = try await context.connection.publish(batch, in: epoch)
        } catch let error as NATSError where error.code == .disconnected {
            throw interrupted("the connection was lost")
        }
    }

    /// Gives the restore up, so that the server does so at once and not after 5 seconds; does nothing after `finish`.
    public func abandon() async {
        guard acknowledgements != nil else { return }
        await unsubscribe()
        guard context.connection.epoch == epoch else { return }
        // A chunk that wants no answer ends the restore. If it cannot be sent, the server notices by itself.
        var batch = PublishBatch(reserving: 256)
        batch.append(subject: String(decoding: subject, as: UTF8.self), payload: ByteBuffer(bytes: [0]))
        _ = try? await context.connection.publish(batch)
    }

    private var restoreSubject: String { "\(context.apiPrefix).STREAM.RESTORE.\(stream)" }

    private func unsubscribe() async {
        await acknowledgements?.unsubscribe()
        acknowledgements = nil
    }

    private var acknowledgementPatience: Duration { max(context.timeout, .seconds(30)) }

    /// Reads acknowledgements, or what the server answers to the end.
    private func readAnswers(for patience: Duration) async throws {
        guard let acknowledgements else { throw interrupted("the restore was given up") }
        var waited = Duration.zero
        var batch: MessageBatch?
        while batch == nil {
            if let epoch, context.connection.epoch != epoch { throw interrupted("the connection was lost") }
            do {
                batch = try await acknowledgements.next(timeout: isGone ? .milliseconds(500) : .seconds(1))
                if batch == nil { throw interrupted("the connection was closed") }
            } catch let error as NATSError where error.code == .timeout {
                if isGone { throw interrupted("the server has given the restore up") }
                waited += .seconds(1)
                if waited >= patience { throw interrupted("no answer for \(waited.components.seconds) s") }
            }
        }
        guard let batch else { return }
        for index in 0..<batch.count {
            let isEmpty = batch.withView(at: index) { view in
                if view.status == 503 { isGone = true }
                return view.payload.isEmpty
            }
            if isEmpty {
                acknowledged += 1
                continue
            }
            let reply = try JetStreamContext.decode(batch[index], subject: restoreSubject)
            if acknowledged >= sent || StreamInfo(reply) != nil { result = reply } else { acknowledged += 1 }
        }
        if isGone, acknowledged >= sent { throw interrupted("the server has given the restore up") }
    }

    private func interrupted(_ text: String) -> JetStreamError {
        JetStreamError(
            code: .interrupted,
            subject: restoreSubject,
            text: "\(text) after \(sent) chunks, \(sent - acknowledged) of them unacknowledged",
            hint: "begin the restore anew"
        )
    }
}

extension JetStreamContext {
    /// Asks the server to make a stream of this configuration out of a snapshot, which is then to be sent.
    ///
    /// No stream of the name may exist; what the server's version does not know must not be in the configuration.
    public func restoreStream(
        _ configuration: JSONValue,
        window: Int = StreamRestore.defaultWindow
    ) async throws -> StreamRestore {
        let name = configuration["name"]?.string ?? ""
        let verb = "STREAM.RESTORE.\(name)"
        let reply = try await request(
            verb,
            ["config": configuration, "state": [:]],
            timeout: max(timeout, .seconds(15))
        )
        guard let subject = reply["deliver_subject"]?.string, !subject.isEmpty else {
            throw JetStreamError(
                code: .malformedReply,
                subject: "\(apiPrefix).\(verb)",
                text: "the reply does not say where to send the snapshot"
            )
        }
        return try await StreamRestore(self, stream: name, subject: subject, window: window)
    }
}
