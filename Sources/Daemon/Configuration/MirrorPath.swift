import KVModel

/// A mirror or a comparison of the file as a way that keys take from one bucket to another.
struct MirrorPath {
    /// What messages call the job.
    let job: String
    /// Where its work stands.
    let place: TextPlace
    /// Whether it only compares and repairs.
    let repairs: Bool
    let work: MirrorWork

    /// The keys that it takes.
    private var sources: [KeyPattern] { work.filter.isEmpty ? [.all] : work.filter }

    /// What some keys are called in the target.
    private func targets(_ patterns: [KeyPattern]) -> [KeyPattern] {
        var result: [KeyPattern] = []
        for pattern in patterns {
            var isMapped = false
            for rule in work.mapping.rules where rule.source.overlaps(pattern) {
                result.append(Self.pattern(of: rule))
                isMapped = isMapped || rule.source.covers(pattern)
                if isMapped { break }
            }
            if !isMapped { result.append(pattern) }
        }
        return result
    }

    /// The names that a rule gives.
    private static func pattern(of rule: KeyMapping.Rule) -> KeyPattern {
        let tokens = rule.target.split(separator: ".").map { token in
            token.hasPrefix("{{") || token.hasPrefix("$") && Int(token.dropFirst()) != nil ? "*" : String(token)
        }
        // A target's tokens are all legal, so this is a pattern; if it were none, every key would be meant.
        do { return try KeyPattern(tokens.joined(separator: ".")) } catch { return .all }
    }

    /// The keys that both have in common.
    private static func common(_ left: [KeyPattern], _ right: [KeyPattern]) -> [KeyPattern] {
        left.flatMap { pattern in right.compactMap(pattern.intersection) }
    }

    /// Two that write the same keys of one bucket.
    static func rivals(_ paths: [MirrorPath]) -> [(first: MirrorPath, second: MirrorPath)] {
        var found: [(MirrorPath, MirrorPath)] = []
        for (index, path) in paths.enumerated() {
            for other in paths[..<index] where other.work.target == path.work.target {
                // A comparison that repairs what a mirror of the same bucket writes is what it is for.
                if path.repairs || other.repairs, path.work.source == other.work.source { continue }
                guard !common(path.targets(path.sources), other.targets(other.sources)).isEmpty else { continue }
                found.append((other, path))
            }
        }
        return found
    }

    /// Circles in which a key comes back to the bucket that it began in, each once.
    static func circles(_ paths: [MirrorPath]) -> [[MirrorPath]] {
        var found: [Set<Int>: [MirrorPath]] = [:]
        for start in paths.indices {
            var visited: Set<[String]> = []
            var open: [(trail: [Int], keys: [KeyPattern])] = [([start], paths[start].targets(paths[start].sources))]
            while let (trail, keys) = open.popLast() {
                for next in paths.indices where paths[next].work.source == paths[trail[trail.count - 1]].work.target {
                    let taken = common(keys, paths[next].sources)
                    guard !taken.isEmpty else { continue }
                    if next == start {
                        found[Set(trail)] = found[Set(trail)] ?? trail.map { paths[$0] }
                    } else if !trail.contains(next),
                        visited.insert(["\(next)"] + taken.map(\.description).sorted()).inserted
                    {
                        open.append((trail + [next], paths[next].targets(taken)))
                    }
                }
            }
        }
        return found.values.sorted { $0[0].place < $1[0].place }
    }
}

extension ConfigurationReader {
    /// Notes mirrors that get into each other's way.
    func checkMirrors() {
        for (first, second) in MirrorPath.rivals(mirrors) {
            let target = second.work.target
            mistake(
                second.place,
                "\(first.job) and \(second.job) write the same keys of \(target.cluster)/\(target.bucket)",
                "give them filters or a map, so that no key is written by both"
            )
        }
        for circle in MirrorPath.circles(mirrors) {
            guard let last = circle.max(by: { $0.place < $1.place }) else { continue }
            let buckets = circle.map { "\($0.work.source.cluster)/\($0.work.source.bucket)" }
            mistake(
                last.place,
                "keys go round in a circle through \(circle.map(\.job).joined(separator: " and ")): "
                    + (buckets + [buckets[0]]).joined(separator: " to "),
                "give one of them a filter or a map, so that no key comes back"
            )
        }
    }
}
