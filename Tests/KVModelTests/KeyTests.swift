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

    private static func matches(_ pattern: ArraySlice<String>, _ key: ArraySlice<String>) -> Bool {
        guard let first = pattern.first else { return key.isEmpty }
        if first == ">" { return !key.isEmpty }
        guard let token = key.first, first == "*" || first == token else { return false }
        return matches(pattern.dropFirst(), key.dropFirst())
    }
}
