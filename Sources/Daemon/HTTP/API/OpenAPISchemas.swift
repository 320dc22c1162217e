/// The documents of the API, in the words of JSON Schema: what stands below `components.schemas`.
enum OpenAPISchemas {
    /// The schemas, as the members of a JSON object.
    static let text = status + ",\n" + jobs + ",\n" + small

    private static let status = #"""
        "Status": { "type": "object",
        "required": ["daemon", "version", "started", "now", "counts", "jobs", "buckets", "archives", "daemons"],
        "properties": {
        "daemon": { "type": "string", "description": "The daemon's name." },
        "version": { "type": "string" },
        "started": { "type": "string", "format": "date-time" },
        "now": { "type": "string", "format": "date-time" },
        "counts": { "$ref": "#/components/schemas/Counts" },
        "jobs": { "type": "array", "items": { "$ref": "#/components/schemas/Job" } },
        "buckets": { "type": "array", "items": { "$ref": "#/components/schemas/Bucket" } },
        "archives": { "type": "array", "items": { "$ref": "#/components/schemas/Archive" } },
        "daemons": { "type": "array", "items": { "$ref": "#/components/schemas/Daemon" } } } },
        "Counts": { "type": "object", "description": "How many jobs are in which state.",
        "required": ["jobs", "failing", "running", "waiting", "elsewhere", "ok", "never_ran", "paused"],
        "properties": {
        "jobs": { "type": "integer" }, "failing": { "type": "integer" }, "running": { "type": "integer" },
        "waiting": { "type": "integer" }, "elsewhere": { "type": "integer" }, "ok": { "type": "integer" },
        "never_ran": { "type": "integer" }, "paused": { "type": "integer" } } },
        "Bucket": { "type": "object", "description": "A bucket that a job reads or writes, as it was seen last.",
        "required": ["cluster", "bucket", "values", "bytes", "history", "ttl_seconds", "replicas", "storage", "compression", "max_bytes", "last_revision"],
        "properties": {
        "cluster": { "type": "string" }, "bucket": { "type": "string" },
        "seen": { "type": "string", "format": "date-time", "description": "Absent if its status was never had: the numbers mean nothing then." },
        "error": { "type": "string", "description": "Why its status cannot be had now." },
        "values": { "type": "integer", "format": "int64", "description": "Entries, history and markers of deleted keys among them." },
        "bytes": { "type": "integer", "format": "int64" },
        "history": { "type": "integer", "description": "Entries kept of each key; -1 without a limit." },
        "ttl_seconds": { "type": "number", "description": "0 for ever." },
        "replicas": { "type": "integer" }, "storage": { "type": "string" }, "compression": { "type": "boolean" },
        "max_bytes": { "type": "integer", "format": "int64", "description": "-1 without a limit." },
        "last_revision": { "type": "integer", "format": "int64" } } },
        "Archive": { "type": "object", "required": ["archive", "path", "bytes", "buckets"],
        "properties": {
        "archive": { "type": "string", "description": "Its name in the configuration file." },
        "path": { "type": "string" }, "bytes": { "type": "integer", "format": "int64" },
        "buckets": { "type": "array", "items": { "$ref": "#/components/schemas/ArchivedBucket" } },
        "error": { "type": "string", "description": "Why it cannot be read now." } } },
        "ArchivedBucket": { "type": "object", "required": ["cluster", "bucket"],
        "properties": {
        "cluster": { "type": "string" }, "bucket": { "type": "string" },
        "consistent_revision": { "type": "integer", "format": "int64", "description": "The newest revision at which the archive holds the bucket exactly as it was." },
        "consistent_time": { "type": "string", "format": "date-time" } } },
        "Daemon": { "type": "object", "description": "A daemon that shares the leases.", "required": ["name", "is_self", "jobs"],
        "properties": {
        "name": { "type": "string" }, "is_self": { "type": "boolean" },
        "seen": { "type": "string", "format": "date-time" },
        "jobs": { "type": "array", "items": { "type": "string" }, "description": "The jobs whose leases it holds." } } }
        """#

    private static let jobs = #"""
        "Jobs": { "type": "object", "required": ["jobs"],
        "properties": { "jobs": { "type": "array", "items": { "$ref": "#/components/schemas/Job" } } } },
        "Job": { "type": "object",
        "required": ["job", "kind", "summary", "schedule", "state", "paused", "consecutive_failures", "samples", "totals"],
        "properties": {
        "job": { "type": "string", "description": "Its name." },
        "kind": { "type": "string", "description": "What it does, such as backup." },
        "summary": { "type": "string", "description": "What it does it with." },
        "schedule": { "type": "string" },
        "state": { "type": "string", "enum": ["failing", "running", "waiting", "elsewhere", "ok", "never_ran", "paused"] },
        "paused": { "type": "boolean" },
        "next_run": { "type": "string", "format": "date-time" },
        "holder": { "type": "string", "description": "The daemon that holds its lease." },
        "last_run": { "$ref": "#/components/schemas/Run" },
        "last_success": { "type": "string", "format": "date-time" },
        "consecutive_failures": { "type": "integer" },
        "untold": { "type": "string", "description": "Why somebody could not be told of a run." },
        "running_since": { "type": "string", "format": "date-time" },
        "progress": { "$ref": "#/components/schemas/Progress" },
        "samples": { "type": "array", "items": { "$ref": "#/components/schemas/Sample" }, "description": "Oldest first." },
        "totals": { "$ref": "#/components/schemas/Totals" } } },
        "Progress": { "type": "object", "description": "How far the run has come that goes on.",
        "required": ["activity", "entries", "bytes", "interruptions"],
        "properties": {
        "activity": { "type": "string" }, "entries": { "type": "integer", "format": "int64" },
        "bytes": { "type": "integer", "format": "int64" },
        "lag_entries": { "type": "integer", "format": "int64" }, "lag_seconds": { "type": "number" },
        "interruptions": { "type": "integer" },
        "warning": { "type": "string", "description": "What goes wrong in a part of it while the others go on." } } },
        "Sample": { "type": "object", "required": ["time", "entries_per_second", "bytes_per_second"],
        "properties": {
        "time": { "type": "string", "format": "date-time" },
        "lag_entries": { "type": "integer", "format": "int64" }, "lag_seconds": { "type": "number" },
        "entries_per_second": { "type": "number" }, "bytes_per_second": { "type": "number" } } },
        "Totals": { "type": "object", "description": "All runs since the daemon started.",
        "required": ["succeeded", "failed", "stopped", "different", "entries", "bytes"],
        "properties": {
        "succeeded": { "type": "integer" }, "failed": { "type": "integer" }, "stopped": { "type": "integer" },
        "different": { "type": "integer" }, "entries": { "type": "integer", "format": "int64" },
        "bytes": { "type": "integer", "format": "int64" } } },
        "Runs": { "type": "object", "required": ["runs"],
        "properties": {
        "runs": { "type": "array", "items": { "$ref": "#/components/schemas/Run" } },
        "next": { "type": "integer", "format": "int64", "description": "What before must say to go on; absent at the end." } } },
        "Run": { "type": "object",
        "required": ["id", "job", "kind", "cause", "attempt", "started", "outcome", "entries", "bytes", "summary", "daemon"],
        "properties": {
        "id": { "type": "integer", "format": "int64" }, "job": { "type": "string" }, "kind": { "type": "string" },
        "cause": { "type": "string", "enum": ["schedule", "missed", "retry", "request"] },
        "attempt": { "type": "integer", "minimum": 1 },
        "due": { "type": "string", "format": "date-time" },
        "started": { "type": "string", "format": "date-time" },
        "finished": { "type": "string", "format": "date-time" },
        "duration_seconds": { "type": "number" },
        "outcome": { "type": "string", "enum": ["running", "succeeded", "failed", "stopped", "different"] },
        "revision": { "type": "integer", "format": "int64", "description": "The revision that it reached." },
        "entries": { "type": "integer", "format": "int64" }, "bytes": { "type": "integer", "format": "int64" },
        "summary": { "type": "string" },
        "error": { "type": "string", "description": "Why it failed, and what to do." },
        "daemon": { "type": "string", "description": "The daemon that it ran on." } } }
        """#

    private static let small = #"""
        "Readiness": { "type": "object", "required": ["ready", "reasons"],
        "properties": {
        "ready": { "type": "boolean" },
        "reasons": { "type": "array", "items": { "type": "string" }, "description": "Why not, each a sentence." } } },
        "Error": { "type": "object", "required": ["error"],
        "properties": { "error": { "type": "object", "required": ["code", "text"],
        "properties": {
        "code": { "type": "string", "description": "A stable word for programs, such as unknown_job." },
        "text": { "type": "string", "description": "What was seen." },
        "hint": { "type": "string", "description": "What to do about it." } } } } }
        """#
}
