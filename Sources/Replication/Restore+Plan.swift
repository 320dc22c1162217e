import Archive
public import KVModel
import KeyValue

extension Restore {
    /// What the restore would do to settings and entries, and how long it may take; reads the archive, nothing else.
    ///
    /// `now` is when it would be done: what has expired by then is left out.
    public func settingsPlan(
        _ prepared: Prepared,
        target: SettingsPlan.Target = .new,
        now: Timestamp = .wallClock()
    ) throws -> SettingsPlan {
        var old = prepared.plan.archived
        // Another name is no change of a setting.
        old.rename(to: prepared.plan.bucket)
        if prepared.plan.action == .merge { old = prepared.plan.configuration }
        let new = prepared.plan.configuration
        var summary = StateSummary(under: new, asOf: now)
        try prepared.state.forEachOutline { summary.add($0, valueSize: $1) }
        return SettingsPlan(
            from: old,
            to: new,
            state: summary,
            server: ServerFacts(buckets.context),
            target: target,
            writing: SettingsPlan.Writing(
                prepared.mode == .exact ? .exact : .replay,
                reason: prepared.modeReason,
                bytesPerSecond: options.bytesPerSecond,
                verifies: options.verifies
            )
        )
    }
}
