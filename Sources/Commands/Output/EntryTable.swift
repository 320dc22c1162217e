import KVModel

/// Entries as a table: the history of a key.
enum EntryTable {
    private static let valueWidth = 40

    /// A table of entries, in the order given, with or without their keys.
    static func make(_ entries: [Entry], showsKeys: Bool = false) -> Table {
        let key: [Table.Column] = showsKeys ? [.text("Key")] : []
        var table = Table(
            key + [.number("Revision"), .text("Op"), .text("Created"), .number("Length"), .text("Value")]
        )
        for entry in entries {
            let key = showsKeys ? [entry.key.description] : []
            table.add(
                key + [
                    String(entry.revision),
                    entry.operation.description,
                    entry.time.description,
                    entry.operation == .put ? NumberText.count(entry.value.count) : "",
                    ValueText.line(entry.value, limit: valueWidth),
                ]
            )
        }
        return table
    }
}
