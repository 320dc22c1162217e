import ArgumentParser
import JetStream
import KVModel
import KeyValue

/// `cistern kv ls`: buckets, or the keys of one.
struct BucketListCommand: CisternCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls",
        abstract: "List the buckets of a server, or the keys of a bucket.",
        discussion: """
            Examples:
              cistern kv ls
              cistern kv ls --names
              cistern kv ls orders
              cistern kv ls orders 'customer.42.>' --verbose
              cistern kv ls orders 'customer.42.>' --display-value
            """,
        aliases: ["list"]
    )

    @Argument(
        help: "The bucket: NAME, or CLUSTER/NAME with a `nats` context as the cluster.",
        transform: BucketReference.parseSingle
    )
    var bucket: BucketReference?

    @Argument(help: "Keys to list (NATS wildcards).", transform: PatternArgument.parse)
    var patterns: [KeyPattern] = []

    @Flag(name: .shortAndLong, help: "List the names of buckets only.")
    var names = false

    @Flag(name: .shortAndLong, help: "Show each key's time, how many keys come after it, and its revision.")
    var verbose = false

    @Flag(help: "Show each key's value as well; the same as --verbose otherwise.")
    var displayValue = false

    @OptionGroup(title: "Connection")
    var connection: ConnectionOptions

    @OptionGroup(title: "Output")
    var output: OutputOptions

    func perform(_ console: Console) async throws -> RunStatus {
        try await connection.withBuckets(of: bucket?.cluster, console) { buckets in
            if let bucket, let name = bucket.name {
                try await listKeys(try await buckets.find(name), console)
            } else {
                try list(try await buckets.list(), console)
            }
            return .done
        }
    }

    private func list(_ buckets: [Bucket], _ console: Console) throws {
        if console.isJSON {
            for bucket in buckets { try console.document(BucketDocument(bucket)) }
            return
        }
        guard !names else { return try console.data(buckets.map(\.name.rawValue.escapedForTerminal)) }
        guard !buckets.isEmpty else { return console.note("this account has no buckets") }
        var table = Table([
            .text("Bucket"), .text("Description"), .text("Created"), .number("Size"), .number("Entries"),
            .text("Last update"),
        ])
        for bucket in buckets {
            table.add([
                bucket.name.rawValue,
                ValueText.shortened(bucket.configuration.description, to: 60),
                bucket.info.created,
                NumberText.bytes(bucket.info.state.bytes),
                NumberText.count(bucket.info.state.messages),
                BucketDocument.lastTime(bucket.info) ?? "never",
            ])
        }
        try console.data(table)
    }

    private func listKeys(_ bucket: Bucket, _ console: Console) async throws {
        var options = WatchOptions()
        options.start = .lastPerSubject
        options.headersOnly = !displayValue
        if !patterns.isEmpty { options.patterns = patterns }
        var listed: [KeyDocument] = []
        var count = 0
        func show(_ key: KeyDocument) throws {
            count += 1
            if verbose || displayValue {
                listed.append(key)
            } else if console.isJSON {
                try console.document(key)
            } else {
                try console.data([key.key.escapedForTerminal])
            }
        }
        var shown: Set<Key> = []
        // Where older entries of a key come as well, its newest is known only at the end.
        let showsNewestOnly = bucket.showsNewestOnly
        var newest: [Key: KeyDocument] = [:]
        try await bucket.readAll(options) { entry in
            let key = Key(bytes: Array(entry.key))
            let document = entry.operation == .put ? document(key, entry, bucket) : nil
            guard showsNewestOnly else {
                newest[key] = document
                return
            }
            // A key that changes while it is read comes again.
            guard let document, !shown.contains(key) else { return }
            if shown.count < Self.remembered { shown.insert(key) }
            try show(document)
        }
        for document in newest.values.sorted(by: { $0.revision < $1.revision }) { try show(document) }
        try showDetails(of: &listed, console)
        if count == 0, !console.isJSON { console.note("no keys found in bucket \(bucket.name)") }
    }

    /// Shows what was gathered, now that it is known how many keys come after each.
    private func showDetails(of keys: inout [KeyDocument], _ console: Console) throws {
        guard !keys.isEmpty else { return }
        for index in keys.indices { keys[index].delta = UInt64(keys.count - 1 - index) }
        guard !console.isJSON else { return try keys.forEach(console.document) }
        var columns: [Table.Column] = [.text("Key"), .text("Created"), .number("Delta"), .number("Revision")]
        if displayValue { columns.append(.text("Value")) }
        var table = Table(columns)
        for key in keys {
            var cells = [key.key, key.time, String(key.delta ?? 0), String(key.revision)]
            if displayValue { cells.append(key.shownValue(limit: console.isTerminal ? 60 : nil)) }
            table.add(cells)
        }
        try console.data(table)
    }

    /// So many keys are remembered, lest one that changes while they are listed is listed twice.
    private static let remembered = 100_000

    private func document(_ key: Key, _ entry: EntryView, _ bucket: Bucket) -> KeyDocument {
        var document = KeyDocument(
            key: key,
            bucket: bucket.name,
            revision: entry.revision,
            time: entry.time,
            operation: entry.operation,
            size: Self.size(entry)
        )
        if displayValue { document.setValue(Array(entry.value)) }
        return document
    }

    /// The value's size, which the server says in a header where it leaves values out.
    private static func size(_ entry: EntryView) -> Int {
        guard let text = HeaderBlock.value(of: "Nats-Msg-Size", in: entry.headers) else { return entry.value.count }
        return Int(String(decoding: text, as: UTF8.self)) ?? entry.value.count
    }
}
