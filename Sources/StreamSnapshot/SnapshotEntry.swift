public import KVModel

/// A message of a snapshot, in somebody else's memory: valid only inside the closure that receives it.
public struct SnapshotEntry {
    /// The message's sequence.
    public let sequence: UInt64
    /// When the server stored it.
    public let time: Timestamp
    /// The whole subject.
    public let subject: UnsafeRawBufferPointer
    /// The header block, from `NATS/1.0` to the empty line; empty if there is none.
    public let headers: UnsafeRawBufferPointer
    /// The payload.
    public let value: UnsafeRawBufferPointer

    /// A message whose bytes live elsewhere.
    public init(
        sequence: UInt64,
        time: Timestamp,
        subject: UnsafeRawBufferPointer,
        headers: UnsafeRawBufferPointer,
        value: UnsafeRawBufferPointer
    ) {
        self.sequence = sequence
        self.time = time
        self.subject = subject
        self.headers = headers
        self.value = value
    }
}
