import Archive
import JetStream
public import KVModel

/// What a restore will do to its target, decided before anything is touched: pure.
public struct RestorePlan: Sendable, Equatable {
    /// What happens to the target bucket first.
    public enum Action: String, Sendable, Equatable {
        /// It is created.
        case create
        /// It is deleted and created again.
        case replace
        /// It exists and is empty; its configuration is changed where asked for.
        case fill
        /// An earlier restore of the same did not finish: this one goes on with it.
        case resume
        /// An earlier exact restore of the same did not finish: what it left is deleted, and this one begins anew.
        case restart
        /// It exists and holds entries: what is newer in the archive is written into it, key by key.
        case merge
    }

    /// What the plan needs to know of the target.
    public struct Target: Sendable, Equatable {
        /// Its configuration.
        public var configuration: BucketConfiguration
        /// How many messages it holds.
        public var messages: UInt64

        /// A target that exists.
        public init(configuration: BucketConfiguration, messages: UInt64) {
            self.configuration = configuration
            self.messages = messages
        }
    }

    /// What happens to the target first.
    public var action: Action
    /// The target's name.
    public var bucket: BucketName
    /// The configuration at the point that is restored.
    public var archived: BucketConfiguration
    /// The configuration the target ends with.
    public var configuration: BucketConfiguration
    /// Settings of the archived bucket that the target's server does not know, or that this way of writing cannot keep.
    public var leftOut: [String]
    /// The names that keys get.
    public var mapping: KeyMapping
    /// The settings that end up different from the archived ones.
    public var changes: [SettingChange]

    /// Decides.
    ///
    /// - Parameters:
    ///   - archived: the configuration at the point that is restored.
    ///   - adapted: the configuration the target shall have, as its server takes it.
    ///   - leftOut: what the server's version does not know.
    ///   - target: the bucket of the target's name, if there is one.
    ///   - marker: what this restore would mark the target with.
    ///   - options: what the user asked for.
    public init(
        archived: BucketConfiguration,
        adapted: BucketConfiguration,
        leftOut: [String],
        bucket: BucketName,
        target: Target?,
        marker: RestoreMarker,
        options: RestoreOptions
    ) throws(ReplicationError) {
        self.bucket = bucket
        self.archived = archived
        self.leftOut = leftOut
        mapping = options.mapping
        configuration = adapted
        var leavesSettings = false
        switch target {
        case nil:
            action = .create
        case .some(let found):
            if let theirs = RestoreMarker(found.configuration) {
                if theirs == marker {
                    action = RestoreFence.isFenced(found.configuration, bucket) ? .restart : .resume
                } else if options.replaces {
                    action = .replace
                } else {
                    throw ReplicationError(
                        .targetExists,
                        bucket: bucket.rawValue,
                        text: "it is the unfinished restore of something else (\(theirs.source))",
                        hint: "finish that restore first, choose another name with --as, or give --replace"
                    )
                }
            } else if options.replaces {
                action = .replace
            } else if found.messages == 0, options.intoExisting {
                action = .fill
            } else if options.intoExisting {
                action = .merge
                try Self.refuseMerge(found.configuration, bucket, options)
                // It belongs to others as well: a merge brings entries, never settings.
                configuration = found.configuration
                self.leftOut = []
                leavesSettings = true
            } else {
                let what =
                    found.messages == 0 ? "it exists and is empty" : "it exists and holds \(found.messages) entries"
                throw ReplicationError(
                    .targetExists,
                    bucket: bucket.rawValue,
                    text: what,
                    hint: found.messages == 0
                        ? "give --into-existing to fill it, --as to choose another name, or --replace to recreate it"
                        : "choose another name with --as, --into-existing to merge, or --replace to delete it first"
                )
            }
        }
        changes = leavesSettings ? [] : SettingChange.between(archived, adapted)
    }

    /// Refuses to merge into what takes no writes, and what a merge has no meaning for.
    private static func refuseMerge(
        _ target: BucketConfiguration,
        _ bucket: BucketName,
        _ options: RestoreOptions
    ) throws(ReplicationError) {
        let (obstacle, hint): (String, String)
        if target.isMirror {
            (obstacle, hint) = ("it mirrors another bucket", "merge into that one")
        } else if target.stream["sealed"]?.bool == true {
            (obstacle, hint) = ("it is sealed", "restore under another name with --as")
        } else if !options.settings.isEmpty {
            obstacle = "it holds entries, and what is merged into a bucket leaves its settings alone"
            hint = "leave --set out, and change settings with `cistern migrate`"
        } else if options.history == .full {
            obstacle = "it holds entries, and of each key only the newest archived entry is merged"
            hint = "leave --history full out, or restore under another name with --as"
        } else {
            return
        }
        throw ReplicationError(.unsupported, bucket: bucket.rawValue, text: obstacle, hint: hint)
    }
}

/// A setting that differs between two configurations.
public struct SettingChange: Sendable, Hashable {
    /// The stream configuration's field.
    public var field: String
    /// The value before, nil if there was none.
    public var old: JSONValue?
    /// The value after, nil if there is none.
    public var new: JSONValue?

    /// What differs, by field; what servers fill in by themselves does not count.
    public static func between(_ old: BucketConfiguration, _ new: BucketConfiguration) -> [SettingChange] {
        let before = old.withoutServerMetadata.stream.object ?? [:]
        let after = new.withoutServerMetadata.stream.object ?? [:]
        return Set(before.keys).union(after.keys).sorted().compactMap { field in
            let (left, right) = (before[field], after[field])
            guard left != right, !(isNothing(left) && isNothing(right)) else { return nil }
            return SettingChange(field: field, old: left, new: right)
        }
    }

    private static func isNothing(_ value: JSONValue?) -> Bool {
        switch value {
        case nil, .null, .bool(false), .integer(0), .string(""), .string("none"), .object([:]), .array([]): true
        default: false
        }
    }
}
