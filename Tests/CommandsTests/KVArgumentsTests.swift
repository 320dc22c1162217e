import ArgumentParser
import KVModel
import KeyValue
import Testing

@testable import Commands

@Suite("Arguments of kv")
struct KVArgumentsTests {
    private func parse<Command>(_ type: Command.Type, _ line: String) throws -> Command {
        try #require(try Self.parse(line) as? Command)
    }

    /// Parses a line with the subcommand of `kv` that it names: to parse with the whole tree takes long in debug builds.
    private static func parse(_ line: String) throws -> any ParsableCommand {
        let words = line.split(separator: " ").dropFirst().map { $0 == "''" ? "" : String($0) }
        let name = try #require(words.first)
        let command = try #require(
            BucketCommand.configuration.subcommands.first { command in
                command.configuration.commandName == name || command.configuration.aliases.contains(name)
            }
        )
        return try command.parseAsRoot(Array(words.dropFirst()))
    }

    private static let settings: [(String, String, JSONValue?)] = [
        ("--history 5", "max_msgs_per_subject", .integer(5)),
        ("--ttl 1h", "max_age", .integer(3_600_000_000_000)),
        ("--replicas 3", "num_replicas", .integer(3)),
        ("--max-value-size 1KiB", "max_msg_size", .integer(1024)),
        ("--max-value-size 1K", "max_msg_size", .integer(1024)),
        ("--max-value-size 1KB", "max_msg_size", .integer(1000)),
        ("--max-value-size -1", "max_msg_size", .integer(-1)),
        ("--max-bucket-size 10MB", "max_bytes", .integer(10_000_000)),
        ("--max-bucket-size 1M", "max_bytes", .integer(1 << 20)),
        ("--max-bucket-size 4096", "max_bytes", .integer(4096)),
        ("--max-bucket-size=-1", "max_bytes", .integer(-1)),
        ("--description d", "description", .string("d")),
        ("--compress", "compression", .string("s2")),
        ("--no-compress", "compression", .string("none")),
        ("--metadata a=b --metadata c=d=e", "metadata", .object(["a": "b", "c": "d=e"])),
        ("--limit-marker-ttl 1m", "subject_delete_marker_ttl", .integer(60_000_000_000)),
        ("--marker-ttl 1m", "subject_delete_marker_ttl", .integer(60_000_000_000)),
        ("--marker-ttl 1m", "allow_msg_ttl", .bool(true)),
        ("--tags a --tags b", "placement", ["tags": ["a", "b"]]),
        ("--cluster east", "placement", ["cluster": "east"]),
        ("--tags a --cluster east", "placement", ["tags": ["a"], "cluster": "east"]),
        ("--republish-destination x.>", "republish", ["src": ">", "dest": "x.>"]),
        (
            "--republish-source $KV.orders.> --republish-destination x.> --republish-headers", "republish",
            ["src": "$KV.orders.>", "dest": "x.>", "headers_only": true]
        ),
        ("--set allow-direct=false", "allow_direct", .bool(false)),
    ]

    @Test("The options of a new bucket become its configuration", arguments: settings)
    func newBucket(options: String, field: String, value: JSONValue?) throws {
        let command = try parse(BucketAddCommand.self, "kv add orders " + options)
        let configuration = try command.bucketConfiguration(try command.arguments.name)
        #expect(configuration.stream[field] == value)
        #expect(configuration.name?.rawValue == "orders")
    }

    @Test("The same options change a bucket that exists, and nothing else", arguments: settings)
    func editedBucket(options: String, field: String, value: JSONValue?) throws {
        let old = try fullBucket()
        for command in ["edit", "update"] {
            let words = "kv \(command) orders " + options
            let change =
                command == "edit"
                ? try parse(BucketEditCommand.self, words).change : try parse(BucketUpdateCommand.self, words).change
            let new = try change.configuration(from: old)
            if field == "metadata" {
                #expect(new.metadata == ["a": "b", "c": "d=e", "kept": "1"])
            } else if field == "republish", value?["src"] == ">" {
                #expect(new.stream[field] == ["src": "old.>", "dest": "x.>"])
            } else {
                #expect(new.stream[field] == value)
            }
            let also = ["allow_msg_ttl", "subject_delete_marker_ttl", "duplicate_window"]
            let (before, after) = (old.stream.object ?? [:], new.stream.object ?? [:])
            for other in Set(before.keys).union(after.keys) where other != field && !also.contains(other) {
                #expect(before[other] == after[other], "\(other)")
            }
        }
    }

    /// A bucket that has all that can be changed.
    private func fullBucket() throws -> BucketConfiguration {
        var bucket = BucketConfiguration(name: BucketName(unchecked: "orders"))
        for setting in [
            "history=9", "ttl=9h", "replicas=5", "max-value-size=9", "max-bytes=9", "description=old",
            "placement.cluster=old", "placement.tags=old", "republish.source=old.>", "republish.destination=old",
            "metadata.kept=1", "sources=first",
        ] {
            try bucket.set(setting)
        }
        return bucket
    }

    @Test("What a bucket has can be taken away again")
    func taking() throws {
        let old = try fullBucket()
        func edited(_ options: String) throws -> BucketConfiguration {
            try parse(BucketEditCommand.self, "kv edit orders " + options).change.configuration(from: old)
        }
        #expect(try edited("--republish-destination ''").stream["republish"] == nil)
        #expect(try edited("--tags ''").stream["placement"] == nil)
        #expect(try edited("--metadata kept=").metadata.isEmpty)
        #expect(try edited("--description ''").description.isEmpty)
        #expect(try edited("--ttl 0").ttl == 0)
        #expect(try edited("--no-republish-headers").stream["republish"] == old.stream["republish"])
    }

    @Test("Sources are added, each once, and renamed into the bucket")
    func sources() throws {
        let old = try fullBucket()
        let edit = try parse(BucketEditCommand.self, "kv edit orders --source second --source KV_third --source first")
        let sources = try edit.change.configuration(from: old).stream["sources"]?.array ?? []
        #expect(sources.map { $0["name"]?.string } == ["KV_first", "KV_second", "KV_third"])
        #expect(sources[1]["subject_transforms"] == [["src": "$KV.second.>", "dest": "$KV.orders.>"]])
        let add = try parse(BucketAddCommand.self, "kv add orders --source first")
        let made = try add.bucketConfiguration(try add.arguments.name)
        #expect(made.stream["sources"]?.array?.count == 1)
        #expect(made.stream["subjects"] == ["$KV.orders.>"])
    }

    @Test("A mirror has no subjects of its own, and may be in another domain")
    func mirrors() throws {
        let plain = try parse(BucketAddCommand.self, "kv add near --mirror KV_orders")
        let made = try plain.bucketConfiguration(try plain.arguments.name)
        #expect(made.stream["mirror"]?["name"] == "KV_orders")
        #expect(made.stream["mirror"]?["external"] == nil)
        #expect(made.stream["subjects"] == nil)
        #expect(made.stream["mirror_direct"] == true)
        let far = try parse(BucketAddCommand.self, "kv add near --mirror orders --mirror-domain hub")
        let other = try far.bucketConfiguration(try far.arguments.name)
        #expect(other.stream["mirror"]?["external"]?["api"] == "$JS.hub.API")
        let edit = try parse(BucketEditCommand.self, "kv edit near --no-mirror")
        let own = try edit.change.configuration(from: made)
        #expect(own.stream["mirror"] == nil)
        #expect(own.stream["subjects"] == ["$KV.near.>"])
    }

    @Test(
        "Storage may be written short",
        arguments: [("file", "file"), ("f", "file"), ("memory", "memory"), ("m", "memory")]
    )
    func storage(text: String, value: String) throws {
        let command = try parse(BucketAddCommand.self, "kv add orders --storage " + text)
        #expect(try command.bucketConfiguration(try command.arguments.name).storage == value)
    }

    @Test(
        "A value is an argument, standard input or a file",
        arguments: [
            ("", ValueSource.standardInput(isNamed: false)), (" -", .standardInput(isNamed: true)), (" v", .text("v")),
            (" ''", .text("")), (" --file f", .file("f")),
        ]
    )
    func values(text: String, source: ValueSource) throws {
        #expect(try parse(BucketPutCommand.self, "kv put orders k" + text).content.source == source)
        #expect(try parse(BucketCreateCommand.self, "kv create orders k" + text).content.source == source)
    }

    @Test(
        "An update of a key names its value and its revision",
        arguments: [
            ("k v 17", "k", ValueSource.text("v"), 17), ("k - 0", "k", .standardInput(isNamed: true), 0),
            ("k 17 --file f", "k", .file("f"), 17), ("k 5 6", "k", .text("5"), 6), ("k '' 6", "k", .text(""), 6),
        ] as [(String, String, ValueSource, Revision)]
    )
    func updates(text: String, key: String, source: ValueSource, expected: Revision) throws {
        for name in ["update", "update-key"] {
            let command = try parse(BucketUpdateCommand.self, "kv \(name) orders \(text)")
            #expect(
                try command.keyUpdate == BucketUpdateCommand.KeyUpdate(key: key, source: source, expected: expected)
            )
        }
    }

    @Test("An update without a key is an edit")
    func bucketUpdate() throws {
        let command = try parse(BucketUpdateCommand.self, "kv update orders --history 3 --no-mirror")
        #expect(try command.keyUpdate == nil)
        #expect(command.change.settings.history == 3 && command.change.noMirror)
    }

    @Test("Deletes and purges know what to delete, and whether to ask")
    func removals() throws {
        for name in ["del", "rm"] {
            let key = try parse(BucketDeleteCommand.self, "kv \(name) orders k -f")
            #expect(key.key == "k" && key.force && !key.dryRun)
            let bucket = try parse(BucketDeleteCommand.self, "kv \(name) orders --dry-run")
            #expect(bucket.key == nil && !bucket.force && bucket.dryRun)
        }
        #expect(try parse(BucketDeleteCommand.self, "kv del orders --force").force)
        let purge = try parse(BucketPurgeCommand.self, "kv purge orders k --force --ttl 1h")
        #expect(purge.key == "k" && purge.force && purge.ttl == .seconds(3600))
        #expect(try parse(BucketPurgeCommand.self, "kv purge orders k").ttl == nil)
        let create = try parse(BucketCreateCommand.self, "kv create orders k v --ttl 5m")
        #expect(create.ttl == .seconds(300))
    }

    @Test("A revert and a compaction have their options")
    func reverting() throws {
        let revert = try parse(BucketRevertCommand.self, "kv revert orders k 17 --force")
        #expect(revert.key == "k" && revert.revision == 17 && revert.force)
        #expect(try !parse(BucketRevertCommand.self, "kv revert orders k 17").force)
        let plain = try parse(BucketCompactCommand.self, "kv compact orders")
        #expect(plain.olderThan == .seconds(1800) && !plain.force && !plain.dryRun)
        let all = try parse(BucketCompactCommand.self, "kv compact orders -f --older-than 0 --dry-run")
        #expect(all.olderThan == .zero && all.force && all.dryRun)
    }

    @Test(
        "A watch begins where its options say, under both of their names",
        arguments: [
            ("", KeyWatchOptions.Start.newest, true), ("--history", .history, true),
            ("--include-history", .history, true), ("--updates", .updates, true), ("--updates-only", .updates, true),
            ("--revision 7", .revision(7), true), ("--no-deletes", .newest, false),
            ("--deletes", .newest, true), ("--updates --no-deletes", .updates, false),
        ]
    )
    func watches(options: String, start: KeyWatchOptions.Start, deletes: Bool) throws {
        let command = try parse(BucketWatchCommand.self, "kv watch orders a.> b " + options)
        #expect(command.start == start)
        #expect(command.deletes == deletes)
        #expect(command.patterns.map(\.description) == ["a.>", "b"])
    }

    @Test("Listings and reads have their options")
    func listings() throws {
        #expect(try parse(BucketListCommand.self, "kv ls").bucket == nil)
        #expect(try parse(BucketListCommand.self, "kv ls -n").names)
        #expect(try parse(BucketListCommand.self, "kv list --names").names)
        let keys = try parse(BucketListCommand.self, "kv ls orders a.> --verbose --display-value")
        #expect(keys.verbose && keys.displayValue && keys.patterns.map(\.description) == ["a.>"])
        #expect(try parse(BucketListCommand.self, "kv ls orders -v").verbose)
        let get = try parse(BucketGetCommand.self, "kv get orders k --raw --revision 3")
        #expect(get.raw && get.revision == 3)
        for name in ["info", "view", "status"] {
            #expect(try parse(BucketInfoCommand.self, "kv \(name) orders").bucket?.description == "orders")
            #expect(try parse(BucketInfoCommand.self, "kv \(name)").bucket == nil)
        }
        #expect(try parse(BucketHistoryCommand.self, "kv history orders k").key == "k")
        _ = try parse(BucketAddCommand.self, "kv new orders")
    }

    @Test(
        "Wrong command lines end with 64",
        arguments: [
            "kv add", "kv add app-*", "kv add orders --history 65", "kv add orders --history 0",
            "kv add orders --ttl soon", "kv add orders --ttl 1ms", "kv add orders --storage tape",
            "kv add orders --metadata x", "kv add orders --replicas 6", "kv add orders --max-value-size much",
            "kv add orders --max-value-size 2GiB", "kv add orders --max-bucket-size 1X",
            "kv add orders --mirror-domain hub", "kv add orders --mirror a --source b",
            "kv add orders --mirror a --mirror-domain a.b", "kv add orders --mirror a,b", "kv add orders --mirror a.b",
            "kv add orders --source a.b", "kv add orders --republish-source x", "kv add orders --republish-headers",
            "kv add orders --set nonsense=1", "kv add orders --no-mirror", "kv edit orders", "kv edit",
            "kv edit orders --mirror a", "kv edit orders --storage memory", "kv edit orders --set storage=tape",
            "kv update orders", "kv update orders k", "kv update orders k v", "kv update orders k v x",
            "kv update orders k v -1", "kv update orders k v 1 2", "kv update orders k v 1 --history 3",
            "kv update orders k --file f", "kv update orders k v 1 --file f", "kv update orders --file f",
            "kv put", "kv put orders", "kv put app-* k v", "kv put orders k v --file f", "kv create orders",
            "kv create orders k v --ttl soon", "kv create orders k v --ttl 500ms", "kv get orders",
            "kv get o k --revision -1", "kv del", "kv del orders ''", "kv rm app-*", "kv purge orders",
            "kv purge orders k --ttl 0", "kv history orders", "kv revert orders k", "kv revert orders k x",
            "kv compact", "kv compact orders --older-than soon", "kv info app-*", "kv watch",
            "kv watch o --include-history --updates-only", "kv watch o --history --revision 3",
            "kv watch o --updates --revision 3", "kv watch o --revision x", "kv watch o a..b",
            "kv ls orders a..b",
        ]
    )
    func wrong(line: String) throws {
        let error = #expect(throws: (any Error).self) { _ = try Self.parse(line) }
        #expect(BucketCommand.exitCode(for: try #require(error)).rawValue == RunStatus.usage.rawValue)
    }

    @Test("A mistyped command of kv is told which was meant")
    func suggestions() {
        #expect(Suggestion.hint(for: ["kv", "compat"])?.contains("cistern kv compact") == true)
        #expect(Suggestion.hint(for: ["kv", "updte-key"])?.contains("cistern kv update-key") == true)
    }
}
