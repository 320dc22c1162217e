import ArgumentParser
import Daemon
import JetStream
import KVModel
import KeyValue
import Logging
import NATSClient
import Replication

/// `cistern doctor`: what can be done on a server.
struct DoctorCommand: CisternCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Say what a server, its version, the account's limits and permissions allow.",
        discussion: """
            Asks for things about a bucket that does not exist, and changes nothing. Permissions that hold for single \
            buckets only are not seen.

            Ends with exit code 0 if all of Cistern's work is possible, 1 if some is not, 69 if the server cannot be \
            reached.

            Examples:
              cistern doctor
              cistern doctor west --write-test
              cistern doctor --config cistern.yaml
            """
    )

    @Argument(help: "A `nats` context, or a cluster of the configuration file (default: all of its clusters).")
    var cluster: String?

    @Option(help: "A configuration file whose clusters are meant.", completion: .file(extensions: ["yaml", "yml"]))
    var config: String?

    @Flag(help: "Also make a bucket, write to it, read it, change it and delete it.")
    var writeTest = false

    @OptionGroup(title: "Connection")
    var connection: ConnectionOptions

    @OptionGroup(title: "Output")
    var output: OutputOptions

    func perform(_ console: Console) async throws -> RunStatus {
        var status = RunStatus.done
        for (index, patient) in try patients(console).enumerated() {
            let visit = try await visit(patient, console)
            if console.isJSON {
                try console.document(DiagnosisDocument(visit))
            } else {
                if index > 0 { try console.data(line: "") }
                if let name = patient.name { try console.data(line: "cluster \(name):") }
                try console.data(Self.table(visit.findings))
            }
            status = status.worse(visit.status)
        }
        return status
    }

    /// Somewhere to look at.
    private struct Patient {
        /// The cluster's name; nil for the default connection.
        var name: String?
        var route: ConnectionOptions.Route
    }

    /// What came of looking.
    struct Visit {
        var cluster: String?
        /// What was found out; nil if the server could not be reached.
        var examination: ServerExamination?
        var findings: [ServerDiagnosis.Finding]
        var status: RunStatus
    }

    private func patients(_ console: Console) throws -> [Patient] {
        guard let config else {
            return [Patient(name: cluster, route: try connection.route(to: cluster, environment: console.environment))]
        }
        let clusters = try ConfigurationFile.load(path: config, environment: console.environment).checked().clusters
        guard let cluster else {
            guard !clusters.isEmpty else { throw CommandError(.usage, text: "\(config) has no clusters") }
            return clusters.sorted { $0.key < $1.key }.map { Patient(name: $0.key, route: .init($0.value)) }
        }
        guard let settings = clusters[cluster] else {
            let names = clusters.keys.sorted()
            let closest = Spelling.closest(to: cluster, among: names).map { "did you mean \($0)?" }
            throw CommandError(
                .usage,
                text: "\(config) has no cluster \"\(cluster)\"",
                hint: closest ?? "its clusters are \(names.joined(separator: ", "))"
            )
        }
        return [Patient(name: cluster, route: .init(settings))]
    }

    private func visit(_ patient: Patient, _ console: Console) async throws -> Visit {
        // What the server refuses is what is looked for, and no reason to warn.
        var logger = console.logger()
        if logger.logLevel == .warning { logger.logLevel = .error }
        var visit = Visit(cluster: patient.name, examination: nil, findings: [], status: .done)
        do {
            let target = try patient.route.target(console.environment)
            try await Connection.withConnection(target.configuration, logger: logger) { connection in
                let context = JetStreamContext(
                    connection,
                    domain: target.domain,
                    apiPrefix: target.apiPrefix,
                    timeout: target.configuration.requestTimeout
                )
                let examination = try await ServerProbe(context).examine()
                visit.examination = examination
                visit.findings = ServerDiagnosis(examination).findings
                if writeTest, examination.obstacle == nil { visit.findings.append(await scratchTest(context)) }
            }
            visit.status = visit.findings.contains { $0.state == .impossible } ? .failed : .done
        } catch {
            let failure = Failure(error)
            guard !failure.isStop else { throw error }
            visit.findings.append(.init("server", .impossible, failure.message, hint: failure.hint))
            visit.status = failure.status
        }
        return visit
    }

    private func scratchTest(_ context: JetStreamContext) async -> ServerDiagnosis.Finding {
        do {
            try await ScratchTest(Buckets(context)).run()
            return .init("write test", .ok, "bucket \(ScratchTest.bucket) was made, written, read, changed and deleted")
        } catch {
            let failure = Failure(error)
            return .init("write test", .impossible, failure.message, hint: failure.hint)
        }
    }

    private static func table(_ findings: [ServerDiagnosis.Finding]) -> Table {
        var table = Table([.text("About"), .text("State"), .text("Why, and what to do")])
        for finding in findings {
            table.add([finding.subject, finding.state.rawValue, finding.text])
            if let hint = finding.hint { table.add(["", "", "-> \(hint)"]) }
        }
        return table
    }
}
