import KVModel
import KeyValue
import TestSupport
import Testing

/// Codecs without a server; what is expected of keys, patterns and values are the vectors of orbit.go.
@Suite("Codecs")
struct CodecTests {
    @Test(
        "54.105 Base64 keys are encoded part by part, in the URL alphabet, without padding",
        arguments: [
            ("Acme Inc.contact", "QWNtZSBJbmM.Y29udGFjdA"),
            ("test.key.with.special.chars!@#$%^&*()", "dGVzdA.a2V5.d2l0aA.c3BlY2lhbA.Y2hhcnMhQCMkJV4mKigp"),
            ("user.123", "dXNlcg.MTIz"), ("*", "Kg"), ("a.>", "YQ.Pg"), ("ü", "w7w"), ("~~~???", "fn5-Pz8_"),
        ]
    )
    func base64Keys(plain: String, stored: String) throws {
        let codec = Base64KeyCodec()
        #expect(try codec.encode(Key(plain)) == Key(stored))
        #expect(try codec.decode(Key(stored)) == Key(plain))
        #expect(Key(stored).isLegal)
    }

    @Test("54.105 the keys of nats.js are padded, in the standard alphabet")
    func javaScriptKeys() throws {
        #expect(try Base64KeyCodec.javaScript.encode("hello.world") == "aGVsbG8=.d29ybGQ=")
        #expect(try Base64KeyCodec.javaScript.decode("aGVsbG8=.d29ybGQ=") == "hello.world")
        #expect(try Base64KeyCodec.javaScript.encode("~~~???") == "fn5+Pz8/")
        let padded = Base64KeyCodec(alphabet: .url, isPadded: true)
        #expect(try padded.encode("~~~?") == "fn5-Pw==")
    }

    @Test(
        "54.106 wildcards of Base64 patterns stay",
        arguments: [
            ("user.123", "dXNlcg.MTIz"), ("user.*", "dXNlcg.*"), ("user.>", "dXNlcg.>"),
            ("app.*.config.>", "YXBw.*.Y29uZmln.>"), (">", ">"), ("*", "*"), ("Acme Inc.*", "QWNtZSBJbmM.*"),
        ]
    )
    func base64Patterns(plain: String, stored: String) throws {
        #expect(try Base64KeyCodec().encode(KeyPattern(encodable: plain)).description == stored)
    }

    @Test(
        "54.107 Base64 values",
        arguments: [
            ("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg"), ("fooba", "Zm9vYmE"),
            ("foobar", "Zm9vYmFy"), ("~~~???", "fn5-Pz8_"), ("info@acme.com", "aW5mb0BhY21lLmNvbQ"),
        ]
    )
    func base64Values(plain: String, stored: String) throws {
        let codec = Base64ValueCodec()
        #expect(try codec.encode(Array(plain.utf8)) == Array(stored.utf8))
        #expect(try codec.decode(Array(stored.utf8)) == Array(plain.utf8))
        let padded = Base64ValueCodec(isPadded: true)
        let padding = String(repeating: "=", count: (4 - stored.utf8.count % 4) % 4)
        #expect(try padded.encode(Array(plain.utf8)) == Array((stored + padding).utf8))
        #expect(try codec.decode(Array((stored + padding).utf8)) == Array(plain.utf8))
    }

    @Test(
        "54.108 paths",
        arguments: [
            ("/foo/bar", "_root_.foo.bar", "/foo/bar"), ("foo/bar", "foo.bar", "foo/bar"),
            ("/foo/bar/baz/qux", "_root_.foo.bar.baz.qux", "/foo/bar/baz/qux"), ("/foo", "_root_.foo", "/foo"),
            ("foo/bar/", "foo.bar", "foo/bar"), ("/", "_root_", "/"), ("/foo/bar/", "_root_.foo.bar", "/foo/bar"),
            ("a.b", "a.b", "a/b"), ("_root_x/y", "_root_x.y", "_root_x/y"),
        ]
    )
    func paths(plain: String, stored: String, decoded: String) throws {
        let codec = PathKeyCodec()
        #expect(try codec.encode(Key(plain)) == Key(stored))
        #expect(try codec.decode(Key(stored)) == Key(decoded))
    }

