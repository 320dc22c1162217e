import KVModel

/// The keys that a bucket was captured with, as people and documents say them.
enum FilterText {
    /// The patterns on one line.
    static func text(_ filter: [KeyPattern]) -> String {
        filter.map(\.description).joined(separator: ", ").escapedForTerminal
    }

    /// The patterns as a document lists them; nil for every key.
    static func list(_ filter: [KeyPattern]) -> [String]? {
        filter.isEmpty ? nil : filter.map(\.description)
    }
}
