public import KVModel

/// What it takes to give a bucket's entries another configuration, and what it costs: pure, decided before anything is
/// touched.
///
/// It serves a restore, which makes a bucket, and a change of a bucket in place alike: its input is the old and the new
/// configuration, a summary of the entries, and what is known of the server.
public struct SettingsPlan: Sendable, Hashable {
    /// How entries come under the new configuration.
    public enum Method: String, Sendable, Hashable {
        /// They stay where they are: the server changes the settings in place.
        case update
        /// Written with their revisions and times, through the server's restore request.
        case exact
        /// Published in order, under new revisions.
        case replay
    }

    /// A way of writing entries into a new bucket, and why it was chosen.
    public struct Writing: Sendable, Hashable {
        /// The way, not `update`.
        public var method: Method
        /// Why that one.
        public var reason: String
        /// The limit in bytes a second, nil for none.
        public var bytesPerSecond: UInt64?
        /// Whether what was written is compared afterwards.
        public var verifies: Bool

        /// A way of writing.
        public init(_ method: Method, reason: String, bytesPerSecond: UInt64? = nil, verifies: Bool = true) {
            self.method = method
            self.reason = reason
            self.bytesPerSecond = bytesPerSecond
            self.verifies = verifies
        }
    }

    /// What gets the new configuration.
    public enum Target: Sendable, Hashable {
        /// A bucket that is made.
        case new
        /// The bucket itself, which is in use.
        case itself
    }

    /// A setting that changes.
    public struct Setting: Sendable, Hashable {
        /// Its values.
        public var change: SettingChange
        /// What the server does when it is changed in a bucket that exists.
        public var update: SettingUpdate
    }

    /// The settings that change, by field.
    public var settings: [Setting]
    /// What becomes of entries that the new configuration does not hold as they are.
    public var losses: [SettingLoss]
    /// The way chosen.
    public var method: Method
    /// Why.
    public var reason: String
    /// How many entries there are.
    public var entries: UInt64
    /// Bytes of their keys, headers and values.
    public var bytes: UInt64
    /// How long it may take.
    public var estimate: PlanEstimate

    /// Settings that the server would take neither in place nor of a new bucket.
    public var refusals: [Setting] {
        settings.filter { setting in
            if case .refused = setting.update { true } else { false }
        }
    }

    /// Plans.
    ///
    /// - Parameters:
    ///   - old: the configuration that the entries lived under.
    ///   - new: the one that they shall live under, as the server takes it; of the same bucket name unless that changes.
    ///   - state: the entries, summed up under the new configuration.
    ///   - server: what is known of the server.
    ///   - target: what gets the configuration.
    ///   - writing: how entries would be written into a new bucket, if one is needed.
    public init(
        from old: BucketConfiguration,
        to new: BucketConfiguration,
        state: StateSummary,
        server: ServerFacts,
        target: Target,
        writing: Writing
    ) {
        settings = SettingChange.between(old, new).map { change in
            Setting(change: change, update: SettingUpdate(change, to: new, on: server))
        }
        entries = state.entries
        bytes = state.bytes
        let needs = settings.compactMap { setting -> String? in
            guard case .recreation(let why) = setting.update else { return nil }
            return "\(setting.change.field): \(why)"
        }
        let isInPlace = target == .itself && needs.isEmpty
        if isInPlace {
            method = .update
            reason = "the server changes all of it in place"
            estimate = .nothing
        } else {
            method = writing.method
            reason = target == .new ? writing.reason : "\(needs.joined(separator: "; ")); \(writing.reason)"
            estimate = PlanEstimate(
                writing.method,
                entries: state.entries - state.expired.entries,
                bytes: state.bytes,
                replicas: new.replicas,
                verifies: writing.verifies,
                bytesPerSecond: writing.bytesPerSecond,
                interrupts: target == .itself
            )
        }
        losses = SettingLoss.all(state, under: new, method: method)
    }
}
