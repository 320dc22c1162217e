import KVModel
import NATSProtocol
import Replication

/// What can be done on a server, in `--json` output.
struct DiagnosisDocument: Encodable, Sendable {
    /// The server.
    struct Server: Encodable, Sendable {
        var version: String
        var name: String
        var cluster: String?
        var maxPayload: Int
        var apiLevel: Int64?
    }

    /// What the account uses and may use; -1 for no limit.
    struct Account: Encodable, Sendable {
        var memory: Int64
        var maxMemory: Int64
        var storage: Int64
        var maxStorage: Int64
        var streams: Int64
        var maxStreams: Int64
        var consumers: Int64
        var maxConsumers: Int64
        var maxBytesRequired: Bool
    }

    /// One thing that was looked at.
    struct Finding: Encodable, Sendable {
        var about: String
        var state: String
        var text: String
        var hint: String?
    }

    var cluster: String?
    var reached: Bool
    var sound: Bool
    var server: Server?
    var account: Account?
    var findings: [Finding]

    init(_ visit: DoctorCommand.Visit) {
        cluster = visit.cluster
        reached = visit.examination != nil
        sound = visit.status == .done
        server = visit.examination.map { found in
            Server(
                version: found.version.description,
                name: found.serverName,
                cluster: found.clusterName,
                maxPayload: found.maximumPayload,
                apiLevel: found.account.map(\.apiLevel)
            )
        }
        account = visit.examination?.account.map { account in
            Account(
                memory: account.memory,
                maxMemory: account.maximumMemory,
                storage: account.storage,
                maxStorage: account.maximumStorage,
                streams: account.streams,
                maxStreams: account.maximumStreams,
                consumers: account.consumers,
                maxConsumers: account.maximumConsumers,
                maxBytesRequired: account.requiresMaximumBytes
            )
        }
        findings = visit.findings.map { finding in
            // One word, as every state of a document is.
            let state = finding.state == .impossible ? "impossible" : finding.state.rawValue
            return Finding(about: finding.subject, state: state, text: finding.text, hint: finding.hint)
        }
    }
}
