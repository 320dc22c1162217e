import ArgumentParser

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
            return closest(to: argument, among: known)
                .map { "did you mean `\((path + [$0]).joined(separator: " "))`?" }
        }
        return nil
    }

    private static func names(_ command: any ParsableCommand.Type) -> [String] {
        [command.configuration.commandName ?? ""] + command.configuration.aliases
    }

    /// The word that is most like another, if one is like it at all.
    static func closest(to word: String, among known: [String]) -> String? {
        let ranked = known.map { (name: $0, distance: distance(word, $0)) }
        guard let best = ranked.min(by: { $0.distance < $1.distance }),
            best.distance <= max(1, min(word.count, best.name.count) / 3)
        else { return nil }
        return best.name
    }

    /// How many letters must be added, dropped, replaced or swapped with their neighbour to get from one word to the
    /// other.
    static func distance(_ left: String, _ right: String) -> Int {
        let (left, right) = (Array(left), Array(right))
        var before: [Int] = []
        var above = Array(0...right.count)
        for row in left.indices {
            var line = [row + 1]
            for column in right.indices {
                var cost = min(above[column + 1] + 1, line[column] + 1)
                cost = min(cost, above[column] + (left[row] == right[column] ? 0 : 1))
                if row > 0, column > 0, left[row] == right[column - 1], left[row - 1] == right[column] {
                    cost = min(cost, before[column - 1] + 1)
                }
                line.append(cost)
            }
            (before, above) = (above, line)
        }
        return above[right.count]
    }
}
