import Foundation

/// What a stream's info says, as far as tests ask.
public struct RawStreamInfo: Sendable, Equatable {
    /// When the stream was made, as the server writes it.
    public let created: String
    /// How many messages it holds.
    public let messages: UInt64
    /// Their size.
    public let bytes: UInt64
    /// The first sequence.
    public let firstSequence: UInt64
    /// The last sequence, whether or not its message is still there.
    public let lastSequence: UInt64
    /// The configuration as JSON with sorted keys.
    public let configuration: String
}

extension RawNATS {
    /// Asks the JetStream API (`subject` without its prefix `$JS.API.`) and throws its error, if it answers with one.
    @discardableResult
    public func api(_ subject: String, _ json: String = "") throws -> [String: Any] {
        try patiently { try apiOnce(subject, json) }
    }

    /// Does something again, for a while, that only has to wait.
    private func patiently<Value>(_ body: () throws -> Value) throws -> Value {
        let deadline = Date().addingTimeInterval(30)
        while true {
            do {
                return try body()
            } catch RawNATSError.api(_, errorCode: 10_008, _) where Date() < deadline {
                // The cluster elects a leader.
                usleep(100_000)
            } catch RawNATSError.api(_, errorCode: 10_049, let text)
                where text.contains("creating store") && Date() < deadline
            {
                // The folder of a stream that was deleted is still being removed.
                usleep(100_000)
            }
        }
    }

    private func apiOnce(_ subject: String, _ json: String) throws -> [String: Any] {
        let reply = try request("$JS.API." + subject, data: Array(json.utf8))
        guard let object = try JSONSerialization.jsonObject(with: Data(reply.data)) as? [String: Any] else {
            throw RawNATSError.malformed(reply.text)
        }
        if let error = object["error"] as? [String: Any] {
            throw RawNATSError.api(
                code: error["code"] as? Int ?? 0,
                errorCode: error["err_code"] as? Int ?? 0,
                description: error["description"] as? String ?? ""
            )
        }
        return object
    }

    /// Makes a stream; `json` is its configuration with its `name`.
    public func createStream(_ json: String) throws {
        try api("STREAM.CREATE.\(try Self.name(in: json))", json)
    }

    /// Changes a stream; `json` is its whole new configuration with its `name`.
    public func updateStream(_ json: String) throws {
        try api("STREAM.UPDATE.\(try Self.name(in: json))", json)
    }

    /// Deletes a stream.
    public func deleteStream(_ name: String) throws {
        try api("STREAM.DELETE.\(name)")
    }

    /// Makes a bucket as the usual clients do.
    ///
    /// `more` adds configuration, such as `#""max_age":60000000000"#`.
    public func createBucket(_ bucket: String, history: Int = 1, storage: String = "file", more: String = "") throws {
        try createStream(
            """
            {"name":"KV_\(bucket)","subjects":["$KV.\(bucket).>"],"max_msgs_per_subject":\(history),\
            "storage":"\(storage)","num_replicas":1,"discard":"new","allow_rollup_hdrs":true,"deny_delete":true,\
            "allow_direct":true,"max_msgs":-1,"max_bytes":-1,"max_msg_size":-1,"max_consumers":-1\
            \(more.isEmpty ? "" : "," + more)}
            """
        )
    }

    /// Asks for a stream's info.
    public func streamInfo(_ stream: String) throws -> RawStreamInfo {
        let object = try api("STREAM.INFO.\(stream)")
        guard let state = object["state"] as? [String: Any], let configuration = object["config"] as? [String: Any],
            let created = object["created"] as? String
        else { throw RawNATSError.malformed("\(object)") }
        let text = try JSONSerialization.data(withJSONObject: configuration, options: [.sortedKeys])
        func count(_ name: String) -> UInt64 { (state[name] as? NSNumber)?.uint64Value ?? 0 }
        return RawStreamInfo(
            created: created,
            messages: count("messages"),
            bytes: count("bytes"),
            firstSequence: count("first_seq"),
            lastSequence: count("last_seq"),
            configuration: String(decoding: text, as: UTF8.self)
        )
    }

