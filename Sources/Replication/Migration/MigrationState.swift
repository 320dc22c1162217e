public import Archive
import Foundation
public import KVModel

/// All that a migration must remember to go on after a kill: what its journal holds.
public struct MigrationState: Sendable, Hashable, Codable {
    /// Names this migration on the server: in the fence's subject and the trial stream's name.
    public var token: String
    /// The changed settings, as they were asked for.
    public var settings: [String]
    /// The stream's configuration before.
    public var old: JSONValue
    /// The stream's configuration after.
    public var new: JSONValue
    /// Whether revisions and times are kept, as the plan said.
    public var isExact: Bool
    /// Whether entries come into memory by way of a stream in file storage.
    public var isStaged: Bool
    /// What the entries take in the new storage.
    public var bytes: UInt64
    /// The bucket's last revision, once nobody can write any more.
    public var finalRevision: Revision?
    /// The name that the final revision has in the archive.
    public var tag: String

    /// A migration that begins.
    init(_ plan: MigrationPlan, settings: [String]) {
        let random = (0..<4).map { _ in UInt8.random(in: 0...255) }
        token = random.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        self.settings = settings
        old = plan.old.stream
        new = plan.new.stream
        isExact = plan.settings.method == .exact
        isStaged = plan.isStaged
        bytes = plan.storedBytes
        tag = "before-migration-\(token)"
    }

    /// As the journal holds it.
    var text: String {
        get throws {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            return String(decoding: try encoder.encode(self), as: UTF8.self)
        }
    }
}

/// A migration as the archive's journal tells it.
public struct JournaledMigration: Sendable, Hashable {
    /// The life of the bucket that it is about.
    public var incarnation: Incarnation
    /// The last step written down.
    public var step: MigrationStep
    /// When.
    public var time: Timestamp
    /// What it knew then.
    public var state: MigrationState

    /// The last migration of a bucket that an archive knows of; nil if there is none.
    public static func last(of bucket: BucketName, cluster: String?, in reader: ArchiveReader) throws -> Self? {
        var found: Self?
        for incarnation in try reader.incarnations()
        where incarnation.bucket == bucket && (cluster == nil || incarnation.cluster == cluster) {
            guard let record = try reader.migrationRecords(of: incarnation.id).last else { continue }
            let migration = try Self(record, of: incarnation)
            if found.map({ $0.time < migration.time }) ?? true { found = migration }
        }
        return found
    }

    private init(_ record: MigrationRecord, of incarnation: Incarnation) throws {
        guard let step = MigrationStep(rawValue: record.step) else {
            throw ReplicationError(
                .unsupported,
                bucket: incarnation.bucket.rawValue,
                text: "the archive's journal names a step that this version does not know: \(record.step)",
                hint: "use the version of cistern that began the migration, or a newer one"
            )
        }
        self.incarnation = incarnation
        self.step = step
        time = record.time
        state = try JSONDecoder().decode(MigrationState.self, from: Data(record.detail.utf8))
    }
}
