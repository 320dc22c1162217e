/// Compares two buckets by what the server gave message by message, and says in a few lines how they differ.
public enum BucketComparison {
    /// What must be equal.
    public enum Mode: Sendable {
        /// Everything: sequences, times, keys, headers, values.
        case exact
        /// The order of the entries, and of each its key, its headers but those that a second writing needs, its value.
        case replayed
    }

    /// The differences between a source and a target, at most `limit` of them; none if they are equal.
    public static func differences(
        _ source: [RawMessage],
        in sourceBucket: String,
        _ target: [RawMessage],
        in targetBucket: String,
        mode: Mode,
        limit: Int = 10
    ) -> [String] {
        var found: [String] = []
        if source.count != target.count {
            found.append("\(source.count) entries in the source, \(target.count) in the target")
        }
        for (left, right) in zip(source, target) {
            let fields = unequalFields(left, left.key(in: sourceBucket), right, right.key(in: targetBucket), mode)
            if !fields.isEmpty { found.append(describe(left, sourceBucket) + ": " + fields.joined(separator: "; ")) }
            // After the first entry that stands in another place all others differ as well: no news.
            if found.count >= limit || fields.contains(where: { $0.hasPrefix("key") }) { break }
        }
        if found.count < limit, source.count != target.count {
            let (longer, shorter, bucket, side) =
                source.count > target.count
                ? (source, target, sourceBucket, "source") : (target, source, targetBucket, "target")
            found.append("the first entry beyond the \(side)'s other end: \(describe(longer[shorter.count], bucket))")
        }
        return found
    }

    /// What a bucket with this history holds of these entries: the newest of each key, in their order.
    public static func newest(_ history: Int, of messages: [RawMessage]) -> [RawMessage] {
        var kept: [[UInt8]: Int] = [:]
        let newestFirst = messages.reversed().filter { message in
            kept[message.subject, default: 0] += 1
            return kept[message.subject, default: 0] <= history
        }
        return newestFirst.reversed()
    }

    /// Headers that a second writing may add or drop.
    static func isOfTheWriting(_ header: RawHeader) -> Bool {
        let name = header.name.lowercased()
        return name == "nats-msg-id" || name.hasPrefix("nats-expected-") || name.hasPrefix("cistern-")
    }

    private static func unequalFields(
        _ left: RawMessage,
        _ leftKey: [UInt8],
        _ right: RawMessage,
        _ rightKey: [UInt8],
        _ mode: Mode
    ) -> [String] {
        var fields: [String] = []
        if leftKey != rightKey { fields.append("key is \(text(rightKey)) (revision \(right.seq)) in the target") }
        if left.data != right.data { fields.append("value differs (\(left.data.count) and \(right.data.count) bytes)") }
        switch mode {
        case .exact:
            if left.seq != right.seq { fields.append("revision is \(right.seq)") }
            if left.time != right.time { fields.append("time \(left.time) is \(right.time)") }
            if left.headers != right.headers {
                fields.append("headers \(text(left.headers)) are \(text(right.headers))")
            }
        case .replayed:
            let before = left.headers.isEmpty ? [] : left.headerList.filter { !isOfTheWriting($0) }
            let after = right.headers.isEmpty ? [] : right.headerList.filter { !isOfTheWriting($0) }
            if before != after { fields.append("headers \(before) are \(after)") }
        }
        return fields
    }

    private static func describe(_ message: RawMessage, _ bucket: String) -> String {
        "revision \(message.seq) of \(text(message.key(in: bucket)))"
    }

    private static func text(_ bytes: [UInt8]) -> String {
        let text = String(decoding: bytes, as: UTF8.self)
        return text.count > 80 ? "\(text.prefix(80))…".debugDescription : text.debugDescription
    }
}
