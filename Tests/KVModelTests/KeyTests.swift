import KVModel
import Testing

@Suite("Keys and patterns")
struct KeyTests {
    @Test("Legal keys", arguments: ["a", "a.b.c", "-/_=.x", "A9", "_kv"])
    func legal(text: String) {
        #expect(Key(text).isLegal)
    }

    @Test("Keys that clients refuse", arguments: ["", ".a", "a.", "a..b", "a b", "ä", "a*", ">", "a:b"])
    func illegal(text: String) {
        #expect(!Key(text).isLegal)
    }

    @Test(
        "Keys that a server can store",
        arguments: [
            ("ä", true), ("a:b", true), ("a*b", true), ("*", false), ("a.>", false), ("a b", false), ("a..b", false),
        ]
    )
    func storable(text: String, isStorable: Bool) {
        #expect(Key(text).isStorable == isStorable)
    }

    @Test("Bytes that are not text are shown escaped")
    func description() {
        #expect(Key(bytes: [0x61, 0xFF, 0x62]).description == "a\\xffb")
        #expect(Key("a\u{1b}[31m").description == "a\\x1b[31m")
        #expect(Key("ключ").description == "ключ")
    }

    @Test(
        "Patterns",
        arguments: [
            (">", "a", true), (">", "a.b", true), ("a.>", "a", false), ("a.>", "a.b.c", true), ("*", "a", true),
            ("*", "a.b", false), ("a.*.c", "a.b.c", true), ("a.*.c", "a.b.d", false), ("a.b", "a.b", true),
            ("a.b", "a.bc", false), ("a.b", "a", false), ("a", "a.b", false), ("*.*", "a.b", true), ("*.>", "a", false),
        ]
    )
    func pattern(pattern: String, key: String, matches: Bool) throws {
        #expect(try KeyPattern(pattern).matches(Key(key)) == matches)
    }

    @Test("What is no pattern is refused", arguments: ["", "a..b", ".", "a.>.b", "a b"])
    func notAPattern(text: String) {
        #expect(throws: ModelError.self) { try KeyPattern(text) }
    }

    @Test("A pattern agrees with matching token by token", arguments: 0..<50)
    func patternProperty(seed: UInt64) throws {
        var generator = SplitMix(state: seed)
        for _ in 0..<200 {
            let key = (0..<Int.random(in: 1...4, using: &generator)).map { _ in
                ["a", "b", "ab"].randomElement(using: &generator) ?? "a"
            }
            var pattern = (0..<Int.random(in: 1...4, using: &generator)).map { _ in
                ["a", "b", "ab", "*"].randomElement(using: &generator) ?? "a"
            }
            if Bool.random(using: &generator) { pattern.append(">") }
            let expected = Self.matches(pattern[...], key[...])
            let actual = try KeyPattern(pattern.joined(separator: ".")).matches(Key(key.joined(separator: ".")))
            #expect(actual == expected, "\(pattern) \(key)")
        }
    }

    @Test("Patterns cover and overlap each other as their keys say", arguments: 0..<30)
    func sets(seed: UInt64) throws {
        var generator = SplitMix(state: seed)
        let tokens = ["a", "b"]
        var keys = tokens
        for _ in 0..<3 { keys += keys.flatMap { key in tokens.map { key + "." + $0 } } }
        let all = Set(keys).map { Key($0) }
        var patterns: [KeyPattern] = []
        for _ in 0..<5 {
            var parts = (0..<Int.random(in: 1...3, using: &generator)).map { _ in
                ["a", "b", "*"].randomElement(using: &generator) ?? "a"
            }
            if Bool.random(using: &generator) { parts.append(">") }
            patterns.append(try KeyPattern(parts.joined(separator: ".")))
        }
        for left in patterns {
            for right in patterns {
                let both = all.filter { left.matches($0) && right.matches($0) }
                #expect(left.overlaps(right) == !both.isEmpty, "\(left) \(right)")
                let common = left.intersection(right)
                #expect(both == all.filter { common?.matches($0) == true }, "\(left) \(right)")
                // With two tokens only, * is as much as both of them together, of which no one pattern knows.
                if left.covers(right) { #expect(all.allSatisfy { left.matches($0) || !right.matches($0) }) }
            }
        }
        let terms = try #require(KeyPattern.countingTerms(patterns))
        let counted = terms.reduce(0) { sum, term in sum + term.value * all.count { term.key.matches($0) } }
        #expect(counted == all.count { key in patterns.contains { $0.matches(key) } }, "\(patterns)")
        let canonical = KeyPattern.canonical(patterns)
        for key in all {
            #expect(patterns.contains { $0.matches(key) } == canonical.contains { $0.matches(key) })
        }
        for pattern in canonical { #expect(!canonical.contains { $0 != pattern && $0.covers(pattern) }) }
        #expect(KeyPattern.canonical(canonical.reversed()) == canonical)
    }

    @Test(
        "What covers what",
        arguments: [
            (">", "a.>", true), ("a.>", ">", false), ("a.>", "a.b", true), ("a.>", "a", false), ("*", ">", false),
            ("*.b", "a.b", true), ("a.b", "*.b", false), ("*.>", "a.b.>", true), (">", "*", true),
            ("a.*", "a.>", false),
        ]
    )
    func covers(left: String, right: String, expected: Bool) throws {
        #expect(try KeyPattern(left).covers(KeyPattern(right)) == expected)
    }

    @Test("Every key is no pattern at all")
    func everything() throws {
        #expect(KeyPattern.canonical([try KeyPattern("a.>"), .all]).isEmpty)
    }

    private static func matches(_ pattern: ArraySlice<String>, _ key: ArraySlice<String>) -> Bool {
        guard let first = pattern.first else { return key.isEmpty }
        if first == ">" { return !key.isEmpty }
        guard let token = key.first, first == "*" || first == token else { return false }
        return matches(pattern.dropFirst(), key.dropFirst())
    }
}
