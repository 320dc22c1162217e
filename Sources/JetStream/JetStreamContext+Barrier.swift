import NATSProtocol
import NIOCore

extension JetStreamContext {
    /// The last sequence of the stream that listens on a subject, behind everything that is on its way to it.
    ///
    /// A publish that expects a last sequence that no stream has is refused, with the one that there is. It is queued
    /// like any other: after a change of subjects servers from 2.9 to 2.15 still store what they had queued before.
    /// Throws a transient error where the queue is full; ask again then.
    public func lastSequence(behind subject: String) async throws -> UInt64 {
        var headers = Headers()
        headers.append("Nats-Expected-Last-Sequence", String(UInt64.max))
        do {
            _ = try await publish(subject, payload: ByteBuffer(), headers: headers)
        } catch let error as JetStreamError where error.code == .wrongLastSequence {
            let digits = error.text.drop { !$0.isNumber }.prefix { $0.isNumber }
            guard let sequence = UInt64(digits) else { throw error }
            return sequence
        }
        throw JetStreamError(code: .malformedReply, subject: subject, text: "the server stored what it was to refuse")
    }
}
