import Crypto
import Foundation
import JetStream
import KVModel
import KeyValue

/// How far a mirror has come, and who mirrors: kept in the bucket `cistern-mirrors` of the target's cluster.
///
/// So any machine can take over, and nothing is lost with one. A run claims the record before it writes anything, and
/// writes it only where it is still what the run wrote last: one that was overtaken finds that out, and stops.
struct MirrorRecord: Codable, Sendable, Hashable {
    /// One end of a mirror.
    struct End: Codable, Sendable, Hashable {
        /// The cluster's name.
        var cluster: String
        /// The bucket.
        var bucket: String
        /// When it was created: its life.
        var created: String

        init(_ bucket: Bucket) {
            cluster = bucket.clusterName
            self.bucket = bucket.name.rawValue
            created = bucket.info.created
        }
    }

    /// What is mirrored.
    var source: End
    /// What is written to.
    var target: End
    /// How often the source's server lost writes within this life: revisions from before and after never mix.
    var losses: UInt64 = 0
    /// Every change up to this revision of the source is in the target.
    var resumeRevision: Revision = 0
    /// When the source stored that revision, in nanoseconds since 1970; 0 if nothing is known of it.
    var resumeTime: Int64 = 0
    /// The target's last sequence that was acknowledged when that was so.
    var targetSequence: UInt64 = 0
    /// The run that writes.
    var claim: String
    /// The highest lease that a run has held.
    var fencingToken: UInt64?
    /// The keys.
    var filter: [String]
    /// Their names in the target.
    var mapping: [String]
    /// Whether deletes travel.
    var deletes: Bool
    /// Whether what the target holds of an earlier life has still to be removed.
    var isResyncing = false
    /// When this was written.
    var updated: String

    /// Where the record of a mirror into a bucket is kept.
    static func key(source: BucketName, cluster: String, target: BucketName) -> Key {
        let digest = SHA256.hash(data: Array("\(cluster)/\(source)".utf8)).prefix(6)
        let digits = digest.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        return Key("\(target).\(source).\(digits)")
    }

    /// Where it is kept.
    var key: Key {
        Self.key(
            source: BucketName(unchecked: source.bucket),
            cluster: source.cluster,
            target: BucketName(unchecked: target.bucket)
        )
    }

    /// What entries of the source are called in the target.
    var identity: ReplayIdentity {
        ReplayIdentity(
            cluster: source.cluster,
            bucket: BucketName(unchecked: source.bucket),
            created: losses == 0 ? source.created : "\(source.created) after loss \(losses)"
        )
    }
}

/// The records of the mirrors that write to one cluster.
struct MirrorRecords: Sendable {
    /// A record and the revision that it has in its bucket.
    struct Held: Sendable {
        var record: MirrorRecord
        var revision: Revision
    }

    /// The bucket that they are kept in.
    static let bucketName = BucketName(unchecked: "cistern-mirrors")

    private let bucket: Bucket

    /// Opens the records of a cluster; nil if there are none.
    init?(existingIn buckets: Buckets) async throws {
        do {
            bucket = try await buckets.bucket(Self.bucketName)
        } catch let error as KeyValueError where error.code == .bucketNotFound {
            return nil
        }
    }

    /// Opens the records of a cluster, and makes room for them if there is none, on as many servers as the target has.
    init(in buckets: Buckets, replicas: Int64) async throws {
        if let found = try await Self(existingIn: buckets) {
            self = found
            return
        }
        var configuration = BucketConfiguration(name: Self.bucketName)
        configuration.description = "how far mirrors have come; kept by cistern"
        configuration.replicas = max(1, replicas)
        do {
            bucket = try await buckets.create(configuration)
        } catch let error as KeyValueError where error.code == .bucketExists {
            bucket = try await buckets.bucket(Self.bucketName)
        }
    }

    private init(_ bucket: Bucket) {
        self.bucket = bucket
    }

    /// Writes a record over a connection that is open: this one, or a new one like it.
    func writeAnyhow(_ record: MirrorRecord, under key: Key, expecting revision: Revision) async throws -> Held {
        try await Buckets(bucket.context).onOpenConnection { buckets in
            let records = Self(try await buckets.bucket(Self.bucketName))
            return try await records.write(record, under: key, expecting: revision)
        }
    }

    /// The record under a key; nil if there is none.
    func read(_ key: Key) async throws -> Held? {
        guard let entry = try await bucket.get(key) else { return nil }
        do {
            let record = try JSONDecoder().decode(MirrorRecord.self, from: Data(entry.value))
            return Held(record: record, revision: entry.revision)
        } catch {
            throw ReplicationError(
                .unsupported,
                bucket: Self.bucketName.rawValue,
                text: "the record \(key) is none that this version of Cistern can read",
                hint: "use a newer version; or delete that key, and the mirror begins anew"
            )
        }
    }

    /// The revision of a key's newest entry, a marker included; 0 if there is none.
    func lastRevision(_ key: Key) async throws -> Revision {
        try await bucket.latest(key)?.revision ?? 0
    }

    /// Writes a record, where the one there is still that of this revision, and answers what holds then.
    ///
    /// A write of which no answer came may have been made: then what holds is this run's own, and it goes on from that.
    func write(_ record: MirrorRecord, under key: Key, expecting revision: Revision) async throws -> Held {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let value = Array(try encoder.encode(record))
        do {
            return Held(record: record, revision: try await bucket.put(key, value, expected: revision))
        } catch let error as KeyValueError where error.code == .wrongRevision {
            if let found = try await read(key), found.record.claim == record.claim {
                let again = try await bucket.put(key, value, expected: found.revision)
                return Held(record: record, revision: again)
            }
            throw Self.overtaken(record)
        } catch let error as JetStreamError where error.code == .streamNotFound {
            // Nobody takes it: the records are gone, or their stream is without a leader for the moment.
            do {
                _ = try await read(key)
            } catch let error as JetStreamError where error.code == .streamNotFound {
                throw Self.overtaken(record)
            }
            throw JetStreamError(code: .interrupted, subject: error.subject, text: error.text, hint: error.hint)
        }
    }

    /// Makes sure that a record is still the one that a run wrote, and answers it.
    func confirm(_ held: Held, under key: Key) async throws -> Held {
        do {
            guard let found = try await read(key), found.record.claim == held.record.claim else {
                throw Self.overtaken(held.record)
            }
            return found
        } catch let error as JetStreamError where error.code == .streamNotFound {
            throw Self.overtaken(held.record)
        }
    }

    /// Removes a record, where it is still the one of this revision.
    func remove(_ key: Key, at revision: Revision) async throws {
        _ = try await bucket.purge(key, expected: revision)
    }

    static func overtaken(_ record: MirrorRecord) -> ReplicationError {
        ReplicationError(
            .claimedByOther,
            bucket: record.target.bucket,
            text: "another run has begun to mirror \(record.source.bucket) into it, or has taken its record away",
            hint: "let one run do it; this one has stopped, and nothing is lost"
        )
    }
}
