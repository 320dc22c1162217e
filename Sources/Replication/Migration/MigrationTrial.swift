import KVModel

/// Streams that are made and deleted again before a bucket is touched.
///
/// What a server, an account or a cluster would refuse after the bucket's end shows then. Pure.
struct MigrationTrial: Sendable, Hashable {
    /// The name that they have, one after the other.
    let stream: String
    /// The new configuration.
    let whole: JSONValue
    /// The same with the room only that it takes beyond what the bucket has reserved, where that is less.
    private(set) var beyond: JSONValue?
    /// The new configuration with the room that the entries need and it does not reserve, and where they pass.
    private(set) var room: [JSONValue] = []

    init(_ state: MigrationState, of bucket: BucketName) {
        let name = "CISTERN_TRIAL_\(state.token)"
        let prefix = "$KV.cistern-trial-\(state.token)."
        stream = name
        var trial = state.new
        trial["name"] = .string(name)
        trial["subjects"] = [.string(prefix + ">")]
        // These would bring messages of others.
        for field in ["mirror", "sources", "sealed"] { trial[field] = nil }
        if let destination = trial["republish"]?["dest"]?.string, destination.hasPrefix(bucket.subjectPrefix) {
            // What would go round in a circle there does so here.
            trial["republish"]?["dest"] = .string(prefix + destination.dropFirst(bucket.subjectPrefix.count))
        }
        whole = trial
        let (old, new) = (BucketConfiguration(stream: state.old), BucketConfiguration(stream: state.new))
        let copies = (old: max(1, old.replicas), new: max(1, new.replicas))
        let bytes = Int64(clamping: state.bytes)
        let staysThere = old.storage == new.storage
        func limited(_ bytes: Int64) -> JSONValue {
            var limited = trial
            limited["max_bytes"] = .integer(max(1, bytes))
            return limited
        }
        func added(_ before: Int64, _ after: Int64) -> Int64 {
            staysThere ? (after.saturating(copies.new) - before.saturating(copies.old)) / copies.new : after
        }
        if new.maximumBytes > 0 {
            if staysThere, old.maximumBytes > 0 { beyond = limited(added(old.maximumBytes, new.maximumBytes)) }
        } else if added(bytes, bytes) > 0 {
            room.append(limited(added(bytes, bytes)))
        }
        if state.isStaged {
            room.append([
                "name": .string(name), "subjects": [.string(prefix + ">")], "storage": "file", "num_replicas": 1,
                "max_bytes": .integer(max(1, bytes)), "placement": trial["placement"] ?? .null,
            ])
        }
    }
}

extension Int64 {
    fileprivate func saturating(_ factor: Int64) -> Int64 {
        let (product, overflow) = multipliedReportingOverflow(by: factor)
        return overflow ? .max : product
    }
}
