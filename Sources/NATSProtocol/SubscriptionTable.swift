public import NIOCore

/// What is subscribed, and the lines that say so again after a reconnect.
public struct SubscriptionTable<Sink: Sendable>: Sendable {
    /// One subscription.
    public struct Row: Sendable {
        /// The subject, possibly with wildcards.
        public let subject: String

        /// The queue group.
        public let queue: String?

        /// Where its messages go.
        public let sink: Sink
    }

    private var rows: [UInt32: Row] = [:]
    private var lastID: UInt32 = 0

    /// Makes an empty table.
    public init() {}

    /// The subscriptions with their ids, in the order of their making.
    public var all: [(sid: UInt32, row: Row)] {
        rows.map { (sid: $0.key, row: $0.value) }.sorted { $0.sid < $1.sid }
    }

    /// The number of subscriptions.
    public var count: Int { rows.count }

    /// Adds a subscription under an id that no earlier one had.
    public mutating func add(subject: String, queue: String?, sink: (UInt32) -> Sink) -> (sid: UInt32, sink: Sink) {
        lastID += 1
        let row = Row(subject: subject, queue: queue, sink: sink(lastID))
        rows[lastID] = row
        return (lastID, row.sink)
    }

    /// Where the messages of a subscription go, nil if it is gone.
    public func sink(_ sid: UInt32) -> Sink? { rows[sid]?.sink }

    /// Removes a subscription and returns it.
    @discardableResult
    public mutating func remove(_ sid: UInt32) -> Row? { rows.removeValue(forKey: sid) }

    /// Removes what the server refused to let us subscribe, and returns it.
    public mutating func refuse(subject: String, queue: String?) -> [(sid: UInt32, row: Row)] {
        let refused = all.filter { $0.row.subject == subject && $0.row.queue == queue }
        for (sid, _) in refused { rows[sid] = nil }
        return refused
    }

    /// Removes everything.
    public mutating func removeAll() -> [(sid: UInt32, row: Row)] {
        let removed = all
        rows = [:]
        return removed
    }

    /// The lines that subscribe everything, for a new connection.
    public func resubscription() -> ByteBuffer {
        var buffer = ByteBuffer()
        for (sid, row) in all { buffer.writeSubscribe(subject: row.subject, queue: row.queue, sid: sid) }
        return buffer
    }
}

extension ByteBuffer {
    /// Writes a `SUB` line.
    public mutating func writeSubscribe(subject: String, queue: String?, sid: UInt32) {
        if let queue {
            writeString("SUB \(subject) \(queue) \(sid)\r\n")
        } else {
            writeString("SUB \(subject) \(sid)\r\n")
        }
    }

    /// Writes an `UNSUB` line.
    public mutating func writeUnsubscribe(sid: UInt32) {
        writeString("UNSUB \(sid)\r\n")
    }
}
