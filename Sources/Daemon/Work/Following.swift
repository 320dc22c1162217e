import KVModel
import KeyValue

/// What a backup that follows knows of its buckets: which are followed, which are to be tried again when, and how they
/// and the archive compare.
struct Following {
    private let work: BackupWork
    private let firstWait: Duration
    private let longestWait: Duration
    private(set) var running: Set<BucketName> = []
    private var setbacks: [String: Backup.Setback] = [:]
    private var entries: [BucketName: RunTally.Part] = [:]
    /// The buckets that differed from the archive when they were last compared, and how.
    private var differences: [BucketName: String] = [:]
    /// The buckets that could not be compared when that was last tried, and why.
    private var uncompared: [BucketName: String] = [:]
    /// Why the archive was not pruned when that was last tried.
    private var pruningFailure: String?

    init(_ work: BackupWork, first: Duration, longest: Duration) {
        self.work = work
        firstWait = first
        longestWait = longest
    }

    /// The key under which a search that failed is noted: no bucket has such a name.
    private static let searching = "looking for buckets"

    /// Takes note of what a search found, and answers the buckets to begin with.
    mutating func found(
        _ result: Result<BucketChoice, any Error>,
        well: Set<BucketName>,
        now: ContinuousClock.Instant
    ) -> [Bucket] {
        for name in running where well.contains(name) { setbacks["bucket \(name)"] = nil }
        switch result {
        case .failure(let error):
            note(Self.searching, Explanation.of(error), now)
            return []
        case .success(let choice):
            setbacks[Self.searching] = nil
            for name in choice.missing where !GlobPattern(text: name).isPattern && !isRunning(name) {
                // Only a look that was due counts as another try.
                if let setback = setbacks["bucket \(name)"], setback.due > now { continue }
                note("bucket \(name)", "there is no such bucket on cluster \(work.cluster)", now, isMissing: true)
            }
            for (name, error) in choice.silent where !isRunning(name.rawValue) {
                if let setback = setbacks["bucket \(name)"], setback.due > now { continue }
                note("bucket \(name)", Explanation.of(error), now, isMissing: true)
            }
            // A bucket that a pattern meant and that is gone is nobody's trouble any more.
            let named = choice.buckets.map(\.name.rawValue) + choice.missing + choice.silent.keys.map(\.rawValue)
            let present = Set(named.map { "bucket \($0)" })
            setbacks = setbacks.filter { present.contains($0.key) }
            differences = differences.filter { present.contains("bucket \($0.key)") }
            uncompared = uncompared.filter { present.contains("bucket \($0.key)") }
            return choice.buckets.filter { bucket in
                guard !running.contains(bucket.name) else { return false }
                let setback = setbacks["bucket \(bucket.name)"]
                if let setback, !setback.isMissing, setback.due > now { return false }
                running.insert(bucket.name)
                return true
            }
        }
    }

    /// Takes note that a bucket is not followed any more.
    mutating func ended(_ part: RunTally.Part, _ name: BucketName, wasWell: Bool, now: ContinuousClock.Instant) {
        running.remove(name)
        var whole = part
        if let before = entries[name] {
            whole.entries += before.entries
            whole.bytes += before.bytes
            whole.revision = part.revision ?? before.revision
        }
        entries[name] = whole
        guard case .failed(let text) = part.outcome else { return }
        if wasWell { setbacks["bucket \(name)"] = nil }
        note("bucket \(name)", text, now)
    }

    /// Takes note of what came of looking after the archive.
    mutating func cared(_ care: ArchiveCare) {
        for (name, comparison) in care.comparisons {
            switch comparison {
            case .equal: (differences[name], uncompared[name]) = (nil, nil)
            case .different(let text): (differences[name], uncompared[name]) = (text, nil)
            // What the last comparison found is still all that is known.
            case .failed(let text): uncompared[name] = text
            }
        }
        pruningFailure = care.pruningFailure
    }

    private mutating func note(
        _ what: String,
        _ text: String,
        _ now: ContinuousClock.Instant,
        isMissing: Bool = false
    ) {
        let count = (setbacks[what]?.count ?? 0) + 1
        let wait = min(longestWait, firstWait * (1 << min(count - 1, 10)))
        setbacks[what] = Backup.Setback(text: text, count: count, isMissing: isMissing, due: now + wait)
    }

    private func isRunning(_ name: String) -> Bool {
        running.contains { $0.rawValue == name }
    }

    /// Whether nothing is followed, and all there is to follow went wrong this many times.
    func isHopeless(after tries: Int) -> Bool {
        running.isEmpty && !setbacks.isEmpty && setbacks.values.allSatisfy { $0.count >= tries }
    }

    /// What is being done.
    var activity: String {
        switch running.count {
        case 0: setbacks.isEmpty ? "waiting for a bucket that fits" : "waiting to try again"
        case 1: "following \(running.first.map(\.rawValue) ?? "")"
        default: "following \(running.count) buckets"
        }
    }

    /// What goes wrong; nil if nothing does.
    var warning: String? {
        var texts = setbacks.mapValues(\.text)
        for (name, text) in differences { texts["bucket \(name)"] = text }
        for (name, text) in uncompared { texts["comparing bucket \(name)"] = text }
        texts["pruning"] = pruningFailure
        guard let first = texts.min(by: { $0.key < $1.key }) else { return nil }
        return "\(first.key): \(first.value)" + (texts.count > 1 ? " (and \(texts.count - 1) more)" : "")
    }

    /// What all came to.
    func tally() -> RunTally {
        var tally = RunTally()
        for (name, part) in entries.sorted(by: { $0.key < $1.key }) {
            var part = part
            if let text = uncompared[name] { part.outcome = .failed("it was not compared with the archive: \(text)") }
            if let text = differences[name] { part.outcome = .different(text) }
            if let setback = setbacks["bucket \(name)"] { part.outcome = .failed(setback.text) }
            tally.add(part)
        }
        for (what, setback) in setbacks.sorted(by: { $0.key < $1.key })
        where !entries.keys.contains(where: { "bucket \($0)" == what }) {
            tally.add(RunTally.Part(name: what, outcome: .failed(setback.text)))
        }
        if let pruningFailure { tally.add(RunTally.Part(name: "pruning", outcome: .failed(pruningFailure))) }
        return tally
    }
}
