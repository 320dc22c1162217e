public import KVModel

/// Why a bucket did not do what was asked.
public struct KeyValueError: Error, Sendable {
    /// What went wrong, for code that decides by it.
    public enum Code: Sendable, Hashable {
        /// There is no such bucket.
        case bucketNotFound
        /// There is a bucket of the name already, with another configuration.
        case bucketExists
        /// The key cannot be used.
        case invalidKey
        /// The key exists already.
        case keyExists
        /// The key's newest revision is not the expected one.
        case wrongRevision
        /// This server's version cannot do it.
        case unsupported
        /// The server holds entries that it does not send.
        case stalled
    }

    /// What went wrong.
    public let code: Code
    /// The bucket that it was about.
    public let bucket: BucketName?
    /// The key that it was about.
    public let key: Key?
    /// What the server said, or what was seen.
    public let text: String?

    /// An error about a bucket or one of its keys.
    public init(code: Code, bucket: BucketName?, key: Key? = nil, text: String? = nil) {
        self.code = code
        self.bucket = bucket
        self.key = key
        self.text = text
    }
}

extension KeyValueError: CustomStringConvertible {
    /// What failed, on what, and why.
    public var cause: String {
        let bucket = bucket.map { "bucket \($0)" } ?? "the bucket"
        let key = key.map { "key \($0)" } ?? "the key"
        let detail = text.map { " (\($0))" } ?? ""
        switch code {
        case .bucketNotFound: return "there is no \(bucket)"
        case .bucketExists: return "\(bucket) exists already"
        case .invalidKey: return "\(key) in \(bucket) is not a legal key"
        case .keyExists: return "\(key) in \(bucket) exists already"
        case .wrongRevision: return "\(key) in \(bucket) was changed by somebody else\(detail)"
        case .unsupported: return "\(bucket): \(text ?? "the server cannot do this")"
        case .stalled: return "\(bucket): the server does not send what it holds after revision \(text ?? "0")"
        }
    }

    /// What to do about it.
    public var hint: String {
        switch code {
        case .bucketNotFound: "`cistern kv ls` lists the buckets of this account"
        case .bucketExists: "choose another name, or remove it first"
        case .invalidKey: "use letters, digits, - / _ = and ., no dot at either end"
        case .keyExists: "use put to overwrite it"
        case .wrongRevision: "read it again and retry"
        case .unsupported: "use a newer server or leave it out"
        case .stalled: "run it again; if that does not help, look into the log of the stream's leader"
        }
    }

    /// One sentence, with what to do.
    public var description: String { "\(cause); \(hint)" }
}
