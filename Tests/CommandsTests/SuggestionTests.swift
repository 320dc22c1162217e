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
}
