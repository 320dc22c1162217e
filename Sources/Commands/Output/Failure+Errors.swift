import Archive
import ArgumentParser
import Daemon
import JetStream
import KVModel
import KeyValue
import NATSClient
import NATSProtocol
import Replication

/// Every error of every layer, as a message and an exit status: the one place that decides.
extension Failure {
    /// Tells an error.
    init(_ error: any Error) {
        switch error {
        case let error as CommandError: self.init(error)
        case let error as ModelError: self.init(message: "\(error)", status: .usage)
        case let error as NATSError: self.init(error)
        case let error as ProtocolError: self.init(message: error.cause, hint: error.hint, status: .unreachable)
        case let error as JetStreamError: self.init(error)
        case let error as KeyValueError: self.init(error)
        case let error as ArchiveError: self.init(error)
        case let error as ReplicationError: self.init(error)
        case let error as DaemonError: self.init(error)
        case let error as ValidationError: self.init(message: error.message, status: .usage)
        case is CancellationError:
            self.init(message: "stopped", hint: "run it again to go on", status: .interrupted)
            isStop = true
        default:
            self.init(message: "\(error)", status: .failed)
        }
    }

    private init(_ error: CommandError) {
        self.init(message: error.text, hint: error.hint, status: Self.status(error.code))
        isSilent = error.code == .outputClosed
    }

    private init(_ error: NATSError) {
        var message = error.cause
        if let subject = error.subject { message = "\(subject): \(message)" }
        if let server = error.server { message = "server \(server): \(message)" }
        // Where an option is wrong, its name helps more than what the client can say.
        let isOption = [.connectionRefused, .resolve, .authorization].contains(error.code)
        let hint = isOption ? Self.hint(error.code) : error.hint ?? Self.hint(error.code)
        self.init(message: message, hint: hint, status: Self.status(error.code))
        // A connection that is closed under the work was closed because the work was asked to stop.
        isStop = error.code == .closed
    }

    private init(_ error: JetStreamError) {
        let code = error.serverCode == 0 ? "" : " (server error \(error.serverCode))"
        self.init(
            message: "\(error.subject): \(error.text)\(code)",
            hint: error.hint ?? Self.hint(error.code),
            status: Self.status(error.code)
        )
    }

    private init(_ error: KeyValueError) {
        self.init(message: error.cause, hint: error.hint, status: Self.status(error.code))
    }

    private init(_ error: ArchiveError) {
        var bare = error
        bare.hint = nil
        self.init(message: bare.description, hint: error.hint, status: Self.status(error.code))
    }

    private init(_ error: ReplicationError) {
        self.init(message: "bucket \(error.bucket): \(error.text)", hint: error.hint, status: Self.status(error.code))
        isStop = error.code == .stopped
        isToldWhenStopped = isStop
    }

    private init(_ error: DaemonError) {
        self.init(message: error.text, hint: error.hint, status: Self.status(error.code))
        isStop = error.code == .stopped
    }
}

extension Failure {
    private static func status(_ code: CommandError.Code) -> RunStatus {
        switch code {
        case .usage: .usage
        case .fileExists: .exists
        // Whoever closes our output has what it wanted: `cistern keys FILE | head`.
        case .outputClosed: .done
        case .outputExists: .exists
        case .outputFailed, .inputFailed, .keyNotFound, .nothingMatches, .cannotChange, .declined, .jobFailed:
            .failed
        }
    }

    private static func status(_ code: NATSError.Code) -> RunStatus {
        switch code {
        case .connectionRefused, .unreachable, .resolve, .proxy, .authorization, .authenticationTimeout,
            .authenticationExpired, .tls, .maximumConnections, .permissions, .noResponders, .timeout, .disconnected,
            .closed, .staleConnection, .protocolViolation, .serverError:
            .unreachable
        case .invalidConfiguration: .usage
        case .maximumPayload, .invalidSubject, .invalidHeader: .failed
        }
    }

