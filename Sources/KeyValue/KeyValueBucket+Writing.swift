import Foundation
import JetStream
public import KVModel
import NATSClient
import NATSProtocol
import NIOCore

extension KeyValueBucket {
    /// Gives a key a value and answers its revision.
    @discardableResult
    public func put(_ key: Key, _ value: [UInt8]) async throws -> Revision {
        try await write(key, value, WriteTerms())
    }

    /// Gives a key a value if its newest revision is the expected one, and answers the new one.
    ///
    /// Expecting 0 means that the key must never have been written, or that nothing of it is left. Throws
    /// `wrongRevision`, with the actual revision where the server says it.
    @discardableResult
    public func update(_ key: Key, _ value: [UInt8], expecting revision: Revision) async throws -> Revision {
        try await write(key, value, WriteTerms(expected: revision))
    }

    /// The same with a lifetime, which ADR-48 leaves to `create`: for buckets with a history of 1, where a value that
    /// outlives its successor cannot come to light again.
    package func update(
        _ key: Key,
        _ value: [UInt8],
        expecting revision: Revision,
        timeToLive: Duration
    ) async throws -> Revision {
        try await write(key, value, WriteTerms(expected: revision, lifetime: seconds(timeToLive, key)))
    }

    /// Gives a key a value if it has none: if it never existed, or was deleted, purged or has expired.
    ///
    /// With `timeToLive` the key expires after it, which is rounded up to whole seconds (servers from 2.11 on, in
    /// buckets with a `limitMarkerTTL`). Throws `keyExists` if the key has a value.
    @discardableResult
    public func create(_ key: Key, _ value: [UInt8], timeToLive: Duration? = nil) async throws -> Revision {
        let lifetime = try timeToLive.map { try seconds($0, key) }
        return try await WriteTerms.create(key, in: name) {
            try await latest(key, consistency: .leader).map { ($0.revision, $0.operation) }
        } write: { expected in
            try await write(key, value, WriteTerms(expected: expected, lifetime: lifetime))
        }
    }

    /// Deletes a key: a marker becomes its newest entry, its history stays; answers the marker's revision.
    ///
    /// Deleting a key that does not exist is no error. With `expecting` only if its newest revision is that one.
    @discardableResult
    public func delete(_ key: Key, expecting revision: Revision? = nil) async throws -> Revision {
        var terms = WriteTerms.delete
        terms.expected = revision
        return try await write(key, nil, terms)
    }

    /// Deletes a key with its history, and answers the revision of the marker that stays.
    ///
    /// With `expecting` only if the key's newest revision is that one. With `markerTimeToLive` the marker goes after
    /// that time, rounded up to whole seconds (servers from 2.11 on, in buckets with a `limitMarkerTTL`).
    @discardableResult
    public func purge(
        _ key: Key,
        expecting revision: Revision? = nil,
        markerTimeToLive: Duration? = nil
    ) async throws -> Revision {
        var terms = WriteTerms.purge
        terms.expected = revision
        terms.lifetime = try markerTimeToLive.map { try seconds($0, key) }
        return try await write(key, nil, terms)
    }

    /// Gives a key the value that it had at a revision again, and answers the new revision.
    ///
    /// Throws `keyNotFound` if the bucket does not hold a value of the key at that revision, and `wrongRevision` if
    /// somebody writes to the key meanwhile.
    @discardableResult
    public func revert(_ key: Key, to revision: Revision) async throws -> Revision {
        guard let old = try await get(key, at: revision, consistency: .leader) else {
            throw KeyValueError(code: .keyNotFound, bucket: name, key: key, text: "revision \(revision)")
        }
        let newest = try await latest(key, consistency: .leader)
        return try await update(key, old.value, expecting: newest?.revision ?? revision)
    }

    /// Gives a key a text and answers its revision.
    @discardableResult
    public func put(_ key: Key, _ text: String) async throws -> Revision {
        try await put(key, Array(text.utf8))
    }

