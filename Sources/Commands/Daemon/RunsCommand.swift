import ArgumentParser
import Daemon

/// `cistern runs`: what ran, and what came of it.
struct RunsCommand: CisternCommand {
    static let configuration = CommandConfiguration(
        commandName: "runs",
        abstract: "List the runs of a running daemon's jobs, newest first.",
        discussion: """
            Examples:
              cistern runs
              cistern runs nightly --limit 5
              cistern runs --json | jq -r 'select(.outcome == "failed") | .error'
            """
    )

    @Argument(help: "The job; left out, all jobs.")
    var job: String?

    @Option(help: "At most so many.")
    var limit = 20

    @OptionGroup(title: "Configuration")
    var file: ConfigurationOptions

    @OptionGroup(title: "Output")
    var output: OutputOptions

    /// So many are asked for at once.
    private static let page = 200

    func validate() throws {
        if limit < 1 { throw ValidationError("--limit must be 1 or more.") }
    }

    func perform(_ console: Console) async throws -> RunStatus {
        let configuration = try file.load(console)
        try await DaemonClient.withClient(of: file.http(configuration)) { daemon in
            var runs: [RunDocument] = []
            var before: Int64?
            repeat {
                let count = min(limit - runs.count, Self.page)
                let found = try await daemon.runs(of: job, limit: count, before: before)
                runs += found.runs
                before = found.next
            } while before != nil && runs.count < limit
            if console.isJSON {
                for run in runs { try console.document(run) }
            } else if runs.isEmpty {
                console.note("no runs yet")
            } else {
                try console.data(SchedulerText.runs(runs))
            }
        }
        return .done
    }
}
