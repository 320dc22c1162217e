import Foundation
public import KVModel

/// What a server says of a stream.
public struct StreamInfo: Sendable, Hashable {
    /// The counts and ends of a stream.
    public struct State: Sendable, Hashable, Codable {
        /// How many messages it holds.
        public var messages: UInt64
        /// Their size as the server stores them.
        public var bytes: UInt64
        /// The sequence of its first message; one above `lastSequence` if it is empty.
        public var firstSequence: UInt64
        /// The sequence of the last message ever stored.
        public var lastSequence: UInt64

        /// How many sequences between its first and its last have no message.
        public var gaps: UInt64 {
            guard lastSequence >= firstSequence, messages > 0 else { return 0 }
            let (width, overflow) = (lastSequence - firstSequence).addingReportingOverflow(1)
            return overflow || messages > width ? 0 : width - messages
        }

        /// A state of these figures.
        public init(messages: UInt64, bytes: UInt64, firstSequence: UInt64, lastSequence: UInt64) {
            self.messages = messages
            self.bytes = bytes
            self.firstSequence = firstSequence
            self.lastSequence = lastSequence
        }

        /// Takes the `state` of a reply apart; nil if it is none.
        init?(_ state: JSONValue?) {
            guard let state, state.object != nil else { return nil }
            self.init(
                messages: state["messages"]?.unsigned ?? 0,
                bytes: state["bytes"]?.unsigned ?? 0,
                firstSequence: state["first_seq"]?.unsigned ?? 0,
                lastSequence: state["last_seq"]?.unsigned ?? 0
            )
        }
    }

    /// The stream's full configuration, as the server says it.
    public var configuration: JSONValue
    /// When the stream was created, as the server says it: with the name, its identity.
    public var created: String
    /// Its counts and ends.
    public var state: State
    /// The whole reply.
    public var reply: JSONValue

    /// Takes a stream info, create or update reply apart; nil if it is none.
    public init?(_ reply: JSONValue) {
        guard let configuration = reply["config"], configuration.object != nil,
            let created = reply["created"]?.string,
            let state = State(reply["state"])
        else { return nil }
        self.configuration = configuration
        self.created = created
        self.reply = reply
        self.state = state
    }

    /// When the server made the reply; nil for servers before 2.10, which do not say it.
    public var serverTime: Timestamp? { (reply["ts"]?.string).flatMap(Timestamp.init(rfc3339:)) }

    /// The configuration as JSON with its fields in alphabetical order, so that equal ones are equal text.
    public var configurationText: String {
        get throws {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            return String(decoding: try encoder.encode(configuration), as: UTF8.self)
        }
    }

    /// The name.
    public var name: String { configuration["name"]?.string ?? "" }
}

/// A message as the stream holds it, fetched by `STREAM.MSG.GET`.
public struct StoredMessage: Sendable, Hashable {
    /// The subject's bytes.
    public var subject: [UInt8]
    /// The sequence.
    public var sequence: UInt64
    /// When the server stored it.
    public var time: Timestamp
    /// The header block of the wire; empty if there is none.
    public var headers: [UInt8]
    /// The payload.
    public var payload: [UInt8]
}
