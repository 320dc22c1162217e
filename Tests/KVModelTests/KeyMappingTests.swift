import KVModel
import Testing

@Suite("Key mappings")
struct KeyMappingTests {
    private func mapping(_ rules: [String]) throws -> KeyMapping {
        try KeyMapping(rules.map { rule in try KeyMapping.Rule(rule) })
    }

    @Test(
        "A rule gives keys other names",
        arguments: [
            (["a.>=b.>"], "a.x.y", "b.x.y"), (["a.>=b.>"], "a", "a"), (["a.>=b.>"], "c.x", "c.x"),
            ([">=old.>"], "x", "old.x"), (["old.>=>"], "old.x.y", "x.y"),
            (["*.*=$2.$1"], "a.b", "b.a"), (["*.*={{wildcard(2)}}.{{ Wildcard( 1 ) }}"], "a.b", "b.a"),
            (["user.*.name.>=u.$1.n.>"], "user.42.name.first.x", "u.42.n.first.x"),
            (["*.b.*.>=x.$2.$2.$1.>"], "a.b.c.d.e", "x.c.c.a.d.e"),
            (["one=two"], "one", "two"), (["one=two"], "one.x", "one.x"),
            (["a.b=first", "a.*=second.$1"], "a.b", "first"), (["a.*=second.$1", "a.b=third"], "a.b", "second.b"),
            (["a.$b=c"], "a.$b", "c"), (["a.*=$x.$1"], "a.b", "$x.b"),
            (["k=v = w"], "k=v", "w"), (["a.> = b=c.>"], "a.x", "b=c.x"), ([], "a", "a"),
        ] as [([String], String, String)]
    )
    func names(rules: [String], key: String, expected: String) throws {
        #expect(try mapping(rules).map(Key(key)) == Key(expected))
    }

    @Test(
        "What is no rule is refused",
        arguments: [
            "", "a", "a.>", "a=b=c", "a.>=b", "a=b.>", "a.*=b", "*=x", "a.*=b.*", "a.*=$2.$1", "a.*=$0", "a=$1",
            "a.*={{partition(3,1)}}", "a.*={{wildcard(x)}}", "a..b=c", "a=b..c", "a=", "=b", "a=>.b", "a.>=>.b",
            "a=b c", "a = b = c",
        ]
    )
    func notARule(text: String) {
        #expect(throws: ModelError.self) { try KeyMapping.Rule(text) }
    }

    @Test(
        "Rules that surely collide, or can never be used, are refused",
        arguments: [["a=x", "b=x"], ["a.>=x.>", "a.>=y.>"]]
    )
    func collidingRules(rules: [String]) {
        #expect(throws: ModelError.self) { try mapping(rules) }
    }

    @Test("A rule is written as it is read", arguments: ["a.>=b.>", "*.x=$1.y", "k=v = w"])
    func description(text: String) throws {
        let rule = try KeyMapping.Rule(text)
        #expect(rule.description == text)
        #expect(try KeyMapping.Rule(rule.description) == rule)
    }

    @Test("A mapping agrees with mapping token by token", arguments: 0..<40)
    func plainModel(seed: UInt64) throws {
        var generator = SplitMix(state: seed)
        for _ in 0..<100 {
            var rules: [(source: [String], target: [String])] = []
            for _ in 0..<Int.random(in: 1...3, using: &generator) {
                guard let rule = Self.rule(&generator), !rules.contains(where: { $0.source == rule.source }) else {
                    continue
                }
                rules.append(rule)
            }
            let texts = rules.map { $0.source.joined(separator: ".") + "=" + $0.target.joined(separator: ".") }
            let mapping: KeyMapping
            do { mapping = try self.mapping(texts) } catch is ModelError { continue }
            var search = KeyMapping.CollisionSearch(mapping)
            var expectedNames: [[String]: [String]] = [:]
            var collides = false
            for _ in 0..<12 {
                let key = Self.tokens(&generator, from: ["a", "b", "c"])
                let expected = Self.map(key, rules)
                #expect(
                    mapping.map(Key(key.joined(separator: "."))) == Key(expected.joined(separator: ".")),
                    "\(texts) \(key)"
                )
                if let other = expectedNames.updateValue(key, forKey: expected), other != key { collides = true }
                Array(key.joined(separator: ".").utf8).withUnsafeBytes { search.add($0) }
                #expect((search.mappedName != nil) == collides, "\(texts) \(key)")
            }
        }
    }

    private static func tokens(_ generator: inout SplitMix, from pool: [String]) -> [String] {
        (0..<Int.random(in: 1...4, using: &generator)).map { _ in pool.randomElement(using: &generator) ?? "a" }
    }

    private static func rule(_ generator: inout SplitMix) -> (source: [String], target: [String])? {
        var source = tokens(&generator, from: ["a", "b", "c", "*", "*"])
        let wildcards = source.count { $0 == "*" }
        var target = tokens(&generator, from: ["x", "a", "b"])
        for number in 1..<(wildcards + 1) where !generator.next().isMultiple(of: 5) {
            target.insert("$\(number)", at: Int.random(in: 0...target.count, using: &generator))
        }
        if Bool.random(using: &generator) {
            source.append(">")
            target.append(">")
        }
        return (source, target)
    }

    /// The plain model: names are lists of tokens.
    private static func map(_ key: [String], _ rules: [(source: [String], target: [String])]) -> [String] {
        for rule in rules {
            guard let found = match(rule.source[...], key[...]) else { continue }
            return rule.target.flatMap { token -> [String] in
                if token == ">" { return found.rest }
                guard token.hasPrefix("$"), let number = Int(token.dropFirst()) else { return [token] }
                return [found.wildcards[number - 1]]
            }
        }
        return key
    }

    private static func match(
        _ source: ArraySlice<String>,
        _ key: ArraySlice<String>
    ) -> (wildcards: [String], rest: [String])? {
        guard let first = source.first else { return key.isEmpty ? ([], []) : nil }
        guard let token = key.first else { return nil }
        if first == ">" { return ([], Array(key)) }
        guard first == "*" || first == token, let found = match(source.dropFirst(), key.dropFirst()) else { return nil }
        return (first == "*" ? [token] + found.wildcards : found.wildcards, found.rest)
    }
}

/// The names that patterns of keys get.
@Suite("The image of a mapping")
struct KeyMappingImageTests {
    @Test(
        "It covers every name that keys of the patterns get",
        arguments: [
            ("", "", ">"), ("a.>", "", "a.>"), ("a.>", "a.>=b.>", "b.>"), ("", "a.>=b.>", ">"),
            ("a.*", "a.x=b", "a.* b"), ("a.*.c", "*.*.c=$2.$1", "*.a"), ("a.> b.*", "a.>=c.>", "b.* c.>"),
            ("a.x.>", "a.*.>=b.$1.>", "b.x.>"),
        ]
    )
    func image(filter: String, rules: String, expected: String) throws {
        let patterns = try filter.split(separator: " ").map { try KeyPattern(String($0)) }
        let mapping = try KeyMapping(try rules.split(separator: " ").map { try KeyMapping.Rule(String($0)) })
        #expect(mapping.image(of: patterns).map(\.description).joined(separator: " ") == expected)
    }
}
