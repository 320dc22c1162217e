public import KVModel

/// Why a bucket did not do what was asked.
public struct KeyValueError: Error, Sendable {
    /// What went wrong, for code that decides by it.
    public enum Code: Sendable, Hashable {
        /// There is no such bucket.
        case bucketNotFound
        /// There is a bucket of the name already, with another configuration.
        case bucketExists
        /// The stream under the bucket's name keeps no newest value of each key: somebody made it for something else.
        case notABucket
        /// The name is none that a bucket can have.
        case invalidBucketName
        /// The key cannot be used.
        case invalidKey
        /// The pattern cannot be used, or not with the bucket's key codec.
        case invalidPattern
        /// An option or a part of a configuration is outside what is allowed.
        case invalidOption
        /// The key has no value, and one was needed.
        case keyNotFound
        /// The key exists already.
        case keyExists
        /// The key's newest revision is not the expected one; `revision` is the actual one where the server says it.
        case wrongRevision
        /// The value is larger than the bucket, or the server, takes.
        case valueTooLarge
        /// The bucket's limits are reached.
        case bucketFull
        /// The bucket does not allow entries a lifetime of their own.
        case timeToLiveNotAllowed
        /// The lifetime is none that the server takes.
        case invalidTimeToLive
        /// The bucket takes no writes.
        case readOnly
        /// The key or the value is not what the codec, or the type asked for, makes of it.
        case undecodable
        /// This server's version cannot do it.
        case unsupported
        /// The bucket is there, but none of the servers that hold it answers.
        case unavailable
        /// There was no answer in time: a write may or may not have been carried out.
        case unanswered
        /// The key was changed by others each time that it was tried.
        case conflictTooOften
        /// The lock is held by somebody else.
        case lockHeld
        /// The lock could not be renewed in time: somebody else may hold it.
        case lockLost
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
    /// The revision that it was about, or that was found in place of the expected one.
    public let revision: Revision?
    /// What failed beneath.
    public let underlying: (any Error)?

    /// An error about a bucket or one of its keys.
    public init(
        code: Code,
        bucket: BucketName?,
        key: Key? = nil,
        text: String? = nil,
        revision: Revision? = nil,
        underlying: (any Error)? = nil
    ) {
        self.code = code
        self.bucket = bucket
        self.key = key
        self.text = text
        self.revision = revision
        self.underlying = underlying
    }
}

extension KeyValueError: CustomStringConvertible {
    /// What failed, on what, and why.
    public var cause: String {
        let bucket = bucket.map { "bucket \($0)" } ?? "the bucket"
        let key = key.map { "key \($0)" } ?? "the key"
        let detail = text.map { " (\($0))" } ?? ""
        switch code {
        case .bucketNotFound: return "there is no \(bucket)\(detail)"
        case .bucketExists: return "\(bucket) exists already\(detail)"
        case .notABucket: return "\(bucket): the stream of that name is no bucket\(detail)"
        case .invalidBucketName: return "\(text ?? "the name") is not a bucket name"
        case .invalidKey: return "\(key) in \(bucket) is not a legal key\(detail)"
        case .invalidPattern: return "\(bucket): the pattern cannot be used\(detail)"
        case .invalidOption: return "\(bucket): \(text ?? "an option is not allowed")"
        case .keyNotFound: return "\(key) in \(bucket) has no value\(detail)"
        case .keyExists: return "\(key) in \(bucket) exists already"
        case .wrongRevision: return "\(key) in \(bucket) was changed by somebody else\(detail)"
        case .valueTooLarge: return "the value of \(key) is too large for \(bucket)\(detail)"
        case .bucketFull: return "\(bucket) is full\(detail)"
        case .timeToLiveNotAllowed: return "\(bucket) does not allow keys a lifetime of their own\(detail)"
        case .invalidTimeToLive: return "\(bucket): the lifetime is not allowed\(detail)"
        case .readOnly: return "\(bucket) takes no writes\(detail)"
        case .undecodable: return "\(key) in \(bucket) cannot be decoded\(detail)"
        case .unsupported: return "\(bucket): \(text ?? "the server cannot do this")"
        case .unavailable: return "\(bucket) does not answer\(detail)"
        case .unanswered: return "\(bucket): no answer came in time about \(key)\(detail)"
        case .conflictTooOften: return "\(key) in \(bucket) is changed by others all the time\(detail)"
        case .lockHeld: return "the lock \(key) in \(bucket) is held by somebody else\(detail)"
        case .lockLost: return "the lock \(key) in \(bucket) was lost\(detail)"
        case .stalled: return "\(bucket): the server does not send what it holds after revision \(text ?? "0")"
        }
    }

    /// What to do about it.
    public var hint: String {
        switch code {
        case .bucketNotFound: "`cistern kv ls` lists the buckets of this account"
        case .bucketExists: "choose another name, or remove it first"
        case .notABucket: "choose another name; `nats stream info` shows what it is"
        case .invalidBucketName: "use letters, digits, - and _"
        case .invalidKey: "use letters, digits, - / _ = and ., no dot at either end"
        case .invalidPattern: "use keys with * for one part and > for the rest, or list all keys"
        case .invalidOption: "leave it out or give it another value"
        case .keyNotFound: "`cistern kv history` shows what the bucket holds of it"
        case .keyExists: "use put to overwrite it"
        case .wrongRevision: "read it again and retry"
        case .valueTooLarge: "store it elsewhere, or raise the bucket's max-value-size or the server's max_payload"
        case .bucketFull: "remove keys or history, or raise the bucket's max-bytes"
        case .timeToLiveNotAllowed: "set the bucket's limit-marker-ttl, which allows it"
        case .invalidTimeToLive: "use a second or more"
        case .readOnly: "write to the bucket that it mirrors"
        case .undecodable: "read it with the codecs and the type that it was written with"
        case .unsupported: "use a newer server or leave it out"
        case .unavailable: "look at the servers that hold it: they may be down"
        case .unanswered: "read the key to see whether it was stored, then try again"
        case .conflictTooOften: "try again later, or spread the writes over several keys"
        case .lockHeld: "wait for it, or for its lease to end"
        case .lockLost: "stop what it guarded, and acquire it again"
        case .stalled: "run it again; if that does not help, look into the log of the stream's leader"
        }
    }

    /// One sentence, with what to do.
    public var description: String { "\(cause); \(hint)" }
}
