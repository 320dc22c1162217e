import Foundation
import Testing

/// What can be observed of the specification of NATS KV: the number of each behaviour is that of its ADR, and its own.
///
/// Every row has a test whose name begins with its number, on every version of the server that has the behaviour; what
/// a version does not have is refused with a clear error there (`8.38`, `48.85`, `57.100`).
enum ConformanceTable {
    struct Row: Sendable {
        let number: String
        let behaviour: String
        /// The first version of the server that has it.
        let since: String

        init(_ number: String, _ behaviour: String, since: String) {
            (self.number, self.behaviour, self.since) = (number, behaviour, since)
        }
    }

    static let rows = [
        Row("8.1", "stream KV_<bucket>, subjects $KV.<bucket>.>", since: "2.9"),
        Row("8.2", "bucket name [A-Za-z0-9_-]+, others refused before sending", since: "2.9"),
        Row("8.3", "history is max_msgs_per_subject, 1 to 64", since: "2.9"),
        Row("8.4", "roll-ups allowed, deletion denied, discard new, direct gets on creation", since: "2.9"),
        Row("8.5", "update does not touch allow_direct set out of band", since: "2.9"),
        Row(
            "8.6",
            "TTL is max_age; the duplicate window is the shorter of it and two minutes, also when it is raised",
            since: "2.9"
        ),
        Row("8.7", "TTL < 100 ms refused clearly", since: "2.9"),
        Row("8.8", "a value above the maximum value size is refused (10054) with bucket and key", since: "2.9"),
        Row("8.9", "a put above the maximum bucket size is refused (10077), old values stay", since: "2.9"),
        Row("8.10", "storage file or memory", since: "2.9"),
        Row("8.11", "replicas 1…5; 3 on a single server refused (10074)", since: "2.9"),
        Row("8.12", "placement cluster and tags; no peers: 10005", since: "2.9"),
        Row("8.13", "republish source, destination, headers only", since: "2.9"),
        Row("8.14", "compression s2", since: "2.10"),
        Row("8.15", "metadata, server's _nats.* hidden", since: "2.10"),
        Row("8.16", "description", since: "2.9"),
        Row("8.17", "create answers a bucket of the same configuration, and refuses another", since: "2.9"),
        Row("8.18", "create brings a bucket of old clients up to date (discard, allow_direct)", since: "2.9"),
        Row("8.19", "update says what is missing, and what cannot be changed in place", since: "2.9"),
        Row("8.20", "create-or-update", since: "2.9"),
        Row("8.21", "open: no bucket, or a stream that is none", since: "2.9"),
        Row("8.22", "delete removes the stream; missing: bucketNotFound", since: "2.9"),
        Row("8.23", "names are listed page by page", since: "2.9"),
        Row("8.24", "statuses are listed, mirrors included, other streams not", since: "2.9"),
        Row("8.25", "the status says what the bucket is and holds", since: "2.9"),
        Row("8.26", "the configuration comes back field by field", since: "2.9"),
        Row("8.27", "a bucket behind a domain or prefix is managed, read, written and watched", since: "2.9"),
        Row("8.28", "illegal keys are refused before sending, by every call", since: "2.9"),
        Row("8.29", "put answers the revision; revisions rise over all keys of the bucket", since: "2.9"),
        Row("8.30", "values of any bytes and sizes come back", since: "2.9"),
        Row("8.31", "put of string, Codable", since: "2.9"),
        Row("8.32", "put with expected revision (0 = must be new)", since: "2.9"),
        Row("8.33", "update compares the revision and says the actual one", since: "2.9"),
        Row("8.34", "create: new key", since: "2.9"),
        Row("8.35", "create on an existing key → keyExists", since: "2.9"),
        Row("8.36", "create over DEL, PURGE, server marker", since: "2.9"),
        Row("8.37", "create with a lifetime: the key expires", since: "2.11"),
        Row("8.38", "lifetimes that are not allowed, or too short, are refused", since: "2.11"),
        Row("8.39", "delete: empty body, KV-Operation: DEL; history stays", since: "2.9"),
        Row("8.40", "delete with expected revision", since: "2.9"),
        Row("8.41", "delete of a key that never was: a marker, no error", since: "2.9"),
        Row("8.42", "purge: PURGE + Nats-Rollup: sub; one entry stays", since: "2.9"),
        Row("8.43", "purge with expected revision", since: "2.9"),
        Row("8.44", "purge with a lifetime: the marker goes after it", since: "2.11"),
        Row("8.45", "old markers are removed wholly, of young ones the history", since: "2.9"),
        Row("8.46", "what is written while markers are removed stays", since: "2.9"),
        Row("8.47", "revert puts an old value against the newest revision", since: "2.9"),
        Row("8.48", "what is written to a mirror reaches the origin", since: "2.9"),
        Row("8.49", "put, update and delete carry no lifetime", since: "2.9"),
        Row("8.50", "a bucket that is gone is said to be", since: "2.9"),
        Row("8.51", "get shows the newest value, nothing of deleted keys", since: "2.9"),
        Row("8.52", "an entry says bucket, key, value, revision, time, delta, operation", since: "2.9"),
        Row("8.53", "direct get where allowed, else the leader", since: "2.9"),
        Row("8.54", "direct get of a mirror", since: "2.9"),
        Row("8.55", "get at a revision: that value of that key", since: "2.9"),
        Row("8.56", "history, oldest first, with markers and deltas", since: "2.9"),
        Row("8.57", "history of an unknown key → empty", since: "2.9"),
        Row("8.58", "keys: all, no deleted ones, each once", since: "2.9"),
        Row("8.59", "keys by several patterns (overlapping too)", since: "2.10"),
        Row("8.60", "keys come as a stream, hot ones too", since: "2.9"),
        Row("8.61", "markers of servers: MaxAge and Purge are a purge, Remove a delete", since: "2.11"),
        Row("8.62", "a handle that only reads", since: "2.9"),
        Row("8.63", "the leader shows what was acknowledged before", since: "2.9"),
        Row("8.64", "a watch shows the newest of each key, then every change", since: "2.9"),
        Row("8.65", "one key, patterns, all", since: "2.9"),
        Row("8.66", "several patterns, overlapping ones too", since: "2.10"),
        Row("8.67", "include history", since: "2.9"),
        Row("8.68", "updates only", since: "2.9"),
        Row("8.69", "ignore deletes (markers of the server too)", since: "2.9"),
        Row("8.70", "meta only: no value, size from Nats-Msg-Size", since: "2.9"),
        Row("8.71", "from a revision, inclusive", since: "2.9"),
        Row("8.72", "the end of the initial data comes once, also where there is none", since: "2.9"),
        Row("8.73", "with updates only the end comes at once", since: "2.9"),
        Row("8.74", "delta = pending at delivery, 0 for the newest", since: "2.9"),
        Row("8.76", "no gap and no repeat over lost connections, restarts, leaders", since: "2.9"),
        Row("8.77", "a watch that nobody reads outlives a restart", since: "2.9"),
        Row("8.78", "a watch of an empty bucket outlives a restart", since: "2.9"),
        Row("8.79", "a bucket that is made again ends its watches", since: "2.9"),
        Row("8.80", "a bucket that is deleted ends its watches", since: "2.9"),
        Row("8.81", "a watch that is left or cancelled frees its consumer", since: "2.9"),
        Row("8.82", "a slow reader: bounded memory, others go on", since: "2.9"),
        Row("8.83", "a watch of a mirror shows the origin's keys", since: "2.9"),
        Row("48.84", "a limit-marker TTL allows lifetimes and sets the markers'", since: "2.11"),
        Row("48.85", "the API level of who keeps the bucket decides", since: "2.11"),
        Row("48.86", "less than a second is refused before sending", since: "2.9"),
        Row("48.87", "can be switched on by update, and not off", since: "2.11"),
        Row("48.88", "status shows the limit-marker TTL", since: "2.11"),
        Row("48.89", "expired keys leave markers that get, watch and history know", since: "2.11"),
        Row("48.90", "markers go after the marker TTL; keys do not list them", since: "2.11"),
        Row("48.91", "a lifetime below the markers' is raised where history is kept", since: "2.11"),
        Row("48.92", "markers on mirrors are refused before sending", since: "2.11"),
        Row("57.93", "a mirror names a stream KV_…, answers direct gets, has no subjects", since: "2.9"),
        Row("57.94", "mirrors with filter, start sequence, start time", since: "2.9"),
        Row("57.95", "mirrors across domains, with API and deliver prefix", since: "2.9"),
        Row("57.96", "sources are transformed to the bucket's keys", since: "2.10"),
        Row("57.97", "sources with a key filter", since: "2.10"),
        Row("57.98", "the bucket of the same name in another domain is not transformed", since: "2.10"),
        Row("57.99", "own transforms are kept byte for byte", since: "2.10"),
        Row("57.100", "transforms are refused below 2.10, not dropped", since: "2.9"),
        Row("57.101", "a mirror becomes a bucket by update", since: "2.12"),
        Row("57.102", "the status says origin, lag and last seen", since: "2.9"),
        Row("54.103", "codecs of keys and values are chosen independently", since: "2.9"),
        Row("54.104", "codecs turn keys and values of every call", since: "2.9"),
        Row("54.105", "Base64 keys, token by token, as orbit.go writes them", since: "2.9"),
        Row("54.106", "Base64 patterns keep their wildcards", since: "2.9"),
        Row("54.107", "Base64 values", since: "2.9"),
        Row("54.108", "paths for keys", since: "2.9"),
        Row("54.109", "chains encode in order and decode in reverse", since: "2.9"),
        Row("54.110", "patterns need every codec to take them", since: "2.9"),
        Row("54.111", "what cannot be decoded is said, and a watch goes on", since: "2.9"),
        Row("54.112", "the encoded key is checked", since: "2.9"),
        Row("8.113", "names are asked for as they are read", since: "2.9"),
        Row("8.118", "a write is repeated without being stored twice", since: "2.9"),
    ]
}

