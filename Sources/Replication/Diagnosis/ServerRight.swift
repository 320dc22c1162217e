import KVModel

/// Something that a user must be allowed to ask a server for.
public enum ServerRight: String, Sendable, Hashable, CaseIterable {
    /// To see which buckets there are.
    case list
    /// To see a bucket's settings and state.
    case info
    /// To read one entry.
    case read
    /// To read all entries.
    case watch
    /// To tell the server to go on sending.
    case flowControl
    /// To make a bucket.
    case create
    /// To change a bucket's settings.
    case update
    /// To delete a bucket.
    case delete
    /// To remove one entry.
    case remove
    /// To have a bucket made of a snapshot.
    case restore
    /// To send the snapshot.
    case upload
    /// To write an entry.
    case write
    /// To find out where a closed bucket ends.
    case fence

    /// The subject to publish to, for a bucket or for `*` in place of one.
    func subject(bucket: String, stream: String, api: String, values: (String) -> String) -> String {
        switch self {
        case .list: "\(api).STREAM.LIST"
        case .info: "\(api).STREAM.INFO.\(stream)"
        case .read: "\(api).STREAM.MSG.GET.\(stream)"
        case .watch: "\(api).CONSUMER.CREATE.\(stream)"
        case .flowControl: "$JS.FC.\(stream).\(bucket == "*" ? ">" : "x")"
        case .create: "\(api).STREAM.CREATE.\(stream)"
        case .update: "\(api).STREAM.UPDATE.\(stream)"
        case .delete: "\(api).STREAM.DELETE.\(stream)"
        case .remove: "\(api).STREAM.MSG.DELETE.\(stream)"
        case .restore: "\(api).STREAM.RESTORE.\(stream)"
        case .upload: "$JS.SNAPSHOT.RESTORE.\(stream).\(bucket == "*" ? "*" : "x")"
        case .write: values("$KV.\(bucket).\(bucket == "*" ? ">" : "x")")
        case .fence: values(bucket == "*" ? "$KV.*.barrier" : "$KV.cistern-fence-\(bucket)-x.barrier")
        }
    }

    /// What to ask for so that nothing happens, whatever the server makes of it.
    ///
    /// The bucket does not exist, and what would make or change one is asked for without saying how.
    func payload(bucket: BucketName) -> JSONValue? {
        switch self {
        case .list: ["subject": .string(bucket.subjectPrefix + ">")]
        case .read, .remove: ["seq": 1]
        case .watch: ["stream_name": .string(bucket.streamName), "config": ["ack_policy": "none"]]
        case .info, .flowControl, .create, .update, .delete, .restore, .upload, .write, .fence: nil
        }
    }

    /// Whether the server itself answers, rather than a stream that does not exist.
    var isAnsweredByServer: Bool {
        switch self {
        case .list, .info, .read, .watch, .create, .update, .delete, .remove, .restore: true
        case .flowControl, .upload, .write, .fence: false
        }
    }
}
