extension BucketConfiguration {
    /// The stream configuration's fields in which another configuration differs, in alphabetical order.
    ///
    /// A field that is missing and one at the value that servers fill in are the same; so is metadata of the server.
    public func differences(from other: Self) -> [String] {
        let mine = withoutServerMetadata.stream.object ?? [:]
        let theirs = other.withoutServerMetadata.stream.object ?? [:]
        return Set(mine.keys).union(theirs.keys).filter { field in
            Self.settled(field, mine[field]) != Self.settled(field, theirs[field])
        }.sorted()
    }

    /// A field's value, nil where it is the one that servers fill in.
    private static func settled(_ field: String, _ value: JSONValue?) -> JSONValue? {
        switch (field, value) {
        case (_, nil), (_, .null), (_, .bool(false)), (_, .integer(0)), (_, .string("")), (_, .object([:])),
            (_, .array([])):
            nil
        case ("max_consumers", .integer(-1)), ("max_msgs", .integer(-1)), ("max_bytes", .integer(-1)),
            ("max_msg_size", .integer(-1)), ("max_msgs_per_subject", .integer(-1)), ("num_replicas", .integer(1)):
            nil
        case ("compression", .string("none")), ("retention", .string("limits")), ("discard", .string("old")),
            ("storage", .string("file")), ("persist_mode", .string("default")):
            nil
        default: value
        }
    }
}
