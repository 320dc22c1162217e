import KVModel
import Testing

@testable import Archive
@testable import Commands

@Suite("Naming buckets")
struct BucketReferenceTests {
    @Test(
        "Names, clusters and patterns are told apart",
        arguments: [
            ("orders", nil, "orders", true), ("east/orders", "east", "orders", true),
            ("a/b/orders", "a/b", "orders", true), ("app-*", nil, "app-*", false), ("east/*", "east", "*", false),
            ("app-?", nil, "app-?", false),
        ] as [(String, String?, String, Bool)]
    )
    func legal(text: String, cluster: String?, pattern: String, isName: Bool) throws {
        let reference = try BucketReference(text)
        #expect(reference.cluster == cluster)
        #expect(reference.pattern.text == pattern)
        #expect((reference.name != nil) == isName)
        #expect(reference.description == text)
    }

    @Test("What can be no bucket is refused", arguments: ["", "/", "east/", "/orders", "a b", "a.b", "ä*"])
    func illegal(text: String) {
        #expect(throws: ModelError.self) { try BucketReference(text) }
    }

    @Test(
        "Patterns match as in a shell",
        arguments: [
            ("app-*", "app-1", true), ("app-*", "app-", true), ("app-*", "application", false), ("*", "x", true),
            ("*-eu-*", "a-eu-b", true), ("*-eu-*", "a-eu", false), ("a?c", "abc", true), ("a?c", "ac", false),
            ("*a*b", "xaxxab", true), ("*a*b", "xaxxa", false), ("abc", "abc", true), ("abc", "abcd", false),
            ("**", "", true), ("", "", true), ("", "a", false),
        ]
    )
    func globs(pattern: String, name: String, matches: Bool) {
        #expect(GlobPattern(text: pattern).matches(name) == matches)
    }

    private static func incarnation(_ id: Int64, _ cluster: String, _ bucket: String, _ created: String) -> Incarnation
    {
        Incarnation(
            id: IncarnationID(rawValue: id),
            cluster: cluster,
            bucket: BucketName(unchecked: bucket),
            created: created
        )
    }

    private let held = [
        incarnation(1, "east", "orders", "2026-01-01T00:00:00Z"),
        incarnation(2, "east", "orders", "2026-02-01T00:00:00Z"),
        incarnation(3, "west", "orders", "2026-01-15T00:00:00Z"),
        incarnation(4, "east", "config", "2026-01-01T00:00:00Z"),
    ]

    @Test(
        "The newest incarnation that fits is chosen",
        arguments: [
            ("orders", "east", nil, 2), ("orders", "west", nil, 3), ("config", nil, nil, 4),
            ("orders", nil, "2026-01-01T00:00:00.000Z", 1), (nil, "west", nil, 3),
        ] as [(String?, String?, String?, Int64)]
    )
    func chosen(bucket: String?, cluster: String?, created: String?, id: Int64) throws {
        let found = try IncarnationOptions.choose(
            from: held,
            bucket: bucket.map { BucketName(unchecked: $0) },
            cluster: cluster,
            created: created
        )
        #expect(found.id.rawValue == id)
    }

    @Test(
        "What is unclear or unknown is said",
        arguments: [
            (nil, nil, CommandError.Code.usage), ("orders", nil, .usage), (nil, "east", .usage),
            ("other", nil, .nothingMatches), ("config", "west", .nothingMatches),
        ] as [(String?, String?, CommandError.Code)]
    )
    func unclear(bucket: String?, cluster: String?, code: CommandError.Code) throws {
        let error = #expect(throws: CommandError.self) {
            try IncarnationOptions.choose(
                from: held,
                bucket: bucket.map { BucketName(unchecked: $0) },
                cluster: cluster,
                created: nil
            )
        }
        #expect(try #require(error).code == code)
        #expect(try #require(error).hint != nil)
    }
}
