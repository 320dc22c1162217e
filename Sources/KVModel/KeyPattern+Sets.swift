extension KeyPattern {
    /// Whether every key of another pattern is one of this pattern's as well.
    public func covers(_ other: KeyPattern) -> Bool {
        for (index, token) in tokens.enumerated() {
            guard index < other.tokens.count else { return false }
            switch (token, other.tokens[index]) {
            case (.rest, _): return true
            case (_, .rest), (.literal, .one): return false
            case (.one, _): continue
            case (.literal(let mine), .literal(let theirs)): guard mine == theirs else { return false }
            }
        }
        return tokens.count == other.tokens.count
    }

    /// Whether there are keys that are both this pattern's and another's.
    public func overlaps(_ other: KeyPattern) -> Bool {
        for (mine, theirs) in zip(tokens, other.tokens) {
            if mine == .rest || theirs == .rest { return true }
            if case (.literal(let left), .literal(let right)) = (mine, theirs), left != right { return false }
        }
        return tokens.count == other.tokens.count
    }

    /// The same keys in as few of the patterns as will do, in one order; none at all stand for every key.
    public static func canonical(_ patterns: [KeyPattern]) -> [KeyPattern] {
        let sorted = Set(patterns).sorted { $0.description < $1.description }
        let needed = sorted.filter { pattern in !sorted.contains { $0 != pattern && $0.covers(pattern) } }
        return needed == [.all] ? [] : needed
    }

    /// The keys that are both this pattern's and another's; nil if there are none.
    public func intersection(_ other: KeyPattern) -> KeyPattern? {
        guard overlaps(other) else { return nil }
        let longer = tokens.count >= other.tokens.count ? self : other
        let shorter = tokens.count >= other.tokens.count ? other : self
        var parts: [String] = []
        for (index, part) in longer.description.split(separator: ".").enumerated() {
            let counterpart = index < shorter.tokens.count ? shorter.tokens[index] : .rest
            // The narrower of the two.
            if case .literal(let bytes) = counterpart {
                parts.append(String(decoding: bytes, as: UTF8.self))
            } else if case .one = counterpart, longer.tokens[index] == .rest {
                parts.append("*")
            } else {
                parts.append(String(part))
            }
        }
        return try? KeyPattern(parts.joined(separator: "."))
    }

    /// How often the keys of which patterns are to be counted, so that each key of the given ones counts once: who can
    /// count the keys of one pattern can so count those of several, also where they have keys in common.
    ///
    /// Nil if that takes more than `limit` patterns.
    public static func countingTerms(_ patterns: [KeyPattern], limit: Int = 256) -> [KeyPattern: Int]? {
        var terms: [KeyPattern: Int] = [:]
        let patterns = patterns.contains(.all) ? [.all] : canonical(patterns)
        for (index, pattern) in patterns.enumerated() {
            terms[pattern, default: 0] += 1
            guard let common = countingTerms(patterns[..<index].compactMap(pattern.intersection), limit: limit) else {
                return nil
            }
            for (other, count) in common { terms[other, default: 0] -= count }
            guard terms.count <= limit else { return nil }
        }
        return terms.filter { $0.value != 0 }
    }

    /// Two of the patterns that have keys in common; nil if there are none.
    public static func firstOverlap(in patterns: [KeyPattern]) -> (KeyPattern, KeyPattern)? {
        for (index, pattern) in patterns.enumerated() {
            if let other = patterns[..<index].first(where: { $0.overlaps(pattern) }) { return (other, pattern) }
        }
        return nil
    }
}
