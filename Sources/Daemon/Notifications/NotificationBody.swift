import Foundation
import KVModel

/// What is posted of a run, as JSON.
///
/// Stable: fields are added, never changed. Every field is always there, with null where there is nothing to say.
///
/// | field | |
/// | --- | --- |
/// | `occasion` | why this is posted: `failure`, `recovery`, `success` |
/// | `job`, `kind` | the job's name in the file, and what it does, such as `backup` |
/// | `outcome` | `succeeded`, `failed`, `different` (a comparison found differences) |
/// | `cause`, `attempt` | why the run began (`schedule`, `missed`, `retry`, `request`), and which try it was, from 1 |
/// | `due`, `started`, `finished` | times in RFC 3339, UTC |
/// | `revision` | the revision reached |
/// | `entries`, `bytes` | what was moved or compared |
/// | `summary`, `error` | what the run has to say, and why it failed and what to do |
/// | `daemon`, `version` | the daemon's name, and the version of Cistern |
struct NotificationBody: Sendable, Hashable {
    let occasion: JobSettings.Notification.Occasion
    let record: RunRecord
    let version: String

    /// The text that is posted: one JSON object.
    func text() throws -> String {
        var fields: [String: JSONValue] = [
            "occasion": .string(occasion.rawValue), "job": .string(record.job), "kind": .string(record.kind),
            "outcome": .string(record.outcome.rawValue), "cause": .string(record.cause.rawValue),
            "attempt": .integer(Int64(record.attempt)), "started": Self.time(record.started),
            "entries": .unsigned(record.entries), "bytes": .unsigned(record.bytes),
            "summary": .string(record.summary), "daemon": .string(record.daemon), "version": .string(version),
        ]
        fields["due"] = record.due.map(Self.time) ?? .null
        fields["finished"] = record.finished.map(Self.time) ?? .null
        fields["revision"] = record.revision.map { .unsigned($0) } ?? .null
        fields["error"] = record.error.map { .string($0) } ?? .null
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(JSONValue.object(fields)), as: UTF8.self)
    }

    private static func time(_ nanoseconds: Int64) -> JSONValue {
        .string(Timestamp(nanoseconds: nanoseconds).description)
    }
}
