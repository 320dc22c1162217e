import GRDB

/// What marks a state database, its tables, and how an older one becomes a present one.
enum StateFormat {
    /// `CSTD`, in the SQLite header.
    static let applicationID: Int64 = 0x4353_5444
    /// The format that this cistern writes.
    static var version: Int64 { Int64(steps.count) }

    /// What brings a database from each version to the next, the first from an empty file.
    static let steps = [
        """
        CREATE TABLE run (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            job TEXT NOT NULL,
            kind TEXT NOT NULL,
            cause TEXT NOT NULL,
            attempt INTEGER NOT NULL,
            due INTEGER,
            started INTEGER NOT NULL,
            finished INTEGER,
            outcome TEXT NOT NULL,
            revision INTEGER,
            entries INTEGER NOT NULL,
            bytes INTEGER NOT NULL,
            summary TEXT NOT NULL,
            error TEXT,
            daemon TEXT NOT NULL
        ) STRICT;
        CREATE INDEX run_by_job ON run (job, id);
        CREATE INDEX run_by_outcome ON run (job, outcome, id);
        CREATE INDEX run_unfinished ON run (daemon) WHERE outcome = 'running';
        CREATE TABLE job (
            name TEXT PRIMARY KEY,
            paused INTEGER NOT NULL DEFAULT 0,
            last_due INTEGER,
            failures INTEGER NOT NULL DEFAULT 0,
            notified TEXT
        ) STRICT;
        CREATE TABLE sample (
            job TEXT NOT NULL,
            step INTEGER NOT NULL,
            time INTEGER NOT NULL,
            count INTEGER NOT NULL,
            lag_entries INTEGER,
            lag_time INTEGER,
            entries REAL NOT NULL,
            bytes REAL NOT NULL,
            PRIMARY KEY (job, step, time)
        ) STRICT, WITHOUT ROWID;
        """
    ]

    /// Makes an empty file a state database, or brings an older one up to date.
    ///
    /// Throws, and changes nothing, if the file is anything else.
    static func prepare(_ db: Database, path: String) throws {
        let application = try Int64.fetchOne(db, sql: "PRAGMA application_id") ?? 0
        let found = try Int64.fetchOne(db, sql: "PRAGMA user_version") ?? 0
        let tables = try Int64.fetchOne(db, sql: "SELECT count(*) FROM sqlite_schema") ?? 0
        let isEmpty = application == 0 && found == 0 && tables == 0
        guard isEmpty || application == applicationID, found >= 0 else {
            throw DaemonError(
                .state,
                text: "\(path) is not the state database of a daemon, but a file of something else",
                hint: "name another file under daemon.state"
            )
        }
        guard found <= version else {
            throw DaemonError(
                .state,
                text:
                    "the state database \(path) was made by a newer cistern (format \(found), this one knows \(version))",
                hint: "use that cistern, or name another file under daemon.state"
            )
        }
        let mode = try String.fetchOne(db, sql: "PRAGMA journal_mode = WAL")
        guard mode == "wal" else {
            throw DaemonError(
                .state,
                text: "the file system of the state database \(path) cannot hold a write-ahead log",
                hint: "name a file on a local disk under daemon.state"
            )
        }
        try db.execute(sql: "PRAGMA synchronous = FULL")
        guard found < version else { return }
        try db.inTransaction(.immediate) {
            for step in steps[Int(found)...] { try db.execute(sql: step) }
            try db.execute(sql: "PRAGMA application_id = \(applicationID)")
            try db.execute(sql: "PRAGMA user_version = \(version)")
            return .commit
        }
    }
}
