import Archive
import JetStream
import KVModel
import KeyValue
import NATSClient
import Replication

/// Errors of every layer as a run tells them: what failed on what and why, and what to do about it in the file.
enum Explanation {
    /// One or two sentences.
    static func of(_ error: any Error) -> String {
        switch error {
        case is CancellationError: "stopped"
        case let error as ArchiveError: text(error)
        case let error as NATSError: text(error)
        case let error as ReplicationError: text(error)
        default: "\(error)"
        }
    }

    /// What errors advise speaks of options of the command line; here the configuration says the same.
    private static func text(_ error: ArchiveError) -> String {
        var copy = error
        switch error.code {
        case .encrypted: copy.hint = "name its `key` in the configuration"
        case .wrongKey: copy.hint = "name the `key` that it was made or last rekeyed with in the configuration"
        case .notEncrypted: copy.hint = "leave its `key` out of the configuration, or encrypt it with `cistern rekey`"
        default: break
        }
        return "\(copy)"
    }

    private static func text(_ error: NATSError) -> String {
        let hint =
            switch error.code {
            case .connectionRefused, .unreachable, .resolve:
                "check the cluster's `servers` or `context` in the configuration, and that the server runs"
            case .authorization: "check the cluster's credentials in the configuration"
            case .proxy: "check the cluster's proxy in the configuration"
            case .closed: "the daemon closed the connection: its configuration was read again, or it stops"
            default: error.hint
            }
        let bare = NATSError(error.code, server: error.server, subject: error.subject, cause: error.cause)
        return hint.map { "\(bare); \($0)" } ?? "\(bare)"
    }

    private static func text(_ error: ReplicationError) -> String {
        switch error.code {
        case .otherKeys:
            "bucket \(error.bucket): \(error.text); give the job the `filter` that the archive was begun with, or "
                + "another archive"
        default: "\(error)"
        }
    }
}
