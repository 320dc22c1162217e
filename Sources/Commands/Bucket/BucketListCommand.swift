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
                return .done
            }
            let found = try await buckets.survey()
            try list(found.buckets, console)
            return found.failures.reduce(.done) { status, error in
                let failure = Failure(error)
                console.fail(failure)
                return status.worse(failure.status)
            }
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
        let entries = KeyValueBucket(bucket).entries(matching: patterns, withoutValues: !displayValue)
        for try await entry in entries { try show(document(entry)) }
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

    private func document(_ entry: KeyValueEntry) -> KeyDocument {
        var document = KeyDocument(
            key: entry.key,
            bucket: entry.bucket,
            revision: entry.revision,
            time: entry.created,
            operation: entry.operation,
            size: entry.size
        )
        if displayValue { document.setValue(entry.value) }
        return document
    }
}
