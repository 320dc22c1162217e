import Foundation

/// Runs a command from its first to its last line of output: signals, errors, exit status.
enum Execution {
    /// Does a command's work; whatever it throws becomes a message and an exit status.
    static func run<Command: CisternCommand>(
        _ command: Command,
        environment: [String: String]
    ) async -> RunStatus {
        let console = Console(options: command.output.values, environment: environment)
        let work = Task {
            let status = try await command.perform(console)
            try console.flush()
            return status
        }
        let signals = StopSignals(stopsAtOnce: !Command.stopsAtCheckpoint) { work.cancel() }
        defer { signals.stop() }
        let result = await work.result
        console.progress.clear()
        switch result {
        case .success(let status):
            return status
        case .failure(let error):
            return end(error, signals.received, Command.stopsAtCheckpoint, console)
        }
    }

    private static func end(
        _ error: any Error,
        _ stop: RunStatus?,
        _ hasCheckpoint: Bool,
        _ console: Console
    ) -> RunStatus {
        // What was done before the failure is said before it.
        do { try console.flush() } catch { return Failure(error).status }
        let failure = Failure(error)
        if failure.isStop, let stop {
            if failure.isToldWhenStopped {
                console.fail(failure)
            } else if hasCheckpoint {
                console.note("cistern: stopped at a checkpoint; run the same command again to go on")
            }
            return stop
        }
        if !failure.isSilent { console.fail(failure) }
        return failure.status
    }
}
