import KVModel

/// The instances of a service as a watch tells of them, and when to ask for those of which nothing is heard.
///
/// Where entries expire without a marker only asking tells. Pure: time is an argument.
struct InstanceTable {
    typealias Instant = ContinuousClock.Instant

    private struct Row {
        var revision: Revision
        /// nil if the entry is no instance.
        var instance: ServiceInstance?
        var askAt: Instant
    }

    /// How long the server keeps an entry that is not renewed.
    let kept: Duration
    private var rows: [Key: Row] = [:]

    init(kept: Duration) {
        self.kept = kept
    }

    /// The instances that are there.
    var instances: Set<ServiceInstance> { Set(rows.values.compactMap(\.instance)) }

    /// How long to wait between two questions for an entry that should be gone.
    var interval: Duration { min(.seconds(1), max(.milliseconds(50), kept / 20)) }

    /// Takes note of an entry that arrives at a moment and is of an age; of a marker if it has no `instance`, or of
    /// something that is no instance.
    mutating func saw(
        _ key: Key,
        _ revision: Revision,
        _ instance: ServiceInstance?,
        age: Duration,
        at moment: Instant
    ) {
        guard instance != nil else {
            rows[key] = nil
            return
        }
        rows[key] = Row(revision: revision, instance: instance, askAt: moment + max(.zero, kept - age))
    }

    /// What to ask the server for at a moment; asked for again after the interval.
    mutating func due(at moment: Instant) -> [(key: Key, revision: Revision)] {
        var due: [(key: Key, revision: Revision)] = []
        let again = moment + interval
        for (key, row) in rows where row.askAt <= moment {
            due.append((key, row.revision))
            rows[key]?.askAt = again
        }
        return due
    }

    /// Takes note that the server does not hold an entry any more; what has come since stays.
    mutating func isGone(_ key: Key, _ revision: Revision) {
        if rows[key]?.revision == revision { rows[key] = nil }
    }
}