    /// Deletes the single message with this sequence, as if it had never been (needs `deny_delete` false).
    public func deleteMessage(_ stream: String, seq: UInt64) throws {
        try api("STREAM.MSG.DELETE.\(stream)", "{\"seq\":\(seq)}")
    }

    /// The message with this sequence, or nil if there is none.
    public func getMessage(_ stream: String, seq: UInt64) throws -> RawMessage? {
        try patiently {
            let reply = try request("$JS.API.STREAM.MSG.GET.\(stream)", data: Array("{\"seq\":\(seq)}".utf8))
            return try Self.message(reply.data)
        }
    }

    /// Every message of the stream from its first to its last sequence, each asked for by its sequence.
    ///
    /// `window` requests are in flight. Not more: as many messages of 1 MiB must fit into what the server keeps for a
    /// connection before it calls it slow (64 MiB).
    public func getAllMessages(_ stream: String, window: Int = 32) throws -> [RawMessage] {
        let info = try streamInfo(stream)
        guard info.messages > 0, info.firstSequence <= info.lastSequence else { return [] }
        let first = info.firstSequence
        let count = Int(info.lastSequence - first) + 1
        var found = [RawMessage?](repeating: nil, count: count)
        let prefix = inbox.utf8.count + 2
        var asked = 0
        var answered = 0
        // While the cluster elects a leader it answers nothing.
        var unanswered: [Int] = []
        while answered < count {
            while asked < count, asked - answered < window {
                let body = "{\"seq\":\(first + UInt64(asked))}"
                write("PUB $JS.API.STREAM.MSG.GET.\(stream) \(inbox).g\(asked) \(body.utf8.count)\r\n\(body)\r\n")
                asked += 1
            }
            if !output.isEmpty { try flush() }
            // Half a window of answers for each batch of requests: fewer, larger writes.
            for _ in 0..<max(1, (asked - answered) / 2) {
                let frame = try nextFrame()
                guard frame.subject.count > prefix, frame.subject[prefix - 1] == 0x67 else { continue }
                if frame.status == 503 { throw RawNATSError.noResponders(stream) }
                let index = Self.number(frame.subject, from: prefix)
                do {
                    found[index] = try Self.message(Self.copy(frame.data))
                } catch RawNATSError.api(_, errorCode: 10_008, _) {
                    unanswered.append(index)
                }
                answered += 1
            }
        }
        for index in unanswered { found[index] = try getMessage(stream, seq: first + UInt64(index)) }
        return found.compactMap(\.self)
    }

    private struct Answer: Decodable {
        struct Message: Decodable {
            let subject: String
            let seq: UInt64
            let hdrs: Data?
            let data: Data?
            let time: String
        }
        struct Failure: Decodable {
            let code: Int
            let errorCode: Int?
            let description: String?

            enum CodingKeys: String, CodingKey {
                case code
                case errorCode = "err_code"
                case description
            }
        }
        let message: Message?
        let error: Failure?
    }

    private static func message(_ json: [UInt8]) throws -> RawMessage? {
        let answer = try JSONDecoder().decode(Answer.self, from: Data(json))
        if let message = answer.message {
            return RawMessage(
                seq: message.seq,
                subject: Array(message.subject.utf8),
                headers: message.hdrs.map { Array($0) } ?? [],
                data: message.data.map { Array($0) } ?? [],
                time: message.time
            )
        }
        guard let error = answer.error else { throw RawNATSError.malformed(String(decoding: json, as: UTF8.self)) }
        // 10037: there is no message with that sequence.
        if error.errorCode == 10_037 { return nil }
        throw RawNATSError.api(
            code: error.code,
            errorCode: error.errorCode ?? 0,
            description: error.description ?? ""
        )
    }

    private static func name(in json: String) throws -> String {
        guard let object = try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any],
            let name = object["name"] as? String
        else { throw RawNATSError.malformed(json) }
        return name
    }
}
