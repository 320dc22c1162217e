extension KeyMapping {
    /// Patterns of which every name is one that keys of the given patterns (none at all stand for every key) can get.
    ///
    /// They may cover names that no key gets, never the other way round.
    public func image(of patterns: [KeyPattern]) -> [KeyPattern] {
        let patterns = patterns.isEmpty ? [.all] : patterns
        guard !isIdentity else {
            return KeyPattern.canonical(patterns).isEmpty ? [.all] : KeyPattern.canonical(patterns)
        }
        var image: [KeyPattern] = []
        for pattern in patterns {
            for rule in rules {
                guard let common = rule.source.intersection(pattern) else { continue }
                // A pattern is a name as well, in which wildcards stand for themselves.
                image.append(rule.image(of: common) ?? .all)
            }
            if !rules.contains(where: { $0.source.covers(pattern) }) { image.append(pattern) }
        }
        let canonical = KeyPattern.canonical(image)
        return canonical.isEmpty ? [.all] : canonical
    }
}

extension KeyMapping.Rule {
    /// The names that keys of a pattern, which the source covers, get.
    fileprivate func image(of pattern: KeyPattern) -> KeyPattern? {
        let text = name(of: Key(pattern.description))
        do { return try KeyPattern(text.description) } catch { return nil }
    }
}
