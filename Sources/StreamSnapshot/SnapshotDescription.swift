public import KVModel

/// What a snapshot says of its stream besides the messages.
public struct SnapshotDescription: Sendable, Hashable {
    /// The stream's configuration, with its `name`.
    ///
    /// What the target's version does not know must be gone from it.
    public var configuration: JSONValue
    /// When the stream was created, RFC 3339: message blocks restore it, the entries format has no place for it.
    public var created: String
    /// The stream's last sequence: at least the last message's.
    public var lastSequence: UInt64
    /// How many messages will follow, if that is known; the entries format mentions it.
    public var messages: UInt64

    /// A description of these parts.
    public init(configuration: JSONValue, created: String, lastSequence: UInt64, messages: UInt64 = 0) {
        self.configuration = configuration
        self.created = created
        self.lastSequence = lastSequence
        self.messages = messages
    }
}
