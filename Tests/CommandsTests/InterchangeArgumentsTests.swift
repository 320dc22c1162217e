import Archive
import ArgumentParser
import KVModel
import Testing

@testable import Commands

@Suite("Arguments of export, import and diff")
struct InterchangeArgumentsTests {
    private func parse<Command>(_ type: Command.Type, _ arguments: String) throws -> Command {
        let words = arguments.split(separator: " ").map { String($0) }
        return try #require(try Cistern.parseAsRoot(words) as? Command)
    }

    @Test(
        "A side of diff is an archive, an archive at a point, or a bucket",
        arguments: [
            ("a.cistern", DiffOperand.archive(path: "a.cistern", .newest)),
            ("a/b.cistern@17", .archive(path: "a/b.cistern", .revision(17))),
            ("b.cistern@before", .archive(path: "b.cistern", .tag("before"))),
            (
                "b.cistern@1970-01-01T00:00:01Z",
                .archive(path: "b.cistern", .time(Timestamp(nanoseconds: 1_000_000_000)))
            ),
            ("a@b.cistern", .archive(path: "a@b.cistern", .newest)),
        ]
    )
    func operand(text: String, expected: DiffOperand) throws {
        #expect(try DiffOperand(text, point: .newest, option: "") == expected)
    }

    @Test("A bucket has no points, and a point is said once")
    func refused() throws {
        #expect(try DiffOperand("east/orders", point: .newest, option: "") == .bucket(BucketReference("east/orders")))
        for text in ["orders", "a.cistern@4"] {
            #expect(throws: CommandError.self) { try DiffOperand(text, point: .revision(1), option: "--at-…") }
        }
        #expect(throws: CommandError.self) { try DiffOperand("a.cistern@", point: .newest, option: "") }
        #expect(throws: CommandError.self) { try parse(DiffCommand.self, "diff orders").sides }
    }

    @Test("Without a second side, the newest point of the first one's archive is meant")
    func sides() throws {
        let (left, right) = try parse(DiffCommand.self, "diff a.cistern --at-tag t --to-at-revision 9").sides
        #expect(left == .archive(path: "a.cistern", .tag("t")))
        #expect(right == .archive(path: "a.cistern", .revision(9)))
    }

    @Test(
        "What does not go together is refused",
        arguments: [
            "export a.cistern --all --at-revision 3", "export a.cistern --all --bucket b",
            "export a.cistern --format nats-backup", "export a.cistern --format nats-backup -o d --all",
            "export a.cistern --format xml", "import x.jsonl",
            "diff a.cistern --to-at-revision 1 --to-at-tag t",
        ]
    )
    func validation(arguments: String) {
        #expect(throws: (any Error).self) {
            try Cistern.parseAsRoot(arguments.split(separator: " ").map { String($0) })
        }
    }
}
