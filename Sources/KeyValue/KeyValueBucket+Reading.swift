import JetStream
public import KVModel
import NATSClient

extension KeyValueBucket {
    /// The entry that a key's value stands in, the newest or that of a revision.
    ///
    /// nil if the key never existed, was deleted, purged or has expired, or if the bucket does not hold a value of the
    /// key at that revision. With `consistency` for this read alone.
    public func get(
        _ key: Key,
        at revision: Revision? = nil,
        consistency: ReadConsistency? = nil
    ) async throws -> KeyValueEntry? {
        guard let revision else {
            guard let entry = try await latest(key, consistency: consistency), entry.operation == .put else {
                return nil
            }
            return entry
        }
        let stored = try stored(key)
        let found = try await read(of: key, consistency) { context, stream, timeout in
            try await context.directMessage(stream, at: revision, timeout: timeout)
        } leader: { context, stream, timeout in
            try await context.message(stream, at: revision, timeout: timeout)
        }
        guard let found, found.key == stored, found.operation == .put else { return nil }
        return try KeyValueEntry(found, bucket: name, codecs: codecs)
    }

    /// The newest entry of a key, a marker included; nil if the bucket has none.
    public func latest(_ key: Key, consistency: ReadConsistency? = nil) async throws -> KeyValueEntry? {
        let subject = bucket.subjectPrefix + (try stored(key)).description
        let found = try await read(of: key, consistency) { context, stream, timeout in
            try await context.directMessage(stream, last: subject, timeout: timeout)
        } leader: { context, stream, timeout in
            try await context.lastMessage(stream, subject: subject, timeout: timeout)
        }
        return try found.map { try KeyValueEntry($0, bucket: name, codecs: codecs) }
    }

    /// Every entry of a key that the bucket holds, oldest first, markers included; empty if it holds none.
    public func history(of key: Key) async throws -> [KeyValueEntry] {
        let stored = try stored(key)
        let entries = try await attempt(about: key, repeats: true) { _ in
            try await bucket.history(stored)
        }
        return try entries.enumerated().map { index, entry in
            let delta = UInt64(entries.count - 1 - index)
            return try KeyValueEntry(entry, bucket: name, codecs: codecs, delta: delta)
        }
    }

    /// The keys that have a value, once each, without holding them all.
    ///
    /// With patterns, those that one of them matches. A key that is written to while keys are listed comes once as
    /// long as there are no more than 100,000, else it may come again. On servers before 2.10 the keys are read first
    /// and handed out then.
    public func keys(matching patterns: [KeyPattern] = []) -> KeyStream {
        KeyStream(entries(matching: patterns, withoutValues: true))
    }

    /// The entries that keys have now, without those that are deleted, as `keys` lists them.
    public func entries(matching patterns: [KeyPattern] = [], withoutValues: Bool = false) -> CurrentEntries {
        let options = KeyWatchOptions(start: .newest, ignoresDeletes: true, withoutValues: withoutValues)
        return CurrentEntries(watch(patterns, options: options))
    }

    /// The entries of keys, as they are and then as they change; with patterns, of the keys that one of them matches.
    ///
    /// The watch begins when it is first iterated over; each iteration is a watch of its own.
    public func watch(_ patterns: [KeyPattern] = [], options: KeyWatchOptions = KeyWatchOptions()) -> WatchSequence {
        WatchSequence(self, patterns, options)
    }

    private typealias Question = (JetStreamContext, String, Duration) async throws -> StoredMessage?

    /// Asks a replica, or the leader where that is wanted or nobody answers direct gets.
    private func read(
        of key: Key,
        _ consistency: ReadConsistency?,
        direct: Question,
        leader: Question
    ) async throws -> Entry? {
        let (context, stream) = (context, name.streamName)
        var isDirect = (consistency ?? self.consistency) == .anyReplica && bucket.allowsDirectGet
        let message = try await attempt(about: key, repeats: true) { timeout in
            guard isDirect else { return try await leader(context, stream, timeout) }
            do {
                return try await direct(context, stream, timeout)
            } catch let error as JetStreamError where error.code == .unavailable {
                // The bucket's configuration may have been changed since it was opened.
                isDirect = false
                return try await leader(context, stream, timeout)
            } catch let error as NATSError where error.code == .timeout {
                // Servers before 2.10 say nothing then.
                isDirect = false
                throw error
            }
        }
        return message.map(bucket.entry)
    }
}
