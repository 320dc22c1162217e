import Foundation
public import KVModel

extension JetStreamContext {
    /// For how long a server may be unable to make the folder of a new stream.
    ///
    /// After the deletion of an account's last stream it removes their common folder in the background, at times just
    /// when the next stream is to be made in it (10049; seen on 2.10.26).
    private static let folderPatience = Duration.seconds(3)

    /// Creates a stream of this configuration.
    public func createStream(_ configuration: JSONValue) async throws -> StreamInfo {
        let deadline = ContinuousClock.now + Self.folderPatience
        while true {
            do {
                return try await stream("CREATE", named: configuration["name"]?.string ?? "", configuration)
            } catch let error as JetStreamError where error.hasNoFolder && ContinuousClock.now < deadline {
                try await Task.sleep(for: .milliseconds(50))
            }
        }
    }

    /// Gives a stream this configuration; fields that are missing go back to their defaults.
    public func updateStream(_ configuration: JSONValue) async throws -> StreamInfo {
        try await stream("UPDATE", named: configuration["name"]?.string ?? "", configuration)
    }

    /// What the server says of a stream.
    public func streamInfo(_ name: String) async throws -> StreamInfo {
        try await stream("INFO", named: name, nil)
    }

    /// What the server says of a stream, with every sequence between its first and its last that has no message.
    ///
    /// There may be millions: look at `StreamInfo.State.gaps` first.
    public func streamGaps(_ name: String) async throws -> (info: StreamInfo, gaps: [UInt64]) {
        let info = try await stream("INFO", named: name, ["deleted_details": true])
        let gaps = (info.reply["state"]?["deleted"]?.array ?? []).compactMap(\.unsigned)
        return (info, gaps.sorted())
    }

    /// Deletes a stream with all it holds.
    public func deleteStream(_ name: String) async throws {
        _ = try await request("STREAM.DELETE.\(name)")
    }

    /// Removes a single message from a stream, which must allow that; its sequence stays unused.
    public func deleteMessage(_ name: String, at sequence: UInt64) async throws {
        _ = try await request("STREAM.MSG.DELETE.\(name)", ["seq": .unsigned(sequence), "no_erase": true])
    }

    /// Removes messages from a stream: all, or those of a subject, or those before a sequence.
    ///
    /// Answers how many it removed.
    @discardableResult
    public func purgeStream(
        _ name: String,
        subject: String? = nil,
        before sequence: UInt64? = nil
    ) async throws -> UInt64 {
        var body: JSONValue = [:]
        if let subject { body["filter"] = .string(subject) }
        if let sequence { body["seq"] = .unsigned(sequence) }
        let reply = try await request("STREAM.PURGE.\(name)", body)
        return reply["purged"]?.unsigned ?? 0
    }

    /// All streams that take messages of a subject, or all there are; none is left out for want of an answer.
    public func streams(subject: String? = nil) async throws -> [StreamInfo] {
        var found: [StreamInfo] = []
        for try await page in streamInfos(subject: subject) {
            found += page.streams
            for name in page.unanswered {
                // Asked by itself a stream has more time to answer; it may be gone as well.
                do {
                    found.append(try await streamInfo(name))
                } catch let error as JetStreamError where error.code == .streamNotFound {
                    continue
                }
            }
        }
        return found
    }

    /// The message at a sequence; nil if there is none.
    public func message(
        _ stream: String,
        at sequence: UInt64,
        timeout: Duration? = nil
    ) async throws -> StoredMessage? {
        try await message(stream, ["seq": .unsigned(sequence)], timeout)
    }

    /// How many messages of a stream match a subject, as the server counts them for a consumer.
    public func countMessages(_ stream: String, subject: String) async throws -> UInt64 {
        let reply = try await request(
            "CONSUMER.CREATE.\(stream)",
            [
                "stream_name": .string(stream),
                "config": [
                    "ack_policy": "none", "deliver_policy": "all", "filter_subject": .string(subject),
                    "mem_storage": true, "num_replicas": 1, "inactive_threshold": 5_000_000_000,
                ],
            ]
        )
        guard let name = reply["name"]?.string, let count = reply["num_pending"]?.unsigned else {
            throw JetStreamError(
                code: .malformedReply,
                subject: "CONSUMER.CREATE.\(stream)",
                text: "the reply has no name or number of messages"
            )
        }
        // Whoever may not delete it leaves it to the server, which does so after some seconds without use.
        do { _ = try await request("CONSUMER.DELETE.\(stream).\(name)") } catch {}
        return count
    }

    /// The first message at or after a sequence whose subject matches; nil if there is none.
    public func message(_ stream: String, from sequence: UInt64, subject: String) async throws -> StoredMessage? {
        try await message(stream, ["seq": .unsigned(sequence), "next_by_subj": .string(subject)], nil)
    }

    /// The newest message whose subject matches; nil if there is none.
    public func lastMessage(
        _ stream: String,
        subject: String,
        timeout: Duration? = nil
    ) async throws -> StoredMessage? {
        try await message(stream, ["last_by_subj": .string(subject)], timeout)
    }

    private func stream(_ verb: String, named name: String, _ body: JSONValue?) async throws -> StreamInfo {
        let reply = try await request("STREAM.\(verb).\(name)", body)
        guard let info = StreamInfo(reply) else {
            throw JetStreamError(
                code: .malformedReply,
                subject: "STREAM.\(verb).\(name)",
                text: "the reply has no configuration, creation time or state"
            )
        }
        return info
    }

    private func message(_ stream: String, _ body: JSONValue, _ timeout: Duration?) async throws -> StoredMessage? {
        let reply: JSONValue
        do {
            reply = try await request("STREAM.MSG.GET.\(stream)", body, timeout: timeout)
        } catch let error as JetStreamError where error.code == .messageNotFound {
            return nil
        }
        guard let message = reply["message"],
            let subject = message["subject"]?.string,
            let sequence = message["seq"]?.unsigned,
            let time = (message["time"]?.string).flatMap(Timestamp.init(rfc3339:)),
            let headers = Self.base64(message["hdrs"]),
            let payload = Self.base64(message["data"])
        else {
            throw JetStreamError(
                code: .malformedReply,
                subject: "STREAM.MSG.GET.\(stream)",
                text: "the message in the reply is incomplete"
            )
        }
        return StoredMessage(
            subject: Array(subject.utf8),
            sequence: sequence,
            time: time,
            headers: headers,
            payload: payload
        )
    }

    private static func base64(_ value: JSONValue?) -> [UInt8]? {
        guard let text = value?.string else { return [] }
        return Data(base64Encoded: text).map { Array($0) }
    }
}
