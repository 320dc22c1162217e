import KVModel
import KeyValue

/// Keeps everybody from a bucket while it is restored: it listens on no subject of its own until the last step.
///
/// So nobody can write into what is not finished, and whoever finds an unfinished exact restore may delete it: nothing
/// of anybody else's is in it. The last step gives the bucket its subjects and takes the marker away at once.
enum RestoreFence {
    /// The only subject of a bucket that is being restored; nobody publishes there.
    static func subject(of bucket: BucketName) -> String { "cistern.restore.\(bucket.rawValue)" }

    /// The stream that a bucket in memory is first restored into, where the server cannot do it otherwise.
    static func stagingName(of bucket: BucketName) -> String { "CISTERN_RESTORE_\(bucket.rawValue)" }

    /// The only subject of that stream.
    static func stagingSubject(of bucket: BucketName) -> String { "cistern.restore-staging.\(bucket.rawValue)" }

    /// The configuration as long as the bucket is fenced.
    static func fenced(_ configuration: BucketConfiguration, _ bucket: BucketName) -> BucketConfiguration {
        var fenced = configuration
        fenced.stream["subjects"] = [.string(subject(of: bucket))]
        // What expires until the bucket is handed over must not move its last revision.
        fenced.stream["subject_delete_marker_ttl"] = nil
        // These would not go with the subjects, or not let them be changed back.
        for field in ["republish", "subject_transform", "sources", "sealed"] { fenced.stream[field] = nil }
        return fenced
    }

    /// What subjects begin with to which a replay into a fenced bucket publishes.
    ///
    /// It looks like a bucket's, so that they get to where puts get, another domain too.
    private static func replayPrefix(of bucket: BucketName) -> String { "$KV.cistern-restore-\(bucket.rawValue)." }

    /// The configuration as long as only a replay may write.
    ///
    /// What it publishes becomes the bucket's entries, and puts of others find nobody: from 2.10 on servers change
    /// subjects on the way in.
    static func fencedForReplay(_ configuration: BucketConfiguration, _ bucket: BucketName) -> BucketConfiguration {
        var fenced = configuration
        let subject = replayPrefix(of: bucket) + ">"
        fenced.stream["subjects"] = [.string(subject)]
        fenced.stream["subject_transform"] = ["src": .string(subject), "dest": .string(bucket.subjectPrefix + ">")]
        for field in ["republish", "sources", "sealed"] { fenced.stream[field] = nil }
        return fenced
    }

    /// What subjects begin with to which a replay into a bucket publishes.
    static func publishPrefix(of bucket: Bucket) -> String {
        let prefix = replayPrefix(of: bucket.name)
        return bucket.configuration.stream["subjects"]?.array == [.string(prefix + ">")]
            ? prefix : bucket.name.subjectPrefix
    }

    /// Whether a stream is fenced for an exact restore, or one of the two that would become a fenced bucket.
    static func isFenced(_ configuration: BucketConfiguration, _ bucket: BucketName) -> Bool {
        let subjects = configuration.stream["subjects"]?.array ?? []
        return subjects == [.string(subject(of: bucket))] || subjects == [.string(stagingSubject(of: bucket))]
            || configuration.stream["mirror"]?["name"]?.string == stagingName(of: bucket)
    }
}
