import JetStream
import KVModel
import KeyValue
import NATSClient

/// Opens the bucket that a mirror writes to, and makes it if there is none.
struct MirrorTarget {
    let source: Bucket
    let buckets: Buckets
    let name: BucketName
    let options: MirrorOptions

    /// The target, fit to be written to.
    func open() async throws -> (bucket: Bucket, isNew: Bool) {
        try refuseRequest()
        do {
            let found = try await buckets.bucket(name)
            try refuse(found)
            return (found, false)
        } catch let error as KeyValueError where error.code == .bucketNotFound {
            return (try await create(), true)
        }
    }

    private func refuseRequest() throws {
        guard source.name != MirrorRecords.bucketName, name != MirrorRecords.bucketName else {
            throw unsupported(MirrorRecords.bucketName, "mirrors keep their own records in it", "name other buckets")
        }
        guard RestoreMarker(source.configuration) == nil else {
            throw unsupported(source.name, "it is an unfinished restore", "finish that restore first")
        }
        guard !options.preservesRevisions || options.filter.isEmpty && options.deletes else {
            throw unsupported(
                name,
                "revisions can be the same only where every entry is mirrored",
                "leave out --filter and --no-deletes, or do without the same revisions"
            )
        }
    }

    private func refuse(_ target: Bucket) throws {
        guard target.info.created != source.info.created || target.name != source.name else {
            throw ReplicationError(
                .sameBucket,
                bucket: name.rawValue,
                text: "source and target are the same bucket",
                hint: "name another target"
            )
        }
        guard RestoreMarker(target.configuration) == nil else {
            throw unsupported(name, "it is an unfinished restore", "finish that restore first, or name another target")
        }
        guard !target.configuration.isMirror else {
            throw unsupported(name, "it mirrors another bucket by itself, and takes no writes", "name another target")
        }
        guard target.configuration.stream["sealed"]?.bool != true else {
            throw unsupported(name, "it is sealed", "name another target")
        }
    }

    /// Makes a target with the source's settings and the changes asked for.
    private func create() async throws -> Bucket {
        var wanted = source.configuration
        wanted.rename(to: name)
        // Its entries are written by us: a mirror would refuse them, sources would bring them a second time.
        for field in ["mirror", "sources"] where wanted.stream[field] != nil { try wanted.set("\(field)=") }
        wanted.stream["sealed"] = nil
        for setting in options.settings { try wanted.set(setting) }
        let (adapted, _) = wanted.adapted(to: buckets.context.serverVersion)
        do {
            guard options.preservesRevisions, source.info.state.firstSequence > 1 else {
                return try await buckets.createEmpty(adapted)
            }
            var beginning = adapted
            beginning.stream["first_seq"] = .unsigned(source.info.state.firstSequence)
            _ = try await buckets.context.createStream(beginning.stream)
            return try await buckets.bucket(name)
        } catch let error as JetStreamError where error.code == .invalidConfiguration {
            throw ReplicationError.refused(error, bucket: name, hint: "change it with --set, for example replicas=1")
        }
    }

    private func unsupported(_ bucket: BucketName, _ text: String, _ hint: String) -> ReplicationError {
        ReplicationError(.unsupported, bucket: bucket.rawValue, text: text, hint: hint)
    }
}