    @Test(
        "54.108 patterns of paths",
        arguments: [
            ("/user/123", "_root_.user.123"), ("/user/*", "_root_.user.*"), ("/user/>", "_root_.user.>"),
            ("/app/*/config/>", "_root_.app.*.config.>"), ("user/*", "user.*"), (">", ">"), ("/", "_root_"),
        ]
    )
    func pathPatterns(plain: String, stored: String) throws {
        #expect(try PathKeyCodec().encode(KeyPattern(encodable: plain)).description == stored)
    }

    @Test("54.108 a path with an empty part has no legal key, and no pattern", arguments: ["a//b", "//", "//a", "a//"])
    func emptyParts(path: String) throws {
        #expect(try !PathKeyCodec().encode(Key(path)).isLegal)
        #expect(throws: KeyValueError.self) { try PathKeyCodec().encode(KeyPattern(encodable: path)) }
    }

    @Test("54.109 a chain encodes from the first to the last, and decodes from the last to the first")
    func chains() throws {
        let letters = try KeyCodecChain([Prefix("A"), Prefix("B")])
        #expect(try letters.encode("test") == "B:A:test")
        #expect(try letters.decode("B:A:test") == "test")
        #expect(throws: KeyValueError.self) { try letters.decode("A:B:test") }
        let paths = try KeyCodecChain([PathKeyCodec(), Base64KeyCodec()])
        for path in ["/simple/key", "/single", "/with/*/wildcard", "/with/>", "no/leading/slash"] {
            let stored = try paths.encode(Key(path))
            #expect(stored.isLegal)
            #expect(try paths.decode(stored) == Key(path))
        }
        #expect(try paths.encode("/foo") == "X3Jvb3Rf.Zm9v")
        let values = try ValueCodecChain([Prefix("A"), Base64ValueCodec(), Prefix("B")])
        #expect(try values.encode([1]) == Array("B:QToB".utf8))
        #expect(try values.decode(Array("B:QToB".utf8)) == [1])
    }

    @Test("54.109 an empty chain is refused")
    func emptyChains() {
        #expect { try KeyCodecChain([]) } throws: { ($0 as? KeyValueError)?.code == .invalidOption }
        #expect { try ValueCodecChain([]) } throws: { ($0 as? KeyValueError)?.code == .invalidOption }
    }

