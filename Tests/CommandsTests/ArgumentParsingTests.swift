import Archive
import ArgumentParser
import KVModel
import Replication
import Testing

@testable import Commands

@Suite("Arguments")
struct ArgumentParsingTests {
    private func parse<Command>(_ type: Command.Type, _ arguments: String) throws -> Command {
        let words = arguments.split(separator: " ").map { String($0) }
        return try #require(try Cistern.parseAsRoot(words) as? Command)
    }

    @Test("A backup's options reach it")
    func backup() throws {
        let command = try parse(
            BackupCommand.self,
            "backup orders east/app-* --archive a.cistern --follow --commit-every 250ms --tag t --verify --rate 2MiB/s -q --json"
        )
        #expect(command.buckets.map(\.description) == ["orders", "east/app-*"])
        #expect(command.buckets.map(\.cluster) == [nil, "east"])
        #expect(command.archive == "a.cistern")
        #expect(command.follow && command.verify && !command.all)
        #expect(command.commitEvery == .milliseconds(250))
        #expect(command.tag == "t")
        #expect(command.rate == 2 << 20)
        #expect(command.output.values.isJSON && command.output.values.isQuiet)
    }

    @Test("A restore's options reach it")
    func restore() throws {
        let command = try parse(
            RestoreCommand.self,
            "restore a.cistern --bucket b --cluster c --as n --mode replay --set history=3 --set ttl=1h "
                + "--filter x.> --filter y --map x.>=z.> --map *.b=$1 --history full --replace --yes --no-verify --at-tag t --dry-run"
        )
        #expect(command.bucket?.rawValue == "b")
        #expect(command.cluster == "c")
        #expect(command.newName?.rawValue == "n")
        let writing = command.writing
        #expect(writing.mode == .replay)
        #expect(writing.changes.settings == ["history=3", "ttl=1h"])
        #expect(writing.filter.map(\.description) == ["x.>", "y"])
        #expect(writing.map.map(\.description) == ["x.>=z.>", "*.b=$1"])
        #expect(writing.history == .full)
        #expect(writing.replace && writing.yes && !writing.verify && writing.dryRun && !writing.intoExisting)
        #expect(!writing.noSafetyBackup && writing.safetyBackup == nil && !writing.overwrite)
        #expect(command.point.point == .tag("t"))
    }

    @Test("A restore verifies the bucket's state at the newest point unless told otherwise")
    func restoreDefaults() throws {
        let command = try parse(RestoreCommand.self, "restore a.cistern")
        let writing = command.writing
        #expect(writing.verify && writing.mode == .auto && writing.history == .bucket)
        #expect(command.point.point == .newest)
        #expect(command.bucket == nil && command.newName == nil && writing.changes.settings.isEmpty)
    }

    @Test(
        "A point is said in one of three ways",
        arguments: [
            ("--at-revision 12", ArchivePoint.revision(12)),
            ("--at-time 1970-01-01T00:00:01Z", .time(Timestamp(nanoseconds: 1_000_000_000))),
            ("--at-tag before", .tag("before")),
            ("", .newest),
        ]
    )
    func points(text: String, point: ArchivePoint) throws {
        #expect(try parse(KeysCommand.self, "keys a.cistern " + text).point.point == point)
    }

    @Test(
        "Wrong command lines end with 64",
        arguments: [
            "bakup orders", "backup --archive a", "backup orders", "backup orders --all --archive a",
            "backup bad!name --archive a", "backup /x --archive a", "backup o --archive a --commit-every 1s",
            "backup o --archive a --follow --commit-every 1ms", "backup o --archive a --nonsense",
            "backup o --archive a --settle-within soon", "restore", "restore a --mode best", "restore a --set history",
            "restore a --set history=0", "restore a --set nonsense=1", "restore a --replace --into-existing",
            "restore a --overwrite", "restore a --replace --overwrite", "restore a --no-safety-backup",
            "restore a --replace --no-safety-backup --safety-backup b.cistern", "copy a", "copy a b c",
            "copy app-* b", "copy a b --map a=b --map c=b", "copy a b --overwrite",
            "copy a b --replace --into-existing", "copy a b --target-timeout x",
            "restore a --at-revision 1 --at-tag t", "restore a --at-time yesterday", "restore a --filter a..b",
            "restore a --as bad.name", "verify a --filter x", "verify a --at-tag t", "verify a --against app-*",
            "keys", "get a", "history a", "kv ls --context a --no-context", "kv ls --js-domain a --js-api-prefix b",
            "kv ls --timeout x",
            "list a --colors sometimes", "list a --log-format xml",
            "mirror a", "mirror a b c", "mirror a* b",
            "mirror a b --once --reconcile-every 1h",
            "mirror a b --reconcile --reconcile-every 1h", "mirror a b --reconcile-every 10ms", "mirror a b --dry-run",
            "mirror a b --once --reconcile --dry-run", "mirror a b --reconcile --set history=2",
            "mirror a b --reconcile --on-recreate resync", "mirror a b --map a=b --map c=b",
            "mirror a b --set histroy=2",
            "mirror a b --on-recreate ignore", "mirror a b --filter a..b",
            "mirror a b --reconcile --preserve-revisions",
            "mirror a b --preserve-revisions --reconcile-every 1h",
        ]
    )
    func wrong(line: String) throws {
        let words = line.split(separator: " ").map { String($0) }
        let error = #expect(throws: (any Error).self) { _ = try Cistern.parseAsRoot(words) }
        #expect(Cistern.exitCode(for: try #require(error)).rawValue == RunStatus.usage.rawValue)
    }

    @Test("Every command is documented, with an example that it takes")
    func examples() throws {
        var checked = 0
        func visit(_ command: any ParsableCommand.Type) throws {
            #expect(!command.configuration.abstract.isEmpty)
            for line in command.configuration.discussion.split(separator: "\n") {
                guard line.hasPrefix("  cistern "), !line.contains("|") else { continue }
                #expect(line.count <= 80, "\(line)")
                let plain = line.split(separator: " < ")[0].split(separator: " > ")[0]
                let words = Self.words(String(plain)).dropFirst()
                #expect(throws: Never.self, "\(line)") { _ = try Cistern.parseAsRoot(Array(words)) }
                checked += 1
            }
            for subcommand in command.configuration.subcommands { try visit(subcommand) }
        }
        try visit(Cistern.self)
        #expect(checked > 40)
    }

    /// The words of a line as a shell would split it.
    private static func words(_ line: String) -> [String] {
        var words: [String] = []
        var word = ""
        var isQuoted = false
        for character in line + " " {
            if character == "'" {
                isQuoted.toggle()
            } else if character == " ", !isQuoted {
                if !word.isEmpty { words.append(word) }
                word = ""
            } else {
                word.append(character)
            }
        }
        return words
    }
}
