import KVModel

/// Entries as a table: the history of a key.
enum EntryTable {
    private static let valueWidth = 40

    /// A table of entries, in the order given.
    static func make(_ entries: [Entry]) -> Table {
        var table = Table([
            .number("Revision"), .text("Op"), .text("Created"), .number("Length"), .text("Value"),
        ])
        for entry in entries {
            table.add([
                String(entry.revision),
                entry.operation.description,
                entry.time.description,
                entry.operation == .put ? NumberText.count(entry.value.count) : "",
                ValueText.line(entry.value, limit: valueWidth),
            ])
        }
        return table
    }
}
