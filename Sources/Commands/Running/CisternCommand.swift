import ArgumentParser
import Foundation

/// A command of ours: it does its work on a console and answers how the program ends.
protocol CisternCommand: AsyncParsableCommand, Sendable {
    /// How output looks.
    var output: OutputOptions { get }
    /// Whether a signal lets the command come to a checkpoint; otherwise it ends the program at once.
    static var stopsAtCheckpoint: Bool { get }

    /// Does the work.
    func perform(_ console: Console) async throws -> RunStatus
}

extension CisternCommand {
    static var stopsAtCheckpoint: Bool { false }

    /// Does the work and leaves with its exit code.
    func run() async throws {
        let status = await Execution.run(self, environment: ProcessInfo.processInfo.environment)
        throw ArgumentParser.ExitCode(status.rawValue)
    }
}
