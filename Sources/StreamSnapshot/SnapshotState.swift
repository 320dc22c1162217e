public import KVModel

/// What a server says of a stream's messages: the `state` of its info, of a snapshot and of a `backup.json`.
public struct SnapshotState: Sendable, Hashable {
    /// How many messages it holds.
    public var messages: UInt64
    /// How many bytes they take in its store.
    public var bytes: UInt64
    /// The first sequence; of an empty stream the next one.
    public var firstSequence: UInt64
    /// The last sequence, whether or not its message is still there.
    public var lastSequence: UInt64
    /// The first message's time.
    public var firstTime: Timestamp?
    /// The last message's time.
    public var lastTime: Timestamp?

    /// A state of these numbers.
    public init(
        messages: UInt64 = 0,
        bytes: UInt64 = 0,
        firstSequence: UInt64 = 0,
        lastSequence: UInt64 = 0,
        firstTime: Timestamp? = nil,
        lastTime: Timestamp? = nil
    ) {
        self.messages = messages
        self.bytes = bytes
        self.firstSequence = firstSequence
        self.lastSequence = lastSequence
        self.firstTime = firstTime
        self.lastTime = lastTime
    }

    /// The state as the server's JSON has it; what is missing counts as 0.
    public init(json: JSONValue) {
        func time(_ name: String) -> Timestamp? {
            json[name]?.string.flatMap { $0.hasPrefix("0001-") ? nil : Timestamp(rfc3339: $0) }
        }
        self.init(
            messages: json["messages"]?.unsigned ?? 0,
            bytes: json["bytes"]?.unsigned ?? 0,
            firstSequence: json["first_seq"]?.unsigned ?? 0,
            lastSequence: json["last_seq"]?.unsigned ?? 0,
            firstTime: time("first_ts"),
            lastTime: time("last_ts")
        )
    }

    /// The state as JSON that every server takes: newer ones refuse members that they do not know.
    public var json: JSONValue {
        func number(_ value: UInt64) -> JSONValue { Int64(exactly: value).map { .integer($0) } ?? .unsigned(value) }
        func time(_ value: Timestamp?) -> JSONValue { .string(value?.description ?? "0001-01-01T00:00:00Z") }
        return [
            "messages": number(messages), "bytes": number(bytes), "first_seq": number(firstSequence),
            "first_ts": time(firstTime), "last_seq": number(lastSequence), "last_ts": time(lastTime),
            "consumer_count": 0,
        ]
    }
}
