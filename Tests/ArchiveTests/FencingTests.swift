import Foundation
import GRDB
import KVModel
import Schedule
import Testing

@testable import Archive

@Suite("Fencing tokens of archives")
struct FencingTests {
    private static let scope = "leases/nightly"

    private func token(_ value: UInt64, generation: Int64 = 1, scope: String = scope) -> FencingToken {
        FencingToken(scope: scope, generation: generation, value: value)
    }

    private func checkpoint(_ resume: Revision) -> Checkpoint {
        Checkpoint(resumeRevision: resume, updated: Timestamp(nanoseconds: 1))
    }

    private func expectFencedOff(_ what: String, _ body: () throws -> Void) throws {
        do {
            try body()
            Issue.record("\(what) was taken")
        } catch let error as ArchiveError {
            guard case .fencedOff = error.code else { throw error }
            #expect(error.description.contains("took the job over"))
        }
    }

    @Test("A lower token is refused at the door, the same and higher ones are not")
    func doors() throws {
        let archive = try TestArchive()
        try archive.fill([])
        try ArchiveWriter.open(path: archive.path, fencing: token(7)).close()
        try ArchiveWriter.open(path: archive.path, fencing: token(7)).close()
        try expectFencedOff("token 6") { try ArchiveWriter.open(path: archive.path, fencing: token(6)).close() }
        try ArchiveWriter.open(path: archive.path, fencing: token(1, scope: "leases/other")).close()
        // A bucket of leases that was made anew gives out low numbers, and those of the one before are worth nothing.
        try ArchiveWriter.open(path: archive.path, fencing: token(2, generation: 2)).close()
        try expectFencedOff("the bucket before") {
            try ArchiveWriter.open(path: archive.path, fencing: token(900)).close()
        }
        // Whoever has none is not asked, and the refused ones hold no lock.
        let writer = try ArchiveWriter.open(path: archive.path)
        #expect(
            try writer.read { try $0.fences() } == [
                token(2, generation: 2), token(1, scope: "leases/other"),
            ]
        )
        try writer.close()
    }

    @Test("A write after the take-over changes nothing, whatever it is")
    func lateWrites() throws {
        var random = SeededGenerator(seed: 11)
        let entries = random.entries(90)
        let segments = try TestArchive.segments(entries, perSegment: 30)
        let archive = try TestArchive()
        let incarnation = try archive.fill([])
        let late = try ArchiveWriter.open(path: archive.path, fencing: token(3))
        for segment in segments.prefix(2) {
            try late.commit([segment], incarnation.id, checkpoint: checkpoint(segment.lastRevision))
        }
        let before = try late.checkpoint(incarnation.id)
        let run = try late.beginRun(kind: "backup", at: Timestamp(nanoseconds: 1))
        // As on a file system whose locks two machines do not see of each other.
        unlink(archive.path + ".lock")
        let successor = try ArchiveWriter.open(path: archive.path, fencing: token(4))
        let writes: [(String, () throws -> Void)] = [
            ("a segment", { try late.commit([segments[2]], incarnation.id, checkpoint: checkpoint(.max >> 1)) }),
            ("a checkpoint", { try late.commit([], incarnation.id, checkpoint: checkpoint(.max >> 1)) }),
            ("a tag", { try late.tag("t", incarnation.id, revision: 1, at: Timestamp(nanoseconds: 1)) }),
            ("a prune", { try late.prune(RetentionPolicy(last: 1)) }),
            ("a compaction", { try late.compact() }),
            ("a run's end", { try late.finishRun(run, outcome: .succeeded, at: Timestamp(nanoseconds: 1)) }),
            (
                "an incarnation",
                { _ = try late.incarnation(cluster: "c", bucket: BucketName("b"), created: "x") }
            ),
        ]
        for (what, write) in writes { try expectFencedOff(what, write) }
        #expect(try successor.checkpoint(incarnation.id) == before)
        try successor.commit([segments[2]], incarnation.id, checkpoint: checkpoint(segments[2].lastRevision))
        try successor.close()
        try late.close()
        let reader = try ArchiveReader.open(path: archive.path)
        #expect(try reader.verify().problems == [])
        #expect(try reader.segments(of: incarnation.id).map(\.entries) == [30, 30, 30])
    }

    @Test("Tokens outlive prune, compaction and a change of keys; a repair leaves them out")
    func maintenance() throws {
        var random = SeededGenerator(seed: 12)
        let archive = try TestArchive()
        let key = try ArchiveKey(keyFile: Array(("cistern-key-1:" + String(repeating: "5a", count: 32) + "\n").utf8))
        try archive.fill(random.entries(90), perSegment: 30)
        let writer = try ArchiveWriter.open(path: archive.path, key: key, encrypts: true, fencing: token(9))
        try writer.prune(RetentionPolicy(last: 1))
        try writer.compact()
        try writer.reencrypt()
        try writer.close()
        #expect(try ArchiveReader.open(path: archive.path, key: key).verify().problems == [])
        try expectFencedOff("token 8") {
            try ArchiveWriter.open(path: archive.path, key: key, fencing: token(8)).close()
        }
        let repaired = archive.directory + "/repaired.cistern"
        let report = try ArchiveRepair.run(path: archive.path, to: repaired)
        #expect(report.buckets.map(\.lost) == [[]])
        #expect(try ArchiveReader.open(path: repaired, key: key).verify().problems == [])
        let writerOfRepaired = try ArchiveWriter.open(path: repaired, key: key)
        #expect(try writerOfRepaired.read { try $0.fences() } == [])
        try writerOfRepaired.close()
    }

    @Test("A changed token is damage: verify says so, and no writer with a token trusts it")
    func changedToken() throws {
        let archive = try TestArchive()
        try archive.fill([])
        try ArchiveWriter.open(path: archive.path, fencing: token(5)).close()
        let database = try DatabaseQueue(path: archive.path)
        try database.writeWithoutTransaction { try $0.execute(sql: "UPDATE fence SET value = 1") }
        try database.close()
        #expect(
            try ArchiveReader.open(path: archive.path).verify().problems.map(\.detail) == [
                "a fencing token is not what was written"
            ]
        )
        #expect {
            try ArchiveWriter.open(path: archive.path, fencing: token(5)).close()
        } throws: { error in
            guard case .corrupt = (error as? ArchiveError)?.code else { return false }
            return true
        }
    }
}
