/// An entry that is somebody else's memory: the form in which entries travel between targets without a copy.
///
/// The pointers are valid only inside the closure that receives the view. Make an `Entry` of it to keep it.
public struct EntryView {
    /// The revision.
    public let revision: Revision
    /// When the server stored the entry.
    public let time: Timestamp
    /// What the entry did to its key.
    public let operation: Operation
    /// The key's bytes, without the `$KV.<bucket>.` prefix.
    public let key: UnsafeRawBufferPointer
    /// The header block of the wire, from `NATS/1.0` to the empty line; empty if there is none.
    public let headers: UnsafeRawBufferPointer
    /// The value's bytes.
    public let value: UnsafeRawBufferPointer

    /// A view of an entry whose bytes live elsewhere.
    public init(
        revision: Revision,
        time: Timestamp,
        operation: Operation,
        key: UnsafeRawBufferPointer,
        headers: UnsafeRawBufferPointer,
        value: UnsafeRawBufferPointer
    ) {
        self.revision = revision
        self.time = time
        self.operation = operation
        self.key = key
        self.headers = headers
        self.value = value
    }
}

/// One revision of one key, with its bytes.
public struct Entry: Sendable, Hashable {
    /// The revision.
    public var revision: Revision
    /// When the server stored the entry.
    public var time: Timestamp
    /// What the entry did to its key.
    public var operation: Operation
    /// The key.
    public var key: Key
    /// The header block of the wire; empty if there is none.
    public var headers: [UInt8]
    /// The value.
    public var value: [UInt8]

    /// An entry of these parts.
    public init(
        revision: Revision,
        time: Timestamp,
        operation: Operation,
        key: Key,
        headers: [UInt8] = [],
        value: [UInt8] = []
    ) {
        self.revision = revision
        self.time = time
        self.operation = operation
        self.key = key
        self.headers = headers
        self.value = value
    }

    /// An owned copy of a view.
    public init(_ view: EntryView) {
        self.init(
            revision: view.revision,
            time: view.time,
            operation: view.operation,
            key: Key(bytes: Array(view.key)),
            headers: Array(view.headers),
            value: Array(view.value)
        )
    }

    /// Calls `body` with a view of this entry.
    public func withView<Result>(_ body: (EntryView) throws -> Result) rethrows -> Result {
        try key.bytes.withUnsafeBytes { keyBytes in
            try headers.withUnsafeBytes { headerBytes in
                try value.withUnsafeBytes { valueBytes in
                    try body(
                        EntryView(
                            revision: revision,
                            time: time,
                            operation: operation,
                            key: keyBytes,
                            headers: headerBytes,
                            value: valueBytes
                        )
                    )
                }
            }
        }
    }
}
