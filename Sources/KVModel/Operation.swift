/// What an entry did to its key.
public enum Operation: UInt8, Sendable, Hashable, CaseIterable {
    /// The key has this value from here on.
    case put = 0
    /// The key is gone; its earlier values are still in the history.
    case delete = 1
    /// The key is gone and so is its history before this entry.
    case purge = 2

    /// The operation that a message's header block says, as the NATS KV specification has it.
    ///
    /// `KV-Operation` decides (ADR-8). Markers that a server leaves when it expires a key carry `Nats-Marker-Reason`
    /// instead (ADR-43, servers from 2.11 on): `MaxAge` and `Purge` count as a purge, `Remove` as a delete (ADR-48).
    public init(headers: UnsafeRawBufferPointer) {
        self = .put
        guard !headers.isEmpty else { return }
        if let operation = HeaderBlock.value(of: "KV-Operation", in: headers) {
            if operation.elementsEqual("DEL".utf8) { self = .delete }
            if operation.elementsEqual("PURGE".utf8) { self = .purge }
        } else if let reason = HeaderBlock.value(of: "Nats-Marker-Reason", in: headers) {
            if reason.elementsEqual("MaxAge".utf8) || reason.elementsEqual("Purge".utf8) { self = .purge }
            if reason.elementsEqual("Remove".utf8) { self = .delete }
        }
    }
}

extension Operation: CustomStringConvertible {
    /// `PUT`, `DEL` or `PURGE`, as `nats kv` prints them.
    public var description: String {
        switch self {
        case .put: "PUT"
        case .delete: "DEL"
        case .purge: "PURGE"
        }
    }
}
