import Archive
import ArgumentParser
import KVModel

/// `cistern keys`: the keys that a bucket held at a point.
struct KeysCommand: ReadingCommand {
    static let configuration = CommandConfiguration(
        commandName: "keys",
        abstract: "List the keys that an archived bucket held at a point.",
        discussion: """
            Examples:
              cistern keys orders.cistern
              cistern keys orders.cistern 'customer.*.address'
              cistern keys all.cistern --bucket sessions --at-tag before-upgrade
              cistern keys orders.cistern --long --deleted
            """
    )

    @Argument(help: "The archive.", completion: .file(extensions: ["cistern"]))
    var file: String

    @Argument(help: "Keys to list, with NATS wildcards: * is one part, > the rest.", transform: PatternArgument.parse)
    var patterns: [KeyPattern] = []

    @Flag(name: .shortAndLong, help: "Show each key's revision, time and size.")
    var long = false

    @Flag(help: "List keys as well that were deleted and of which the bucket still held the marker.")
    var deleted = false

    @OptionGroup
    var reading: ReadingOptions

    func perform(_ console: Console) async throws -> RunStatus {
        let reader = try keys.reader(file, console)
        let chosen = try incarnation.choose(in: reader)
        let revision = try reader.resolve(point.point, in: chosen.id)
        let found = try reader.keys(of: chosen.id, at: revision, filter: patterns).lazy
            .filter { deleted || $0.operation == .put }
        if console.isJSON {
            for key in found {
                try console.document(
                    KeyDocument(
                        key: key.key,
                        bucket: chosen.bucket,
                        revision: key.revision,
                        time: key.time,
                        operation: key.operation,
                        size: key.valueSize
                    )
                )
            }
        } else if long {
            try console.data(Self.columns, of: found, cells: Self.cells)
        } else {
            for key in found { try console.data(line: key.key.description.escapedForTerminal) }
        }
        if found.isEmpty, !console.isJSON {
            console.note("no key of bucket \(chosen.bucket) fits at revision \(revision)")
        }
        return .done
    }

    private static let columns: [Table.Column] = [
        .text("Key"), .number("Revision"), .text("Op"), .text("Created"), .number("Length"),
    ]

    private static func cells(_ key: KeyState) -> [String] {
        [
            key.key.description,
            String(key.revision),
            key.operation.description,
            key.time.description,
            key.operation == .put ? NumberText.count(key.valueSize) : "",
        ]
    }
}
