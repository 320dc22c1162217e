/// One write into a bucket: a value, a delete or a purge.
public struct RawPut: Sendable, Equatable, CustomStringConvertible {
    /// The key's bytes.
    public var key: [UInt8]
    /// The headers, in order.
    public var headers: [RawHeader]
    /// The value's bytes.
    public var value: [UInt8]

    /// A write of `value` to `key`.
    public init(key: [UInt8], headers: [RawHeader] = [], value: [UInt8] = []) {
        self.key = key
        self.headers = headers
        self.value = value
    }

    /// A write of `value` to `key`.
    public init(_ key: String, _ value: String) {
        self.init(key: Array(key.utf8), value: Array(value.utf8))
    }

    /// Short, whatever the value's size.
    public var description: String {
        "\(String(decoding: key, as: UTF8.self)) \(headers) \(value.count) bytes"
    }

    /// Marks `key` as deleted.
    public static func delete(_ key: [UInt8]) -> RawPut {
        RawPut(key: key, headers: [RawHeader("KV-Operation", "DEL")])
    }

    /// Marks `key` as deleted and drops its history.
    public static func purge(_ key: [UInt8]) -> RawPut {
        RawPut(key: key, headers: [RawHeader("KV-Operation", "PURGE"), RawHeader("Nats-Rollup", "sub")])
    }
}
