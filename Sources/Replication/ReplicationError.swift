import JetStream
import KVModel

// Replication is the engine: it joins KeyValue (live buckets) and Archive (files), which never see each other. Capture
// brings a bucket into an archive, Restore writes an archived state into a bucket, LiveComparison holds the two
// against each other. What to do is decided first, by pure values (`CapturePlan`, `RestorePlan`), and then done. It
// prints nothing, asks nobody, and never overwrites or deletes what it was not told to by name. Start with `Capture`.

/// Why a capture, a restore, a mirror or a comparison did not come to its end.
public struct ReplicationError: Error, Sendable {
    /// What went wrong, for code that decides by it.
    public enum Code: Sendable, Hashable {
        /// The source's last revision went backwards: its server lost acknowledged writes.
        case sourceRegressed
        /// The source's history differs from what the archive holds of the same incarnation.
        case sourceDiverged
        /// The source was deleted and created again while it was captured.
        case sourceRecreated
        /// A restore's target exists already.
        case targetExists
        /// A restore's target holds entries that are not the restore's own.
        case targetChanged
        /// The target is the source.
        case sameBucket
        /// The target is written to all the time.
        case targetBusy
        /// The target is closed to writers or marked as unfinished, and could not be handed over.
        case leftClosed
        /// The target cannot take the archived entries.
        case targetRefuses
        /// The archive holds other keys of the bucket.
        case otherKeys
        /// Two keys would get one name.
        case keysCollide
        /// The archive holds nothing that fits what was asked for.
        case nothingToRestore
        /// What was asked for needs another way of writing, another server or another setting.
        case unsupported
        /// What was written does not equal what the archive holds.
        case notEqual
        /// A mirror's source was deleted, and not created again.
        case sourceGone
        /// Another run of the same mirror has begun, or holds a newer lease.
        case claimedByOther
        /// A mirror in the opposite direction writes keys that this one reads, or reads keys that it writes.
        case mirrorsOverlap
        /// An entry cannot get the revision in the target that it has in the source.
        case revisionsDiffer
        /// It was told to stop, and there is more to say than that the same goes on from there.
        case stopped
    }

    /// What went wrong.
    public let code: Code
    /// The bucket that it was about.
    public let bucket: String
    /// What was seen.
    public let text: String
    /// What to do about it.
    public let hint: String

    /// An error about a bucket.
    public init(_ code: Code, bucket: String, text: String, hint: String) {
        self.code = code
        self.bucket = bucket
        self.text = text
        self.hint = hint
    }

    /// The error for a new configuration that the server of a bucket answers with `refusal`.
    static func refused(_ refusal: JetStreamError, bucket: BucketName, hint: String) -> Self {
        Self(
            .targetRefuses,
            bucket: bucket.rawValue,
            text: "the server does not take the new configuration: \(refusal.text)",
            hint: hint
        )
    }
}

extension ReplicationError: CustomStringConvertible {
    /// One or two sentences: what was seen, and what to do.
    public var description: String {
        "bucket \(bucket): \(text); \(hint)"
    }
}
