import Foundation
public import JetStream
import KVModel
import NATSClient
import NATSProtocol
import NIOCore

/// Finds out what a user may do on a server, and changes nothing there.
///
/// It asks for things about a bucket that does not exist: who may ask is told that there is none, who may not is told
/// so at once.
public struct ServerProbe: Sendable {
    private let context: JetStreamContext
    private let bucket: BucketName

    /// A probe over a connection.
    public init(_ context: JetStreamContext) {
        self.context = context
        let token = (0..<8).map { _ in String(Int.random(in: 0..<36), radix: 36) }.joined()
        bucket = BucketName(unchecked: "cistern-doctor-\(token)")
    }

    /// Throws `.targetRefuses` if the user may not have this bucket made anew, which may exist now.
    ///
    /// Whoever lacks a right would find out only after the bucket was deleted.
    static func checkMaking(_ bucket: BucketName, exactly isExact: Bool, _ context: JetStreamContext) async throws {
        let probe = ServerProbe(context, bucket)
        // Asked for without saying how, none of these does anything to a bucket that exists either.
        let needed: [ServerRight] = isExact ? [.restore, .upload] : [.create]
        for right in needed where try await probe.ask(for: right) == .denied {
            let subject = probe.subject(right, bucket: bucket.rawValue, stream: bucket.streamName)
            throw ReplicationError(
                .targetRefuses,
                bucket: bucket.rawValue,
                text: "the user may not publish to \(subject)",
                hint: "nothing was changed; give the user this permission"
            )
        }
    }

    private init(_ context: JetStreamContext, _ bucket: BucketName) {
        self.context = context
        self.bucket = bucket
    }

    /// Asks for everything in turn.
    public func examine() async throws -> ServerExamination {
        let info = context.connection.serverInfo
        var found = ServerExamination(
            version: context.serverVersion,
            // A server without a name is called by its id, which says nothing to anybody.
            serverName: info.flatMap { $0.serverName == $0.serverID ? nil : $0.serverName } ?? "",
            clusterName: context.clusterName,
            maximumPayload: context.maximumPayload
        )
        do {
            found.account = ServerExamination.Account(try await context.accountInformation())
        } catch let error as JetStreamError {
            found.obstacle = error.hint.map { "\(error.text): \($0)" } ?? error.text
            return found
        } catch let error as NATSError {
            guard case .permissions(let subject) = error.code else { throw error }
            guard subject == "\(context.apiPrefix).INFO" else {
                found.obstacle = "the user may not subscribe to \(context.connection.configuration.inboxPrefix).>"
                return found
            }
        }
        for right in ServerRight.allCases {
            found.subjects[right] = subject(right, bucket: "*", stream: "*")
            found.rights[right] = try await ask(for: right)
        }
        return found
    }

    private func subject(_ right: ServerRight, bucket: String, stream: String) -> String {
        right.subject(bucket: bucket, stream: stream, api: context.apiPrefix, values: context.publishSubject)
    }

    private func ask(for right: ServerRight) async throws -> ServerExamination.Answer {
        var payload = ByteBuffer()
        if let body = right.payload(bucket: bucket) { payload.writeBytes(try JSONEncoder().encode(body)) }
        // Whatever stream might listen on such a subject refuses a message that is for another.
        let headers: Headers? = right.isAnsweredByServer ? nil : ["Nats-Expected-Stream": bucket.streamName]
        do {
            _ = try await context.connection.request(
                subject(right, bucket: bucket.rawValue, stream: bucket.streamName),
                payload: payload,
                headers: headers,
                timeout: min(context.timeout, .seconds(5))
            )
            return .granted
        } catch let error as NATSError {
            switch error.code {
            case .permissions: return .denied
            case .noResponders: return right.isAnsweredByServer ? .unanswered : .granted
            case .timeout: return .unanswered
            default: throw error
            }
        }
    }
}