@Suite("The conformance table")
struct ConformanceTableTests {
    /// The numbers that names of tests begin with: `8.1 …`, `8.2 and 8.3 …`, `8.4, 8.5 and 8.6 …`, `8.7 to 8.9 …`.
    private static func tested() throws -> Set<String> {
        let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        var numbers: Set<String> = []
        for folder in ["KeyValueTests", "KVModelTests"] {
            let path = tests.appendingPathComponent(folder).path
            for file in try FileManager.default.contentsOfDirectory(atPath: path) where file.hasSuffix("Tests.swift") {
                let text = try String(contentsOfFile: "\(path)/\(file)", encoding: .utf8)
                for name in text.matches(of: /(?:@Test|Mistake)\(\s*"((?:\d+\.\d+(?:, | and | to )?)+)/) {
                    numbers.formUnion(expanded(String(name.1)))
                }
            }
        }
        return numbers
    }

    private static func expanded(_ text: String) -> [String] {
        var numbers: [String] = []
        for part in text.replacing(" and ", with: ", ").split(separator: ", ") {
            let ends = part.split(separator: " to ").map {
                $0.trimmingCharacters(in: .whitespaces).split(separator: ".")
            }
            guard let first = ends.first, let last = ends.last, first.count == 2, last.count == 2,
                let low = Int(first[1]), let high = Int(last[1]), low <= high
            else { continue }
            numbers += (low...high).map { "\(first[0]).\($0)" }
        }
        return numbers
    }

    @Test("Every behaviour has a test, and every number stands for one")
    func complete() throws {
        let tested = try Self.tested()
        let rows = ConformanceTable.rows
        #expect(Set(rows.map(\.number)).count == rows.count)
        let untested = rows.filter { !tested.contains($0.number) }
        #expect(untested.isEmpty, "\(untested.map { "\($0.number) \($0.behaviour)" })")
        #expect(tested.subtracting(rows.map(\.number)).isEmpty)
    }
}