    /// Gives a key a text if its newest revision is the expected one, and answers the new one.
    @discardableResult
    public func update(_ key: Key, _ text: String, expecting revision: Revision) async throws -> Revision {
        try await update(key, Array(text.utf8), expecting: revision)
    }

    /// Gives a key a text if it has no value.
    @discardableResult
    public func create(_ key: Key, _ text: String, timeToLive: Duration? = nil) async throws -> Revision {
        try await create(key, Array(text.utf8), timeToLive: timeToLive)
    }

    /// Gives a key a value as JSON and answers its revision.
    @discardableResult
    public func put(_ key: Key, json value: some Encodable) async throws -> Revision {
        try await put(key, Array(JSONEncoder().encode(value)))
    }

    /// Gives a key a value as JSON if its newest revision is the expected one, and answers the new one.
    @discardableResult
    public func update(_ key: Key, json value: some Encodable, expecting revision: Revision) async throws -> Revision {
        try await update(key, Array(JSONEncoder().encode(value)), expecting: revision)
    }

    /// Gives a key a value as JSON if it has none.
    @discardableResult
    public func create(
        _ key: Key,
        json value: some Encodable,
        timeToLive: Duration? = nil
    ) async throws -> Revision {
        try await create(key, Array(JSONEncoder().encode(value)), timeToLive: timeToLive)
    }

    private func write(_ key: Key, _ value: [UInt8]?, _ terms: WriteTerms) async throws -> Revision {
        let stored = try stored(key)
        let value = try value.map { try codecs.value?.encode($0) ?? $0 } ?? []
        var headers = terms.headers
        let id = repeatsWrites ? context.connection.newInbox() : nil
        if let id { headers.append("Nats-Msg-Id", id) }
        let payload = ByteBuffer(bytes: value)
        var isUncertain = false
        return try await attempt(about: key, repeats: repeatsWrites) { [headers] timeout in
            do {
                let plain = headers.isEmpty ? nil : headers
                return try await bucket.publish(stored, payload, plain, timeout: timeout)
            } catch let error as NATSError where [.timeout, .disconnected, .staleConnection].contains(error.code) {
                isUncertain = true
                throw error
            } catch let error as JetStreamError where error.code == .wrongLastSequence {
                guard isUncertain, let id else { throw error }
                return try await revision(of: id, at: stored, behind: terms.expected ?? 0, after: error)
            }
        }
    }

    /// The revision of what may have been stored by a write whose answer was lost.
    ///
    /// Servers from 2.12 on compare the expected revision before they look for repetitions: the write itself is what
    /// was in the way of its repetition, or another one was.
    private func revision(
        of id: String,
        at key: Key,
        behind expected: Revision,
        after error: JetStreamError
    ) async throws -> Revision {
        let history = try await bucket.history(key)
        for entry in history.reversed() {
            let found = entry.headers.withUnsafeBytes { headers in
                HeaderBlock.value(of: "Nats-Msg-Id", in: headers).map { String(decoding: $0, as: UTF8.self) }
            }
            if found == id { return entry.revision }
        }
        // With the expected entry the bucket holds all that came after it: it was not stored, and never will be.
        if history.contains(where: { $0.revision == expected }) { throw error }
        throw KeyValueError(
            code: .unanswered,
            bucket: name,
            key: key,
            text: "others wrote to it meanwhile, and its history does not reach back far enough to tell",
            underlying: error
        )
    }

    /// A lifetime as servers take it: whole seconds, one at least.
    private func seconds(_ lifetime: Duration, _ key: Key) throws -> String {
        guard context.serverIsAtLeast(2, 11) else {
            throw KeyValueError(
                code: .unsupported,
                bucket: name,
                key: key,
                text: "the server, version \(context.serverVersion), knows no lifetimes of single keys: 2.11 does"
            )
        }
        guard lifetime >= .seconds(1) else {
            throw KeyValueError(code: .invalidTimeToLive, bucket: name, key: key, text: "\(lifetime)")
        }
        let (seconds, rest) = lifetime.components
        return String(rest > 0 ? seconds.addingReportingOverflow(1).partialValue : seconds)
    }
}
