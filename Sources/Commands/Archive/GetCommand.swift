import Archive
import ArgumentParser
import KVModel

/// `cistern get`: one value out of an archive.
struct GetCommand: ReadingCommand {
    static let configuration = CommandConfiguration(
        commandName: "get",
        abstract: "Write an archived value to standard output, byte for byte.",
        discussion: """
            A key that did not exist at the point, or was deleted, is an error (exit code 1).

            Examples:
              cistern get orders.cistern customer.42.address
              cistern get orders.cistern logo.png > logo.png
              cistern get orders.cistern customer.42.address --at-revision 1700
            """
    )

    @Argument(help: "The archive.", completion: .file(extensions: ["cistern"]))
    var file: String

    @Argument(help: "The key.")
    var key: String

    @OptionGroup
    var reading: ReadingOptions

    func perform(_ console: Console) async throws -> RunStatus {
        let reader = try keys.reader(file, console)
        let chosen = try incarnation.choose(in: reader)
        let revision = try reader.resolve(point.point, in: chosen.id)
        let found = try reader.latest(Key(key), in: chosen.id, at: .revision(revision))
        guard let found, found.operation == .put else {
            let text =
                found.map { "key \(key) of bucket \(chosen.bucket) was deleted at revision \($0.revision)" }
                ?? "bucket \(chosen.bucket) held no key \(key) at revision \(revision)"
            throw CommandError(
                .keyNotFound,
                text: text,
                hint: "`cistern history \(file) \(key)` shows all that is archived of it"
            )
        }
        if console.isJSON {
            try console.document(EntryDocument(found, bucket: chosen.bucket))
        } else {
            try console.data(bytes: found.value)
        }
        return .done
    }
}
