public import JetStream
public import KVModel
import NATSProtocol
import NIOCore

/// One bucket: its entries, read, written and watched.
public struct Bucket: Sendable {
    /// The JetStream it lives in.
    public let context: JetStreamContext
    /// The stream behind it, as it was when the bucket was opened.
    public let info: StreamInfo
    /// Its name.
    public let name: BucketName
    /// What the subjects of its entries begin with: a mirror's entries keep the subjects of the bucket it mirrors.
    public let subjectPrefix: String
    /// What the subjects begin with under which entries are written.
    private let writePrefix: String

    init(_ context: JetStreamContext, _ info: StreamInfo) {
        self.context = context
        self.info = info
        // Streams get here only under a bucket's name.
        let named = BucketName(streamName: info.name)
        let mirrored = (info.configuration["mirror"]?["name"]?.string).flatMap { BucketName(streamName: $0) }
        // A mirror takes no messages of its own.
        writePrefix = (mirrored ?? named)?.subjectPrefix ?? "$KV.\(info.name.dropFirst(3))."
        let transforms = info.configuration["mirror"]?["subject_transforms"]?.array ?? []
        subjectPrefix = (transforms.isEmpty ? mirrored : nil)?.subjectPrefix ?? "$KV.\(info.name.dropFirst(3))."
        name = named ?? BucketName(unchecked: String(info.name.dropFirst(3)))
    }

    /// The configuration.
    public var configuration: BucketConfiguration {
        BucketConfiguration(stream: info.configuration)
    }

    /// Whether replicas and direct mirrors may answer reads.
    var allowsDirectGet: Bool {
        configuration.isMirror ? info.configuration["mirror_direct"]?.bool == true : configuration.allowsDirectGet
    }

    /// The same bucket, asked for again.
    public func refreshed() async throws -> Bucket {
        try await Buckets(context).bucket(name)
    }

    /// The newest entry of a key, a marker included; nil if the bucket has none.
    public func latest(_ key: Key) async throws -> Entry? {
        guard let message = try await context.lastMessage(name.streamName, subject: try subject(key)) else {
            return nil
        }
        return entry(message)
    }

    /// The entry that a key's value stands in; nil if the key does not exist or was deleted.
    public func get(_ key: Key) async throws -> Entry? {
        guard let entry = try await latest(key), entry.operation == .put else { return nil }
        return entry
    }

    /// The entry of a key at a revision; nil if the bucket does not hold it, or it is another key's.
    public func get(_ key: Key, at revision: Revision) async throws -> Entry? {
        guard let message = try await context.message(name.streamName, at: revision) else { return nil }
        let entry = entry(message)
        return entry.key == key ? entry : nil
    }

    /// Gives a key a value and answers its revision.
    ///
    /// With `expected`, only if the key's newest revision is that one (0: the key has none). With `ttl`, for so long
    /// (Go duration or seconds; the bucket must allow it, servers from 2.11 on).
    @discardableResult
    public func put(
        _ key: Key,
        _ value: [UInt8],
        expected: Revision? = nil,
        ttl: String? = nil
    ) async throws -> Revision {
        try await publish(key, value, WriteTerms(expected: expected, lifetime: ttl))
    }

    /// Gives a key a value if it has none: if it never existed, or its newest entry is a marker.
    @discardableResult
    public func create(_ key: Key, _ value: [UInt8], ttl: String? = nil) async throws -> Revision {
        try await WriteTerms.create(key, in: name) {
            try await latest(key).map { ($0.revision, $0.operation) }
        } write: { expected in
            try await put(key, value, expected: expected, ttl: ttl)
        }
    }

    /// Deletes a key: a marker becomes its newest entry, its history stays.
    @discardableResult
    public func delete(_ key: Key, expected: Revision? = nil) async throws -> Revision {
        var terms = WriteTerms.delete
        terms.expected = expected
        return try await publish(key, [], terms)
    }

    /// Deletes a key and its history; a marker stays.
    @discardableResult
    public func purge(_ key: Key, expected: Revision? = nil) async throws -> Revision {
        var terms = WriteTerms.purge
        terms.expected = expected
        return try await publish(key, [], terms)
    }

    /// Every entry of a key that the bucket holds, oldest first.
    public func history(_ key: Key) async throws -> [Entry] {
        var options = WatchOptions()
        options.patterns = [try KeyPattern(key.description)]
        var entries: [Entry] = []
        try await readAll(options) { entries.append(Entry($0)) }
        return entries
    }

    /// Follows the bucket's entries.
    public func watch(_ options: WatchOptions = WatchOptions()) async throws -> Watch {
        try await Watch(self, options)
    }

    private func subject(_ key: Key) throws -> String {
        guard key.isStorable, let text = String(validating: key.bytes, as: UTF8.self) else {
            throw KeyValueError(code: .invalidKey, bucket: name, key: key)
        }
        return subjectPrefix + text
    }

    private func publish(
        _ key: Key,
        _ value: [UInt8],
        _ terms: WriteTerms
    ) async throws -> Revision {
        guard key.isLegal else { throw KeyValueError(code: .invalidKey, bucket: name, key: key) }
        let headers = terms.headers
        do {
            let payload = ByteBuffer(bytes: value)
            return try await publish(key, payload, headers.isEmpty ? nil : headers, timeout: context.timeout)
        } catch let error as JetStreamError where error.code == .wrongLastSequence {
            throw KeyValueError(code: .wrongRevision, bucket: name, key: key, text: error.text)
        }
    }

    /// Publishes a message to a key's subject, which must be legal, and answers its revision.
    ///
    /// What is written to a mirror goes to the bucket that it mirrors, also in another domain or account.
    func publish(_ key: Key, _ payload: ByteBuffer, _ headers: Headers?, timeout: Duration) async throws -> Revision {
        let subject = writePrefix + String(decoding: key.bytes, as: UTF8.self)
        let external = info.configuration["mirror"]?["external"]?["api"]?.string ?? ""
        let target = external.isEmpty ? context.publishSubject(subject) : "\(external).\(subject)"
        let stored = try await context.publish(subject, to: target, payload, headers, timeout: timeout)
        guard stored.sequence > 0 else {
            // A repetition of what a server took and a change of leaders lost again.
            throw JetStreamError(code: .interrupted, subject: subject, text: "the acknowledgement says no sequence")
        }
        return stored.sequence
    }

    /// What a message is as an entry of this bucket.
    func entry(_ message: StoredMessage) -> Entry {
        let prefix = Array(subjectPrefix.utf8)
        let key =
            message.subject.starts(with: prefix) ? Array(message.subject.dropFirst(prefix.count)) : message.subject
        return Entry(
            revision: message.sequence,
            time: message.time,
            operation: message.headers.withUnsafeBytes { Operation(headers: $0) },
            key: Key(bytes: key),
            headers: message.headers,
            value: message.payload
        )
    }
}
