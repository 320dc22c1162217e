import JetStream
import KVModel
import KeyValue

/// The errors of a mirror, in words.
enum MirrorFailure {
    static func gone(_ source: Bucket) -> ReplicationError {
        ReplicationError(
            .sourceGone,
            bucket: source.name.rawValue,
            text: "it was deleted while it was mirrored",
            hint: "the target still has what was mirrored; nothing of it was deleted"
        )
    }

    static func targetChanged(_ target: Bucket, _ text: String) -> ReplicationError {
        ReplicationError(
            .targetChanged,
            bucket: target.name.rawValue,
            text: "\(text) while it was mirrored into",
            hint: "run it again: everything is written anew where it is missing"
        )
    }

    static func collision(_ key: Key, _ mapping: KeyMapping, _ target: Bucket) -> ReplicationError {
        ReplicationError(
            .keysCollide,
            bucket: target.name.rawValue,
            text: "the key \(key) and another one would both become \(mapping.map(key))",
            hint: "change the mapping, or leave one of them out with --filter"
        )
    }

    static func revisionsDiffer(_ target: Bucket, _ revision: Revision, _ text: String) -> ReplicationError {
        ReplicationError(
            .revisionsDiffer,
            bucket: target.name.rawValue,
            text: "revision \(revision) of the source cannot be the same in the target: \(text)",
            hint: "mirror without the same revisions; or copy the bucket exactly with backup and restore --mode exact"
        )
    }

    static func refused(_ key: Key, _ target: Bucket, _ error: JetStreamError) -> ReplicationError {
        ReplicationError(
            .targetRefuses,
            bucket: target.name.rawValue,
            text: "it does not take key \(key): \(error.text)",
            hint: error.hint ?? "mend that, or leave the key out with --filter, and run again: it goes on from here"
        )
    }

    static func tooLarge(_ key: Key, _ target: Bucket) -> ReplicationError {
        ReplicationError(
            .targetRefuses,
            bucket: target.name.rawValue,
            text: "key \(key) is as large as messages may be there, and a mirror adds some headers",
            hint:
                "raise the target's max-value-size, or max_payload of its server, by 1 KiB; or leave the key out with "
                + "--filter"
        )
    }

    static func unanswered(_ target: Bucket) -> JetStreamError {
        JetStreamError(
            code: .interrupted,
            subject: target.name.streamName,
            text: "the target's server does not answer",
            hint: "run it again when it is back: it goes on from what was stored"
        )
    }

    /// What ended a run, as a mirror says it.
    static func translated(_ error: any Error, source: Bucket) -> any Error {
        if let error = error as? KeyValueError, error.code == .bucketNotFound { return gone(source) }
        guard let error = error as? JetStreamError else { return error }
        switch error.code {
        case .streamRecreated:
            return ReplicationError(
                .sourceRecreated,
                bucket: source.name.rawValue,
                text: error.text,
                hint: "the target still has what was mirrored; bring it to the new bucket's state with "
                    + "--on-recreate resync"
            )
        case .streamRegressed:
            return ReplicationError(
                .sourceRegressed,
                bucket: source.name.rawValue,
                text: error.text,
                hint: "the target still has what was mirrored; bring it to the source's state with --on-recreate resync"
            )
        case .streamNotFound: return gone(source)
        default: return error
        }
    }
}

extension Error {
    /// Whether another run has taken a mirror over.
    var isOvertaken: Bool { (self as? ReplicationError)?.code == .claimedByOther }
}
