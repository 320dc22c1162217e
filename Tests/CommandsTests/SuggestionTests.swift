import Testing

@testable import Commands

@Suite("Suggestions")
struct SuggestionTests {
    @Test(
        "Mistyped and misplaced words get a hint",
        arguments: [
            ("bakup orders", "did you mean `cistern backup`?"),
            ("kv histroy orders k", "did you mean `cistern kv history`?"),
            ("-s x backup orders", "options go behind the command: `cistern backup …`"),
            ("xyzzy", nil), ("backup orders --tga x", nil), ("help bakup", nil), ("", nil),
        ] as [(String, String?)]
    )
    func hints(line: String, hint: String?) {
        #expect(Suggestion.hint(for: line.split(separator: " ").map { String($0) }) == hint)
    }

    @Test(
        "The distance of words counts letters",
        arguments: [("", "", 0), ("a", "", 1), ("backup", "bakup", 1), ("ls", "sl", 1), ("kitten", "sitting", 3)]
    )
    func distance(left: String, right: String, distance: Int) {
        #expect(Suggestion.distance(left, right) == distance)
        #expect(Suggestion.distance(right, left) == distance)
    }
}