    private static func hint(_ code: NATSError.Code) -> String? {
        switch code {
        case .connectionRefused, .unreachable, .resolve:
            "check --server, NATS_URL or the context, and that the server runs"
        case .proxy: "check --socks-proxy, NATS_SOCKS_PROXY or the context, and the proxy's log"
        case .authorization: "check --user, --creds, --nkey or the context"
        case .authenticationTimeout, .timeout: "try again, or give more time with --timeout"
        case .authenticationExpired: "get new credentials"
        case .tls: "check --tlsca, --tlscert, --tlskey and --tlsfirst"
        case .maximumConnections: "close other connections, or raise the server's limit"
        case .permissions(let subject): "the user needs permission for \(subject)"
        case .maximumPayload: "raise the server's max_payload"
        case .noResponders, .disconnected, .staleConnection, .serverError: "try again; look into the server's log"
        case .protocolViolation: "check that the address is a NATS server's client port"
        case .closed, .invalidSubject, .invalidHeader, .invalidConfiguration: nil
        }
    }

    private static func status(_ code: JetStreamError.Code) -> RunStatus {
        switch code {
        case .unavailable, .notEnabled: .unreachable
        case .temporarilyUnavailable, .tooManyRequests: .busy
        case .streamExists: .exists
        case .invalidConfiguration, .unsupported, .streamNotFound, .consumerNotFound, .messageNotFound, .duplicate,
            .subjectsOverlap, .wrongLastSequence, .messageTooLarge, .storeFull, .invalidTimeToLive,
            .timeToLiveNotAllowed, .sealed, .insufficientResources,
            .streamRecreated, .streamRegressed, .interrupted, .restoreFailed, .malformedReply, .other:
            .failed
        }
    }

    private static func hint(_ code: JetStreamError.Code) -> String? {
        switch code {
        case .unavailable, .notEnabled: "enable JetStream for the account, or use another account's credentials"
        case .temporarilyUnavailable, .tooManyRequests: "try again in a while"
        case .streamRecreated: "run it again: the new bucket is taken up as a new incarnation"
        case .interrupted: "run it again: it goes on from what was stored"
        case .sealed: "the bucket takes no changes any more; restore under another name with --as"
        default: nil
        }
    }

    private static func status(_ code: KeyValueError.Code) -> RunStatus {
        switch code {
        case .bucketExists, .keyExists: .exists
        case .invalidKey, .invalidBucketName, .invalidPattern, .invalidOption, .invalidTimeToLive: .usage
        case .unanswered, .unavailable: .unreachable
        case .conflictTooOften, .lockHeld: .busy
        case .bucketNotFound, .notABucket, .keyNotFound, .wrongRevision, .valueTooLarge, .bucketFull,
            .timeToLiveNotAllowed, .readOnly, .undecodable, .unsupported, .lockLost, .stalled:
            .failed
        }
    }

    private static func status(_ code: ArchiveError.Code) -> RunStatus {
        switch code {
        case .locked, .fencedOff: .busy
        case .encrypted, .notEncrypted, .wrongKey, .invalidKey: .usage
        case .exists: .exists
        case .notFound, .notAnArchive, .newerFormat, .corrupt, .full, .readOnly, .io, .noSuchIncarnation,
            .noSuchPoint, .chainBroken, .invalid, .malformedInput:
            .failed
        }
    }

    private static func status(_ code: ReplicationError.Code) -> RunStatus {
        switch code {
        case .targetExists, .targetChanged: .exists
        case .notEqual: .different
        case .targetBusy, .claimedByOther: .busy
        case .keysCollide, .otherKeys, .sameBucket, .mirrorsOverlap: .usage
        case .sourceRegressed, .sourceDiverged, .sourceRecreated, .leftClosed, .targetRefuses, .nothingToRestore,
            .unsupported, .sourceGone, .revisionsDiffer:
            .failed
        case .stopped: .interrupted
        }
    }

    private static func status(_ code: DaemonError.Code) -> RunStatus {
        switch code {
        case .configuration, .unknownJob: .usage
        case .leaseHeldByOther, .stateLocked: .busy
        case .unreachable: .unreachable
        case .leaseLost, .leases, .state, .http, .notification: .failed
        case .stopped: .interrupted
        }
    }
}
