import Foundation

extension RawNATS {
    /// A stream's snapshot as the server sends it, with the configuration and state that its response says (JSON).
    ///
    /// Every chunk that has a reply subject is acknowledged; an empty message is the end.
    public func snapshot(
        _ stream: String,
        chunkSize: Int = 65_536
    ) throws -> (chunks: [[UInt8]], configuration: [UInt8], state: [UInt8]) {
        let deliver = Array("\(inbox).snapshot".utf8)
        let answer = Array("\(inbox).snapshot-answer".utf8)
        let options = """
            {"deliver_subject":"\(inbox).snapshot","no_consumers":true,"chunk_size":\(chunkSize)}
            """
        write(
            subject: Array("$JS.API.STREAM.SNAPSHOT.\(stream)".utf8),
            reply: "\(inbox).snapshot-answer",
            headers: [],
            data: Array(options.utf8)
        )
        try flush()
        var response: [UInt8] = []
        var chunks: [[UInt8]] = []
        while true {
            let frame = try nextFrame()
            if Self.equal(frame.subject, answer) {
                response = Self.copy(frame.data)
                guard !String(decoding: response, as: UTF8.self).contains("\"error\"") else {
                    throw RawNATSError.refused(String(decoding: response, as: UTF8.self))
                }
            } else if Self.equal(frame.subject, deliver) {
                guard !frame.data.isEmpty else { break }
                let reply = Self.copy(frame.reply)
                chunks.append(Self.copy(frame.data))
                guard !reply.isEmpty else { continue }
                write(subject: reply, reply: "", headers: [], data: [])
                try flush()
            }
        }
        guard let object = try JSONSerialization.jsonObject(with: Data(response)) as? [String: Any],
            let configuration = object["config"], let state = object["state"]
        else { throw RawNATSError.malformed(String(decoding: response, as: UTF8.self)) }
        return (
            chunks, Array(try JSONSerialization.data(withJSONObject: configuration)),
            Array(try JSONSerialization.data(withJSONObject: state))
        )
    }

    /// Restores a stream; `body` is the request's JSON (`config`, `state`).
    ///
    /// Returns the server's last answer; throws whatever error it gave at the start, at a chunk or at the end.
    @discardableResult
    public func restore(_ stream: String, body: [UInt8], chunks: [[UInt8]]) throws -> [String: Any] {
        let first = try api("STREAM.RESTORE.\(stream)", String(decoding: body, as: UTF8.self))
        guard let subject = first["deliver_subject"] as? String, !subject.isEmpty else {
            throw RawNATSError.malformed("\(first)")
        }
        for chunk in chunks {
            let reply = try request(subject, data: chunk)
            guard reply.data.isEmpty else { throw RawNATSError.refused(reply.text) }
        }
        let last = try request(subject)
        guard let object = try JSONSerialization.jsonObject(with: Data(last.data)) as? [String: Any] else {
            throw RawNATSError.malformed(last.text)
        }
        guard object["error"] == nil else { throw RawNATSError.refused(last.text) }
        return object
    }

    /// Reads a stream from its start through a push consumer, up to `count` messages, and returns their payloads.
    ///
    /// Throws a timeout if the server stops before that.
    public func consume(_ stream: String, count: Int) throws -> [[UInt8]] {
        guard count > 0 else { return [] }
        // Of its own: servers look for a literal subscription, and in the inbox each message would come twice.
        let deliver = "\(inbox)-consumed"
        write("SUB \(deliver) 2\r\n")
        let acknowledgements = Array("$JS.ACK.".utf8)
        write(
            subject: Array("$JS.API.CONSUMER.CREATE.\(stream)".utf8),
            reply: "\(inbox).consumer",
            headers: [],
            data: Array(
                """
                {"stream_name":"\(stream)","config":{"deliver_subject":"\(deliver)","deliver_policy":"all",\
                "ack_policy":"none"}}
                """.utf8
            )
        )
        try flush()
        var payloads: [[UInt8]] = []
        while payloads.count < count {
            let frame = try nextFrame()
            if frame.reply.starts(with: acknowledgements) { payloads.append(Self.copy(frame.data)) }
        }
        write("UNSUB 2\r\n")
        try flush()
        return payloads
    }
}
