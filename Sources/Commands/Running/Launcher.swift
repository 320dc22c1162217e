import ArgumentParser
import Foundation

/// From the program's arguments to its exit code.
enum Launcher {
    /// Parses and runs; whatever happens has been said when it returns.
    static func run(_ arguments: [String], environment: [String: String]) async -> Int32 {
        let parsed: any ParsableCommand
        do {
            parsed = try await Cistern.asyncParseAsRoot(arguments)
        } catch {
            return end(error, arguments)
        }
        guard let command = parsed as? any CisternCommand else {
            // The root, a group or `help`: all they do is to show a help text.
            do {
                var command = parsed
                try command.run()
                return 0
            } catch {
                return end(error, arguments)
            }
        }
        return await Execution.run(command, environment: environment).rawValue
    }

    /// Shows what the parser has to say: help to standard output, mistakes to standard error.
    private static func end(_ error: any Error, _ arguments: [String]) -> Int32 {
        let code = Cistern.exitCode(for: error)
        let text = Cistern.fullMessage(for: error)
        if code.isSuccess {
            let output = ResultStream()
            do {
                signal(SIGPIPE, SIG_IGN)
                try output.writeLine(text)
                try output.flush()
            } catch {
                let failure = Failure(error)
                if !failure.isSilent {
                    ErrorStream(showsProgress: false, width: 80).writeLine("cistern: error: \(failure.message)")
                }
                return failure.status.rawValue
            }
            return 0
        }
        let errors = ErrorStream(showsProgress: false, width: 80)
        errors.writeLine(message(text))
        if let hint = Suggestion.hint(for: arguments) { errors.writeLine("hint: \(hint.escapedForTerminal)") }
        return code.rawValue
    }

    /// A parser's message in the form of all our errors.
    static func message(_ text: String) -> String {
        let prefix = "Error: "
        return "cistern: error: " + (text.hasPrefix(prefix) ? String(text.dropFirst(prefix.count)) : text)
    }
}
