import JetStream
import KVModel

extension LeaseTerms {
    /// How a bucket keeps a lease, as it was when it was opened.
    init(lease: Duration, in bucket: KeyValueBucket) throws {
        try self.init(
            lease: lease,
            configuration: bucket.bucket.configuration,
            version: bucket.context.serverVersion
        )
    }

    /// Throws `unsupported` where conditional writes to a bucket do not exclude each other.
    static func checkConditionalWrites(to bucket: KeyValueBucket) throws {
        try checkConditionalWrites(bucket.bucket.configuration, bucket.context.serverVersion)
    }

    /// Writes an entry where there is none.
    func create(_ key: Key, _ value: [UInt8], in bucket: KeyValueBucket) async throws -> Revision {
        try await bucket.create(key, value, timeToLive: expiry == .entry ? kept : nil)
    }

    /// Writes an entry in place of a revision, 0 being none; the server keeps it for the whole time again.
    func update(
        _ key: Key,
        _ value: [UInt8],
        expecting revision: Revision,
        in bucket: KeyValueBucket
    ) async throws -> Revision {
        switch expiry {
        case .entry: try await bucket.update(key, value, expecting: revision, timeToLive: kept)
        case .bucket: try await bucket.update(key, value, expecting: revision)
        }
    }

    /// Takes an entry away; of its marker nothing stays for ever.
    func remove(_ key: Key, expecting revision: Revision, in bucket: KeyValueBucket) async throws {
        try await bucket.purge(key, expecting: revision, markerTimeToLive: expiry == .entry ? kept : nil)
    }
}

extension KeyValueBucket {
    /// How long its requests may take.
    var requestTimeout: Duration { context.timeout }

    /// The same bucket for a pattern: asks the leader, so that an answer is never old.
    func forPattern(requestTimeout: Duration? = nil, repeatsWrites: Bool = false) -> KeyValueBucket {
        let timeout = min(context.timeout, requestTimeout ?? context.timeout)
        let context = JetStreamContext(context.connection, apiPrefix: context.apiPrefix, timeout: timeout)
        return KeyValueBucket(
            Bucket(context, bucket.info),
            codecs: codecs,
            consistency: .leader,
            repeatsWrites: repeatsWrites
        )
    }
}

extension Error {
    /// Whether the same may succeed once the server, or the way to it, is back.
    var passesByItself: Bool {
        if let error = self as? KeyValueError { return error.code == .unanswered || error.code == .conflictTooOften }
        return isTransient
    }
}
