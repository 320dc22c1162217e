/// The name of a bucket, and the names that follow from it.
public struct BucketName: Hashable, Comparable, Sendable {
    /// The name as users write it.
    public let rawValue: String

    /// Takes a name of letters, digits, `-` and `_`, at most 252 bytes (the stream's name is `KV_` and this).
    ///
    /// Throws `ModelError.invalidBucketName` for anything else (ADR-8 allows nothing else).
    public init(_ text: String) throws(ModelError) {
        let legal = text.utf8.allSatisfy { byte in
            switch byte {
            case 45, 95, 48...57, 65...90, 97...122: true
            default: false
            }
        }
        guard legal, !text.isEmpty, text.utf8.count <= 252 else { throw .invalidBucketName(text) }
        rawValue = text
    }

    /// Takes a name that some client other than ours gave a bucket, legal or not.
    public init(unchecked text: String) {
        rawValue = text
    }

    /// Takes the bucket's name out of its stream's, `KV_<bucket>`; nil if the stream is no bucket.
    public init?(streamName: String) {
        guard streamName.hasPrefix("KV_") else { return nil }
        do { try self.init(String(streamName.dropFirst(3))) } catch { return nil }
    }

    /// The stream behind the bucket.
    public var streamName: String { "KV_" + rawValue }

    /// What a key's subject begins with.
    public var subjectPrefix: String { "$KV." + rawValue + "." }

    /// Names in the order of their bytes.
    public static func < (left: Self, right: Self) -> Bool {
        left.rawValue < right.rawValue
    }
}

extension BucketName: CustomStringConvertible {
    /// The name.
    public var description: String { rawValue }
}
