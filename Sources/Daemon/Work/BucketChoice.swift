import KVModel
import KeyValue

/// The buckets that a backup's names and patterns mean on its cluster, at one moment.
struct BucketChoice: Sendable {
    /// The buckets, in the order of the names and patterns, each once.
    private(set) var buckets: [Bucket] = []
    /// Names of buckets that are not there, and patterns that no bucket fits.
    private(set) var missing: [String] = []

    /// Buckets that are meant and that do not answer, and why.
    private(set) var silent: [BucketName: KeyValueError] = [:]

    /// Looks for them.
    ///
    /// A pattern means none of `excluding`, no scratch bucket of a drill, and nothing else that is only passing.
    init(_ wanted: [String], in account: Buckets, excluding: Set<BucketName>) async throws {
        let patterns = wanted.map { GlobPattern(text: $0) }
        let all = patterns.contains(where: \.isPattern) ? try await account.survey() : BucketSurvey()
        let lasting = all.buckets.filter { !excluding.contains($0.name) && !DrillMark.isOnAny($0.configuration) }
        for pattern in patterns {
            if pattern.isPattern {
                let fitting = lasting.filter { pattern.matches($0.name.rawValue) }
                for bucket in fitting { add(bucket) }
                let unasked = all.failures.filter { error in
                    error.bucket.map { !excluding.contains($0) && pattern.matches($0.rawValue) } ?? false
                }
                for error in unasked { if let name = error.bucket { silent[name] = error } }
                if fitting.isEmpty, unasked.isEmpty { missing.append(pattern.text) }
            } else {
                let name = try BucketName(pattern.text)
                switch try await account.answer(of: name) {
                case .success(let bucket): add(bucket)
                case .failure(let error) where error.code == .bucketNotFound: missing.append(pattern.text)
                case .failure(let error): silent[name] = error
                }
            }
        }
    }

    private mutating func add(_ bucket: Bucket) {
        guard !buckets.contains(where: { $0.name == bucket.name }) else { return }
        buckets.append(bucket)
    }

    /// What a run says of a name or a pattern that means no bucket.
    static func nothing(_ wanted: String, cluster: String) -> RunTally.Part {
        let text =
            GlobPattern(text: wanted).isPattern
            ? "no bucket of cluster \(cluster) fits the pattern" : "there is no such bucket on cluster \(cluster)"
        return RunTally.Part(name: wanted, outcome: .failed("\(text); `cistern kv ls` lists those that there are"))
    }
}
