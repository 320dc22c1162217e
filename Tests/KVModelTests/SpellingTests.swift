import KVModel
import Testing

@Suite("Spelling")
struct SpellingTests {
    @Test(
        "The distance of words counts letters",
        arguments: [("", "", 0), ("a", "", 1), ("backup", "bakup", 1), ("ls", "sl", 1), ("kitten", "sitting", 3)]
    )
    func distance(left: String, right: String, distance: Int) {
        #expect(Spelling.distance(left, right) == distance)
        #expect(Spelling.distance(right, left) == distance)
    }

    @Test(
        "The word that is most like another is found, and none that is not like it",
        arguments: [
            ("schedul", "schedule"), ("Notify", "notify"), ("rety", "retry"), ("xyz", nil), ("", nil),
            ("to", nil),
        ] as [(String, String?)]
    )
    func closest(word: String, expected: String?) {
        #expect(Spelling.closest(to: word, among: ["schedule", "notify", "retry", "verify"]) == expected)
    }
}
