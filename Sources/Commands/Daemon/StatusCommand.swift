import ArgumentParser
import Daemon

/// `cistern status`: how a daemon is.
struct StatusCommand: CisternCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Say how a running daemon and its jobs are.",
        discussion: """
            Ends with exit code 1 if a job fails, with 69 if no daemon answers. With --alive it is only asked whether a \
            daemon answers, for the checks of those who keep it running.

            Examples:
              cistern status
              cistern status --json
              cistern status --alive
            """
    )

    @Flag(help: "Ask only whether the daemon answers.")
    var alive = false

    @OptionGroup(title: "Configuration")
    var file: ConfigurationOptions

    @OptionGroup(title: "Output")
    var output: OutputOptions

    func perform(_ console: Console) async throws -> RunStatus {
        let configuration = try file.load(console)
        return try await DaemonClient.withClient(of: file.http(configuration)) { daemon in
            if alive {
                try await daemon.checkAlive()
                try console.report("a daemon answers at \(daemon.address)")
                return .done
            }
            let status = try await daemon.status()
            if console.isJSON {
                try console.document(status)
            } else {
                try console.data(SchedulerText.status(status))
            }
            return status.counts.failing > 0 ? .failed : .done
        }
    }
}
