/// An entry without its value, in somebody else's memory: what counting, measuring and naming need.
///
/// The pointers are valid only inside the closure that receives the outline.
public struct EntryOutline {
    /// The revision.
    public let revision: Revision
    /// When the server stored the entry.
    public let time: Timestamp
    /// What the entry did to its key.
    public let operation: Operation
    /// The key's bytes.
    public let key: UnsafeRawBufferPointer
    /// The header block of the wire; empty if there is none.
    public let headers: UnsafeRawBufferPointer
    /// The size of the value in bytes.
    public let valueSize: Int

    /// An outline of an entry whose bytes live elsewhere.
    public init(
        revision: Revision,
        time: Timestamp,
        operation: Operation,
        key: UnsafeRawBufferPointer,
        headers: UnsafeRawBufferPointer,
        valueSize: Int
    ) {
        self.revision = revision
        self.time = time
        self.operation = operation
        self.key = key
        self.headers = headers
        self.valueSize = valueSize
    }
}
