import Crypto
import GRDB

/// The archive file's format: what marks it, its tables, and the check that a file is one.
///
/// `Format.md` specifies it.
enum ArchiveFormat {
    /// `CSTN`, in the SQLite header.
    static let applicationID: Int64 = 0x4353_544e
    static let version: Int64 = 1
    /// Every table and index takes a page at least: of a small archive larger ones would be a good part.
    static let pageSize = 4096
    static let tables =
        Database.dataKeyTables + [
            "incarnation", "incarnation_copy", "configuration", "segment", "segment_data", "checkpoint", "point",
            "held", "lost", "removal",
            "tag", "migration", "run",
        ]

    static let schema = """
        CREATE TABLE data_key (
            id INTEGER PRIMARY KEY,
            wrapping TEXT NOT NULL,
            salt BLOB NOT NULL,
            rounds INTEGER,
            block_size INTEGER,
            parallelism INTEGER,
            wrapped BLOB NOT NULL,
            complete INTEGER NOT NULL,
            digest BLOB NOT NULL
        ) STRICT;
        CREATE TABLE data_key_copy (
            id INTEGER PRIMARY KEY,
            wrapping TEXT NOT NULL,
            salt BLOB NOT NULL,
            rounds INTEGER,
            block_size INTEGER,
            parallelism INTEGER,
            wrapped BLOB NOT NULL,
            complete INTEGER NOT NULL,
            digest BLOB NOT NULL
        ) STRICT;
        CREATE TABLE incarnation (
            id INTEGER PRIMARY KEY,
            cluster TEXT NOT NULL,
            bucket TEXT NOT NULL,
            created TEXT NOT NULL,
            filter TEXT NOT NULL,
            UNIQUE (cluster, bucket, created)
        ) STRICT;
        CREATE TABLE incarnation_copy (
            id INTEGER PRIMARY KEY,
            cluster TEXT NOT NULL,
            bucket TEXT NOT NULL,
            created TEXT NOT NULL,
            filter TEXT NOT NULL
        ) STRICT;
        CREATE TABLE configuration (
            id INTEGER PRIMARY KEY,
            incarnation INTEGER NOT NULL REFERENCES incarnation (id),
            revision INTEGER NOT NULL,
            time INTEGER NOT NULL,
            json TEXT NOT NULL,
            digest BLOB NOT NULL
        ) STRICT;
        CREATE INDEX configuration_by_revision ON configuration (incarnation, revision);
        CREATE TABLE segment (
            id INTEGER PRIMARY KEY,
            incarnation INTEGER NOT NULL REFERENCES incarnation (id),
            ordinal INTEGER NOT NULL,
            first_revision INTEGER NOT NULL,
            last_revision INTEGER NOT NULL,
            first_time INTEGER NOT NULL,
            last_time INTEGER NOT NULL,
            entry_count INTEGER NOT NULL,
            raw_size INTEGER NOT NULL,
            filter_size INTEGER NOT NULL,
            body_size INTEGER NOT NULL,
            values_size INTEGER NOT NULL,
            digest BLOB NOT NULL,
            parts BLOB NOT NULL,
            data_key INTEGER,
            seal BLOB,
            data INTEGER NOT NULL,
            UNIQUE (incarnation, ordinal)
        ) STRICT;
        CREATE TABLE segment_data (
            id INTEGER PRIMARY KEY,
            key_filter BLOB NOT NULL,
            body BLOB NOT NULL,
            value_blocks BLOB NOT NULL
        ) STRICT;
        CREATE TABLE checkpoint (
            incarnation INTEGER PRIMARY KEY REFERENCES incarnation (id),
            resume_revision INTEGER NOT NULL,
            consistent_revision INTEGER,
            consistent_time INTEGER,
            source_messages INTEGER NOT NULL,
            source_bytes INTEGER NOT NULL,
            source_first INTEGER NOT NULL,
            source_last INTEGER NOT NULL,
            updated INTEGER NOT NULL,
            segments INTEGER NOT NULL,
            head BLOB NOT NULL,
            exact_from INTEGER NOT NULL,
            configurations INTEGER NOT NULL,
            removals INTEGER NOT NULL,
            points INTEGER NOT NULL,
            losses INTEGER NOT NULL,
            tags INTEGER NOT NULL,
            migrations INTEGER NOT NULL,
            digest BLOB NOT NULL
        ) STRICT;
        CREATE TABLE point (
            id INTEGER PRIMARY KEY,
            incarnation INTEGER NOT NULL REFERENCES incarnation (id),
            revision INTEGER NOT NULL,
            time INTEGER NOT NULL,
            held_rows INTEGER NOT NULL,
            held_entries INTEGER NOT NULL,
            head BLOB NOT NULL,
            digest BLOB NOT NULL,
            UNIQUE (incarnation, revision)
        ) STRICT;
        CREATE TABLE held (
            id INTEGER PRIMARY KEY,
            incarnation INTEGER NOT NULL REFERENCES incarnation (id),
            point INTEGER NOT NULL,
            ordinal INTEGER NOT NULL,
            runs BLOB NOT NULL,
            digest BLOB NOT NULL,
            UNIQUE (incarnation, point, ordinal)
        ) STRICT;
        CREATE TABLE lost (
            id INTEGER PRIMARY KEY,
            incarnation INTEGER NOT NULL REFERENCES incarnation (id),
            first_revision INTEGER NOT NULL,
            last_revision INTEGER NOT NULL,
            digest BLOB NOT NULL
        ) STRICT;
        CREATE TABLE removal (
            id INTEGER PRIMARY KEY,
            incarnation INTEGER NOT NULL REFERENCES incarnation (id),
            first_revision INTEGER NOT NULL,
            last_revision INTEGER NOT NULL,
            since_revision INTEGER NOT NULL,
            since_time INTEGER NOT NULL,
            seen_revision INTEGER NOT NULL,
            seen_time INTEGER NOT NULL,
            digest BLOB NOT NULL
        ) STRICT;
        CREATE INDEX removal_by_revision ON removal (incarnation, first_revision);
        CREATE TABLE tag (
            incarnation INTEGER NOT NULL REFERENCES incarnation (id),
            name TEXT NOT NULL,
            revision INTEGER NOT NULL,
            time INTEGER,
            note TEXT NOT NULL,
            created INTEGER NOT NULL,
            digest BLOB NOT NULL,
            PRIMARY KEY (incarnation, name)
        ) STRICT;
        CREATE TABLE migration (
            id INTEGER PRIMARY KEY,
            incarnation INTEGER NOT NULL REFERENCES incarnation (id),
            time INTEGER NOT NULL,
            step TEXT NOT NULL,
            detail TEXT NOT NULL,
            digest BLOB NOT NULL
        ) STRICT;
        CREATE TABLE run (
            id INTEGER PRIMARY KEY,
            kind TEXT NOT NULL,
            incarnation INTEGER REFERENCES incarnation (id),
            started INTEGER NOT NULL,
            finished INTEGER,
            from_revision INTEGER,
            to_revision INTEGER,
            entries INTEGER NOT NULL,
            bytes INTEGER NOT NULL,
            outcome TEXT NOT NULL,
            error TEXT,
            digest BLOB NOT NULL
        ) STRICT;
        """