    @Test("54.110 a chain takes patterns if each of its codecs does")
    func chainPatterns() throws {
        let whole = try KeyCodecChain([PathKeyCodec(), Base64KeyCodec()])
        #expect(try whole.encode(KeyPattern("/user/*/>")).description == "X3Jvb3Rf.dXNlcg.*.>")
        let broken = try KeyCodecChain([Base64KeyCodec(), Prefix("A")])
        for pattern in ["orders.*.status", "orders.>", ">"] {
            #expect {
                try broken.encode(KeyPattern(pattern))
            } throws: { error in
                (error as? KeyValueError)?.code == .invalidPattern && "\(error)".contains("Prefix")
            }
        }
        #expect(try broken.encode(KeyPattern("orders")).description == "A:b3JkZXJz")
        // A path is a pattern only for the codec of paths.
        let late = try KeyCodecChain([Prefix("A"), PathKeyCodec()])
        #expect(throws: KeyValueError.self) { try late.encode(KeyPattern("user/*")) }
    }

    @Test(
        "54.111 what a codec did not store is undecodable",
        arguments: ["!", "Q", "QQ==", "QR", "Q.Q", "Zm9vLmJhcg", "Zg=", "+/+/"]
    )
    func undecodableKeys(stored: String) {
        #expect {
            try Base64KeyCodec().decode(Key(stored))
        } throws: { error in
            (error as? KeyValueError)?.code == .undecodable && (error as? KeyValueError)?.key == Key(stored)
        }
    }

    @Test(
        "54.111 a value that is no Base64 is undecodable",
        arguments: ["!", "Q", "Zg=", "Zg===", "=", "Z=g=", "Zm9v=", "Zg==Zg"]
    )
    func undecodableValues(stored: String) {
        #expect {
            try Base64ValueCodec().decode(Array(stored.utf8))
        } throws: { error in
            (error as? KeyValueError)?.code == .undecodable
        }
    }

    @Test("54.105 any key and any value come back", arguments: 0..<8)
    func roundTrips(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<200 {
            let parts = (0..<Int.random(in: 1...4, using: &random)).map { _ in
                random.bytes(Int.random(in: 1...12, using: &random)).map { $0 == 46 ? 47 : $0 }
            }
            let key = Key(bytes: Array(parts.joined(separator: [46])))
            for codec in [Base64KeyCodec(), Base64KeyCodec(alphabet: .standard, isPadded: true)] {
                #expect(try codec.decode(codec.encode(key)) == key)
            }
            #expect(try Base64KeyCodec().encode(key).isLegal)
            let value = random.bytes(Int.random(in: 0...100, using: &random))
            for isPadded in [true, false] {
                for alphabet in [Base64Alphabet.url, .standard] {
                    let codec = Base64ValueCodec(alphabet: alphabet, isPadded: isPadded)
                    #expect(try codec.decode(codec.encode(value)) == value)
                }
            }
        }
    }

    @Test("54.106 encoded patterns match the encoded keys of those that the patterns match", arguments: 0..<8)
    func patternsMatch(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let names = ["a", "b", "a b", "ä", "*x"]
        let codecs: [any PatternKeyCodec] = [
            Base64KeyCodec(), Base64KeyCodec(alphabet: .url, isPadded: true), PathKeyCodec(),
            try KeyCodecChain([PathKeyCodec(), Base64KeyCodec()]),
        ]
        var matches = 0
        for _ in 0..<300 {
            func part() -> String { names[Int.random(in: 0..<names.count, using: &random)] }
            let key = (0..<Int.random(in: 1...4, using: &random)).map { _ in part() }
            var pattern = (0..<Int.random(in: 1...4, using: &random)).map { _ in random.chance(1, in: 3) ? "*" : part()
            }
            if random.chance(1, in: 3) { pattern.append(">") }
            let isMatch = try KeyPattern(encodable: pattern.joined(separator: ".")).matches(
                Key(key.joined(separator: "."))
            )
            // Of paths alone only those that the server can hold have a pattern.
            for (index, codec) in codecs.enumerated() where index != 2 || !(key + pattern).contains("a b") {
                let separator = index < 2 ? "." : "/"
                let root = index < 2 || random.chance(1, in: 2) ? "" : "/"
                let stored = try codec.encode(Key(root + key.joined(separator: separator)))
                let found = try codec.encode(KeyPattern(encodable: root + pattern.joined(separator: separator)))
                #expect(found.matches(stored) == isMatch, "\(pattern) and \(key) by codec \(index), seed \(seed)")
            }
            matches += isMatch ? 1 : 0
        }
        #expect(matches > 5 && matches < 280)
    }

    @Test("54.103 without codecs nothing is turned, and each can be chosen alone")
    func none() {
        #expect(BucketCodecs.none.key == nil && BucketCodecs.none.value == nil)
        #expect(BucketCodecs(key: PathKeyCodec()).value == nil)
        #expect(BucketCodecs(value: Base64ValueCodec()).key == nil)
    }
}

/// Puts a letter before keys and values; turns no patterns.
struct Prefix: KeyCodec, ValueCodec {
    let prefix: [UInt8]

    init(_ letter: String) {
        prefix = Array((letter + ":").utf8)
    }

    func encode(_ key: Key) throws -> Key { Key(bytes: prefix + key.bytes) }

    func decode(_ stored: Key) throws -> Key { Key(bytes: try bare(stored.bytes)) }

    func encode(_ value: [UInt8]) throws -> [UInt8] { prefix + value }

    func decode(_ stored: [UInt8]) throws -> [UInt8] { try bare(stored) }

    private func bare(_ bytes: [UInt8]) throws -> [UInt8] {
        guard bytes.starts(with: prefix) else {
            throw KeyValueError(code: .undecodable, bucket: nil, text: "there is no prefix")
        }
        return Array(bytes.dropFirst(prefix.count))
    }
}
