import ArgumentParser
import KVModel

/// What somebody may have meant who mistyped a command, or put options before it.
enum Suggestion {
    /// A hint for arguments that the parser refused; nil if there is nothing to suggest.
    static func hint(for arguments: [String], root: any ParsableCommand.Type = Cistern.self) -> String? {
        var command: any ParsableCommand.Type = root
        var path = [root.configuration.commandName ?? "cistern"]
        for (index, argument) in arguments.enumerated() {
            let subcommands = command.configuration.subcommands
            guard !subcommands.isEmpty else { return nil }
            if argument.hasPrefix("-") {
                let later = arguments[index...].first { word in subcommands.contains { names($0).contains(word) } }
                return later.map { "options go behind the command: `\((path + [$0]).joined(separator: " ")) …`" }
            }
            if let next = subcommands.first(where: { names($0).contains(argument) }) {
                path.append(argument)
                command = next
                continue
            }
            if path.count == 1, argument == "help" { return nil }
            let known = subcommands.flatMap { names($0) }
            return Spelling.closest(to: argument, among: known)
                .map { "did you mean `\((path + [$0]).joined(separator: " "))`?" }
        }
        return nil
    }

    private static func names(_ command: any ParsableCommand.Type) -> [String] {
        [command.configuration.commandName ?? ""] + command.configuration.aliases
    }
}