    /// What a database file turns out to be.
    enum Kind: Equatable {
        case archive
        case empty
    }

    /// Tells an archive from an empty file; throws `.notAnArchive`, `.newerFormat` or `.corrupt` for all else.
    static func inspect(_ db: Database) throws -> Kind {
        let application = try db.integer("PRAGMA application_id")
        let version = try db.integer("PRAGMA user_version")
        let present = Set(try db.rows("SELECT name FROM sqlite_schema WHERE type = 'table'").map { try $0.text(0) })
        if application == 0, version == 0, present.isEmpty { return .empty }
        guard application == applicationID else { throw ArchiveError(.notAnArchive) }
        guard version <= Self.version else { throw ArchiveError(.newerFormat(Int(version))) }
        guard version == Self.version else { throw ArchiveError(.corrupt("format \(version) never was")) }
        let missing = tables.filter { !present.contains($0) }
        guard missing.isEmpty else { throw ArchiveError(.corrupt("no table \(missing.joined(separator: ", "))")) }
        return .archive
    }

    /// Makes an empty database an archive, in one transaction.
    ///
    /// With a key, an encrypted one: its data key is made here.
    static func create(_ db: Database, key: ArchiveKey? = nil) throws {
        try db.execute(sql: "PRAGMA page_size = \(pageSize)")
        // Space can then be given back in steps, while readers read; it must be said before anything is written.
        try db.execute(sql: "PRAGMA auto_vacuum = INCREMENTAL")
        let mode = try db.rows("PRAGMA journal_mode = WAL").first?.text(0)
        guard mode == "wal" else { throw ArchiveError(.io("this file system cannot hold a write-ahead log")) }
        try db.inTransaction(.immediate) {
            try db.execute(sql: schema)
            if let key { try db.save(WrappedDataKey(SymmetricKey(size: .bits256), id: 1, isComplete: true, for: key)) }
            try db.execute(sql: "PRAGMA application_id = \(applicationID)")
            try db.execute(sql: "PRAGMA user_version = \(version)")
            return .commit
        }
    }
}

extension ArchiveFormat {
    /// What SQLite sorts or sets aside never gets into a file of its own, outside the archive's care.
    static func keepTemporariesInMemory(_ db: Database) throws {
        try db.execute(sql: "PRAGMA temp_store = MEMORY")
    }
}
