import Archive
import ArgumentParser
import KVModel
import Testing

@testable import Commands

@Suite("Arguments of what looks after an archive")
struct CareArgumentsTests {
    private func parse<Command>(_ type: Command.Type, _ arguments: String) throws -> Command {
        let words = arguments.split(separator: " ").map { String($0) }
        return try #require(try Cistern.parseAsRoot(words) as? Command)
    }

    @Test("A prune's policy reaches it")
    func prune() throws {
        let command = try parse(
            PruneCommand.self,
            "prune a.cistern --keep-within 30d --keep-last 3 --keep-hourly 24 --keep-daily 14 --keep-weekly 8 "
                + "--keep-monthly 12 --keep-tags --bucket b --timezone Europe/Berlin --dry-run -y"
        )
        let month: Int64 = 30 * 86_400_000_000_000
        #expect(command.keepWithin == month)
        #expect(command.keepLast == 3 && command.keepHourly == 24 && command.keepDaily == 14)
        #expect(command.keepWeekly == 8 && command.keepMonthly == 12 && command.keepTags)
        #expect(command.bucket?.rawValue == "b" && command.timeZone == "Europe/Berlin")
        #expect(command.dryRun && command.yes)
    }

    @Test("A tag, a repair, a compaction and an unlocking get what they need")
    func others() throws {
        let tag = try parse(TagCommand.self, "tag a.cistern n --note hm --at-revision 7 --bucket b")
        #expect(tag.name == "n" && tag.note == "hm" && tag.point.point == .revision(7) && !tag.delete)
        #expect(try parse(TagCommand.self, "tag a.cistern").name == nil)
        #expect(try parse(TagCommand.self, "tag a.cistern n --delete").delete)
        let repair = try parse(RepairCommand.self, "repair a.cistern --to b.cistern --accept-loss")
        #expect(repair.file == "a.cistern" && repair.target == "b.cistern" && repair.acceptLoss)
        #expect(try parse(CompactCommand.self, "compact a.cistern --dry-run").dryRun)
        #expect(try parse(UnlockCommand.self, "unlock a.cistern").file == "a.cistern")
    }

    @Test(
        "What makes no sense is refused",
        arguments: [
            "prune a.cistern", "prune a.cistern --keep-last 0", "prune a.cistern --keep-daily -1",
            "prune a.cistern --keep-within 0s", "prune a.cistern --keep-within soon",
            "prune a.cistern --keep-last 1 --timezone Atlantis", "tag a.cistern --delete", "tag a.cistern --note n",
            "tag a.cistern n --delete --at-revision 1", "tag a.cistern n --delete --note n", "repair a.cistern",
        ]
    )
    func refused(arguments: String) {
        let words = arguments.split(separator: " ").map { String($0) }
        #expect(throws: (any Error).self) { try Cistern.parseAsRoot(words) }
    }
}
