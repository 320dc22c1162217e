import Foundation
import JetStream
public import KVModel

/// One revision of one key, as readers of a bucket see it.
public struct KeyValueEntry: Sendable, Hashable {
    /// The bucket it was read from.
    public let bucket: BucketName
    /// The key, decoded by the bucket's key codec.
    public let key: Key
    /// The key as it is stored; the same where there is no key codec.
    public let storedKey: Key
    /// The value, decoded by the bucket's value codec; empty for markers and where a watch leaves values out.
    public let value: [UInt8]
    /// The revision: the sequence of the message in the bucket's stream, which rises over all keys.
    public let revision: Revision
    /// When the server stored it.
    public let created: Timestamp
    /// How many entries of the same watch or history come after it, by the server's estimate; 0 for single reads.
    public let delta: UInt64
    /// What it did to its key.
    public let operation: KVModel.Operation
    /// The header block of the wire, from `NATS/1.0` to the empty line; empty if there is none.
    public let headers: [UInt8]
    /// The size of the stored value in bytes, also where a watch leaves values out.
    public let size: Int

    /// The value as text; nil if it is not UTF-8.
    public var string: String? { String(validating: value, as: UTF8.self) }

    /// The value as JSON of a type.
    ///
    /// Throws `KeyValueError` with the code `undecodable` if it is not.
    public func json<Value: Decodable>(_ type: Value.Type) throws -> Value {
        do {
            return try JSONDecoder().decode(type, from: Data(value))
        } catch {
            throw KeyValueError(
                code: .undecodable,
                bucket: bucket,
                key: key,
                text: "the value is no JSON of \(type)",
                revision: revision,
                underlying: error
            )
        }
    }

    /// An entry of what the server stores, decoded.
    init(_ entry: Entry, bucket: BucketName, codecs: BucketCodecs, delta: UInt64 = 0) throws {
        let size = Self.size(entry)
        let isPresent = entry.operation == .put && (size == entry.value.count)
        do {
            key = try codecs.key?.decode(entry.key) ?? entry.key
            value = isPresent ? try codecs.value?.decode(entry.value) ?? entry.value : []
        } catch {
            throw KeyValueError(
                code: .undecodable,
                bucket: bucket,
                key: entry.key,
                text: "\(error)",
                revision: entry.revision,
                underlying: error
            )
        }
        self.bucket = bucket
        self.size = size
        self.delta = delta
        storedKey = entry.key
        revision = entry.revision
        created = entry.time
        operation = entry.operation
        headers = entry.headers
    }

    /// The same entry with another number of entries behind it.
    init(_ entry: Self, delta: UInt64) {
        (bucket, key, storedKey, value) = (entry.bucket, entry.key, entry.storedKey, entry.value)
        (revision, created, operation) = (entry.revision, entry.created, entry.operation)
        (headers, size, self.delta) = (entry.headers, entry.size, delta)
    }

    /// The value's size, which the server says in a header where it leaves values out.
    private static func size(_ entry: Entry) -> Int {
        entry.headers.withUnsafeBytes { headers in
            guard entry.value.isEmpty, let text = HeaderBlock.value(of: "Nats-Msg-Size", in: headers) else {
                return entry.value.count
            }
            return Int(String(decoding: text, as: UTF8.self)) ?? 0
        }
    }
}
