import Archive
import ArgumentParser
import KVModel

/// `cistern tag`: names for revisions.
struct TagCommand: ReadingCommand {
    static let configuration = CommandConfiguration(
        commandName: "tag",
        abstract: "Give a revision a name, take one away, or list the names.",
        discussion: """
            Without a point, the newest consistent revision is named. A name can be given wherever a point is asked \
            for (--at-tag), and `prune --keep-tags` keeps what has one.

            Examples:
              cistern tag orders.cistern before-upgrade --note 'version 3 goes live'
              cistern tag orders.cistern monday --at-time 2026-11-16T00:00:00Z
              cistern tag orders.cistern
              cistern tag orders.cistern monday --delete
            """
    )

    @Argument(help: "The archive.", completion: .file(extensions: ["cistern"]))
    var file: String

    @Argument(help: "The name; without one, the names are listed.")
    var name: String?

    @Option(help: "What to remember about it.")
    var note: String?

    @Flag(help: "Take the name away.")
    var delete = false

    @OptionGroup
    var reading: ReadingOptions

    func validate() throws {
        if name?.isEmpty == true { throw ValidationError("A tag needs a name.") }
        let hasPoint = point.point != .newest
        if name == nil, delete || note != nil || hasPoint {
            throw ValidationError("Give the name of the tag.")
        }
        if delete, note != nil || hasPoint {
            throw ValidationError("--delete goes with no --note and no point.")
        }
    }

    func perform(_ console: Console) async throws -> RunStatus {
        let reader = try keys.reader(file, console)
        let chosen = try incarnation.choose(in: reader)
        guard let name else {
            try list(try reader.tags(of: chosen.id), of: chosen, console)
            return .done
        }
        let revision = delete ? nil : try reader.resolve(point.point, in: chosen.id)
        let writer = try ArchiveWriter.open(path: file, key: reader.key)
        try writer.audited("tag") { audit in
            audit.incarnation = chosen.id
            if let revision {
                try writer.tag(name, chosen.id, revision: revision, note: note ?? "", at: .wallClock())
            } else {
                try writer.removeTag(name, chosen.id)
            }
        }
        try writer.close()
        if console.isJSON {
            try console.document(
                TagDocument(bucket: chosen.bucket.rawValue, name: name, revision: revision, deleted: delete)
            )
        } else if let revision {
            try console.report("\(chosen.bucket): revision \(revision) is tagged \(name.escapedForTerminal)")
        } else {
            try console.report("\(chosen.bucket): tag \(name.escapedForTerminal) is gone; what it named stays")
        }
        return .done
    }

    private func list(_ tags: [ArchiveTag], of incarnation: Incarnation, _ console: Console) throws {
        guard !console.isJSON else {
            for tag in tags {
                try console.document(
                    TagDocument(
                        bucket: incarnation.bucket.rawValue,
                        name: tag.name,
                        revision: tag.revision,
                        time: tag.time?.description,
                        note: tag.note,
                        created: tag.created.description
                    )
                )
            }
            return
        }
        guard !tags.isEmpty else { return console.note("bucket \(incarnation.bucket) has no tags") }
        var table = Table([.text("Tag"), .number("Revision"), .text("As of"), .text("Tagged"), .text("Note")])
        for tag in tags {
            table.add([
                tag.name, String(tag.revision), tag.time?.description ?? "-", tag.created.description, tag.note,
            ])
        }
        try console.data(table)
    }
}

/// A tag in `--json` output.
struct TagDocument: Encodable, Sendable {
    var bucket: String
    var name: String
    var revision: Revision?
    var deleted: Bool?
    var time: String?
    var note: String?
    var created: String?
}
