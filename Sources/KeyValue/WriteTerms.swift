import KVModel
import NATSProtocol

/// What a write is beside its key and value.
struct WriteTerms {
    /// What it does to the key, if it is a marker.
    var operation: String?
    /// The newest revision that the key must have; 0 for none.
    var expected: Revision?
    /// How long the entry lasts, as servers take it.
    var lifetime: String?

    static let delete = WriteTerms(operation: "DEL")
    static let purge = WriteTerms(operation: "PURGE")

    /// The terms as servers read them (ADR-8, ADR-43).
    var headers: Headers {
        var headers = Headers()
        if let operation { headers.append("KV-Operation", operation) }
        if operation == Self.purge.operation { headers.append("Nats-Rollup", "sub") }
        if let expected { headers.append("Nats-Expected-Last-Subject-Sequence", String(expected)) }
        if let lifetime { headers.append("Nats-TTL", lifetime) }
        return headers
    }

    /// How often another writer may get in between before a creation gives up.
    private static let races = 16

    /// Writes a key that has no value: expecting nothing, or else the marker that is its newest entry.
    static func create(
        _ key: Key,
        in bucket: BucketName,
        newest: () async throws -> (revision: Revision, operation: Operation)?,
        write: (_ expected: Revision) async throws -> Revision
    ) async throws -> Revision {
        var expected: Revision = 0
        for _ in 0..<races {
            do {
                return try await write(expected)
            } catch let error as KeyValueError where error.code == .wrongRevision {
                let newest = try await newest()
                if let newest, newest.operation == .put {
                    throw KeyValueError(code: .keyExists, bucket: bucket, key: key, revision: newest.revision)
                }
                // None: the marker that was in the way has gone meanwhile.
                expected = newest?.revision ?? 0
            }
        }
        throw KeyValueError(code: .conflictTooOften, bucket: bucket, key: key)
    }
}
