import KVModel
import TestSupport

/// A random life of a bucket on a real server: writes, deletes, purges, TTLs, changed settings, entries removed without a
/// word, new incarnations.
struct RandomHistory: Sendable {
    /// What the server held at a point, read message by message.
    struct Held: Sendable {
        var revision: Revision
        /// Of each message, when its time is over, as its bucket's settings were at the point.
        var expiry: Timestamp?
    }

    let bucket: String
    let takesTTL: Bool
    private var random: SeededGenerator
    private var history = 1
    private var maximumAge: Int64 = 0

    init(bucket: String, seed: UInt64, takesTTL: Bool) {
        self.bucket = bucket
        self.takesTTL = takesTTL
        random = SeededGenerator(seed: seed)
    }

    private var stream: String { "KV_" + bucket }

    /// The settings of `max_age` and what else decides what is held.
    private var settings: String {
        var text = "\"deny_delete\":false,\"max_age\":\(maximumAge)"
        if takesTTL { text += ",\"allow_msg_ttl\":true" }
        return text
    }

    mutating func create(_ client: RawNATS) throws {
        history = Int.random(in: 1...5, using: &random)
        maximumAge = random.chance(1, in: 4) ? 1_000_000_000 : 0
        try client.createBucket(bucket, history: history, more: settings)
    }

    /// Ten things that happen to a bucket.
    mutating func live(_ client: RawNATS) throws {
        for _ in 0..<10 {
            switch Int.random(in: 0..<100, using: &random) {
            case 0..<60: try put(client)
            case 60..<70: _ = try client.putMany(bucket, CollectionOfOne(RawPut.delete(key())))
            case 70..<76: _ = try client.putMany(bucket, CollectionOfOne(RawPut.purge(key())))
            case 76..<86: try remove(client)
            case 86..<92: try purge(client)
            case 92..<97: try reconfigure(client)
            default: _ = try client.putMany(bucket, (0..<8).map { _ in RawPut(key: key(), value: random.bytes(20)) })
            }
        }
        if random.chance(1, in: 12) {
            try client.deleteStream(stream)
            try create(client)
            try put(client)
        }
    }

    /// What the server holds now.
    func held(_ client: RawNATS) throws -> [Held] {
        try client.getAllMessages(stream).map { message in
            let time = Timestamp(rfc3339: message.time) ?? Timestamp(nanoseconds: 0)
            return Held(
                revision: message.seq,
                expiry: message.headers.withUnsafeBytes { expiry(of: time, headers: $0) }
            )
        }
    }

    /// When an entry's time is over, as the bucket's settings are now.
    func expiry(of time: Timestamp, headers: UnsafeRawBufferPointer) -> Timestamp? {
        EntryLifetime.expiry(of: time, own: takesTTL ? EntryLifetime(headers: headers) : nil, maximumAge: maximumAge)
    }

    private mutating func key() -> [UInt8] {
        Array("key.\(Int.random(in: 0..<6, using: &random))".utf8)
    }

    private mutating func put(_ client: RawNATS) throws {
        var headers: [RawHeader] = []
        if takesTTL, random.chance(1, in: 5) {
            headers = [RawHeader("Nats-TTL", ["1s", "2s", "1h", "never"].randomElement(using: &random) ?? "1s")]
        }
        let put = RawPut(key: key(), headers: headers, value: random.bytes(Int.random(in: 0..<40, using: &random)))
        _ = try client.putMany(bucket, CollectionOfOne(put))
    }

    /// Deletes single messages, as if they had never been.
    private mutating func remove(_ client: RawNATS) throws {
        let messages = try client.getAllMessages(stream)
        guard let one = messages.randomElement(using: &random) else { return }
        do {
            try client.deleteMessage(stream, seq: one.seq)
        } catch RawNATSError.api {
            // It expired meanwhile.
        }
    }

    private mutating func purge(_ client: RawNATS) throws {
        let what =
            switch Int.random(in: 0..<4, using: &random) {
            case 0: "{\"filter\":\"$KV.\(bucket).\(String(decoding: key(), as: UTF8.self))\"}"
            case 1: "{\"filter\":\"$KV.\(bucket).\(String(decoding: key(), as: UTF8.self))\",\"keep\":1}"
            case 2: "{\"keep\":\(Int.random(in: 1...8, using: &random))}"
            default: random.chance(1, in: 3) ? "{}" : "{\"keep\":5}"
            }
        try client.api("STREAM.PURGE.\(stream)", what)
    }

    private mutating func reconfigure(_ client: RawNATS) throws {
        history = Int.random(in: 1...6, using: &random)
        maximumAge = random.chance(1, in: 4) ? 1_000_000_000 : 0
        let window = maximumAge == 0 ? 120_000_000_000 : maximumAge
        try client.updateStream(
            """
            {"name":"\(stream)","subjects":["$KV.\(bucket).>"],"max_msgs_per_subject":\(history),\
            "storage":"file","num_replicas":1,"discard":"new","allow_rollup_hdrs":true,\
            "allow_direct":true,"duplicate_window":\(window),\(settings)}
            """
        )
    }
}
