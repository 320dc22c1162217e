import KVModel

/// What a setting of a configuration does to entries that come under it.
public struct SettingLoss: Sendable, Hashable {
    /// What becomes of the entries.
    public enum Effect: String, Sendable, Hashable, CaseIterable {
        /// They are dropped.
        case dropped
        /// Their time is over: they are left out, or expire at once.
        case expired
        /// They cannot be written: it would fail.
        case refused
        /// They stay, but the bucket takes no more of the kind.
        case kept
        /// They stay longer than they said.
        case immortal
    }

    /// The stream configuration's field.
    public var field: String
    /// What becomes of the entries.
    public var effect: Effect
    /// The entries.
    public var part: StateSummary.Part

    static func all(
        _ state: StateSummary,
        under configuration: BucketConfiguration,
        method: SettingsPlan.Method
    ) -> [SettingLoss] {
        let isDiscardingOld = configuration.stream["discard"]?.string == "old"
        // Over the limit, servers keep what a restore request brings or cut it down: it is never sent.
        let sizeLoss =
            isDiscardingOld && method != .exact
            ? SettingLoss(field: "max_bytes", effect: .dropped, part: state.oldestBeyondSize)
            : SettingLoss(
                field: "max_bytes",
                effect: method == .update ? .kept : .refused,
                part: state.newestBeyondSize
            )
        return [
            SettingLoss(field: "max_msgs_per_subject", effect: .dropped, part: state.beyondHistory),
            SettingLoss(
                field: "max_msg_size",
                effect: method == .update ? .kept : .refused,
                part: state.aboveValueSize
            ),
            SettingLoss(field: "max_age", effect: .expired, part: state.expired),
            SettingLoss(field: "allow_msg_ttl", effect: .immortal, part: state.withoutOwnTTL),
            sizeLoss,
        ].filter { $0.part.entries > 0 }
    }
}
