import ArgumentParser
import Daemon
import Foundation
import KVModel
import Schedule

/// `cistern check-config`: whether a configuration file can be used.
struct CheckConfigCommand: CisternCommand {
    static let configuration = CommandConfiguration(
        commandName: "check-config",
        abstract: "Check a configuration file.",
        discussion: """
            Says of a file with mistakes all of them, each with its line and what to write instead, and ends with exit \
            code 64. Files, contexts and variables that the file refers to must be there; servers are not asked.

            Examples:
              cistern check-config cistern.yaml
              cistern check-config cistern.yaml --json
            """
    )

    @Argument(help: "The configuration file.", completion: .file(extensions: ["yaml", "yml"]))
    var file: String

    @OptionGroup(title: "Output")
    var output: OutputOptions

    func perform(_ console: Console) async throws -> RunStatus {
        let checked = ConfigurationFile.load(path: file, environment: console.environment)
        let now = Timestamp.wallClock()
        if console.isJSON {
            try console.document(ConfigurationDocument(checked, now: now))
        } else {
            for warning in checked.warnings { console.warn("\(warning)".escapedForTerminal) }
            if let configuration = checked.configuration {
                try console.report(Self.summary(configuration))
                if !configuration.jobs.isEmpty, !console.options.isQuiet {
                    try console.data(Self.table(configuration.jobs, now: now))
                }
            } else {
                try console.data(checked.mistakes.map { "\($0)".escapedForTerminal })
            }
        }
        guard checked.configuration == nil else { return .done }
        throw CommandError(
            .usage,
            text: "\(file) has \(Self.count(checked.mistakes.count, "mistake"))",
            hint: "correct the file"
        )
    }

    private static func summary(_ configuration: DaemonConfiguration) -> String {
        let parts = [
            count(configuration.jobs.count, "job"), count(configuration.clusters.count, "cluster"),
            count(configuration.archives.count, "archive"),
        ]
        return "\(configuration.path.escapedForTerminal): \(parts.joined(separator: ", ")), valid"
    }

    private static func count(_ number: Int, _ noun: String) -> String {
        "\(number) \(noun)\(number == 1 ? "" : "s")"
    }

    private static func table(_ jobs: [JobSettings], now: Timestamp) -> Table {
        var table = Table([.text("Job"), .text("Work"), .text("Schedule"), .text("Next run")])
        for job in jobs {
            table.add([job.name, job.summary, "\(job.schedule)", JobText.nextRun(job.schedule, after: now)])
        }
        return table
    }
}
