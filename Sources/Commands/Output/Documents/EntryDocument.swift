import Foundation
import KVModel

/// Bytes that are usually text: as text, or in Base64 if they are not UTF-8.
struct TextOrBytes: Hashable, Sendable {
    /// The text; nil if the bytes are none.
    let text: String?
    /// The bytes in Base64; nil if they are text.
    let base64: String?

    init(_ bytes: [UInt8]) {
        text = String(validating: bytes, as: UTF8.self)
        base64 = text == nil ? Data(bytes).base64EncodedString() : nil
    }
}

/// An entry in `--json` output.
struct EntryDocument: Encodable, Hashable, Sendable {
    /// A header line.
    struct Header: Encodable, Hashable, Sendable {
        var name: String
        var value: String
    }

    var bucket: String
    /// Which life of the bucket, where a command shows several.
    var bucketCreated: String?
    var key: String
    var keyBase64: String?
    var revision: Revision
    var time: String
    var operation: String
    var headers: [Header]?
    var size: Int
    var value: String?
    var valueBase64: String?
    /// How many entries of the same answer come after it, where a command says so.
    var delta: UInt64?

    init(_ entry: Entry, bucket: BucketName, bucketCreated: String? = nil) {
        self.bucket = bucket.rawValue
        self.bucketCreated = bucketCreated
        key = entry.key.description
        keyBase64 = TextOrBytes(entry.key.bytes).base64
        revision = entry.revision
        time = entry.time.description
        operation = OperationText.word(entry.operation)
        let fields = entry.headers.withUnsafeBytes { HeaderBlock($0) }.fields
        headers = fields.isEmpty ? nil : fields.map { Header(name: $0.name, value: $0.value) }
        size = entry.value.count
        // A marker has no value, which is not the same as an empty one.
        if entry.operation == .put {
            let content = TextOrBytes(entry.value)
            value = content.text
            valueBase64 = content.base64
        }
    }
}

/// Operations as documents say them.
enum OperationText {
    /// `put`, `delete` or `purge`.
    static func word(_ operation: KVModel.Operation) -> String {
        switch operation {
        case .put: "put"
        case .delete: "delete"
        case .purge: "purge"
        }
    }
}

/// A key and its newest entry in `--json` output.
struct KeyDocument: Encodable, Hashable, Sendable {
    var bucket: String
    var key: String
    var keyBase64: String?
    var revision: Revision
    var time: String
    var operation: String
    var size: Int
    /// How many keys of the same answer come after it, where a command says so.
    var delta: UInt64?
    var value: String?
    var valueBase64: String?

    init(key: Key, bucket: BucketName, revision: Revision, time: Timestamp, operation: KVModel.Operation, size: Int) {
        self.bucket = bucket.rawValue
        self.key = key.description
        keyBase64 = TextOrBytes(key.bytes).base64
        self.revision = revision
        self.time = time.description
        self.operation = OperationText.word(operation)
        self.size = size
    }

    /// Adds the value.
    mutating func setValue(_ bytes: [UInt8]) {
        let content = TextOrBytes(bytes)
        (value, valueBase64) = (content.text, content.base64)
    }

    /// The value on one line, cut in the middle if it is longer than `limit` characters.
    func shownValue(limit: Int?) -> String {
        let bytes = value.map { Array($0.utf8) } ?? valueBase64.flatMap { Data(base64Encoded: $0) }.map { Array($0) }
        return ValueText.line(bytes ?? [], limit: limit)
    }
}
