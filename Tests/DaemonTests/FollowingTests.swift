import KVModel
import Testing

@testable import Daemon

@Suite("What a backup that follows knows of its archive")
struct FollowingTests {
    private let a = BucketName(unchecked: "a")
    private let b = BucketName(unchecked: "b")

    private func following() -> Following {
        let work = BackupWork(cluster: "c", buckets: ["*"], archive: "main")
        return Following(work, first: .seconds(1), longest: .seconds(300))
    }

    @Test("A comparison that fails hides nothing that an earlier one found")
    func comparisons() {
        var following = following()
        following.cared(ArchiveCare(comparisons: [a: .different("it differs"), b: .equal]))
        #expect(following.warning == "bucket a: it differs")
        following.cared(ArchiveCare(comparisons: [a: .failed("no answer"), b: .failed("no answer")]))
        #expect(following.warning == "bucket a: it differs (and 2 more)")
        following.cared(ArchiveCare(comparisons: [a: .equal, b: .failed("no answer")]))
        #expect(following.warning == "comparing bucket b: no answer")
        following.cared(ArchiveCare(comparisons: [a: .equal, b: .equal]))
        #expect(following.warning == nil)
    }

    @Test("A prune that fails is a warning until one succeeds")
    func pruning() {
        var following = following()
        following.cared(ArchiveCare(pruningFailure: "the disk is full"))
        #expect(following.warning == "pruning: the disk is full")
        let wanted: [RunTally.Part.Outcome] = [.failed("the disk is full")]
        #expect(following.tally().parts.map(\.outcome) == wanted)
        following.cared(ArchiveCare())
        #expect(following.warning == nil)
        #expect(following.tally().parts.isEmpty)
    }

    @Test("What is found out about a bucket's archive is in what its following came to")
    func tally() {
        var following = following()
        let now = ContinuousClock.now
        for name in [a, b] {
            let part = RunTally.Part(name: "bucket \(name)", outcome: .stopped)
            following.ended(part, name, wasWell: true, now: now)
        }
        following.cared(ArchiveCare(comparisons: [a: .different("it differs"), b: .failed("no answer")]))
        let wanted: [RunTally.Part.Outcome] = [
            .different("it differs"), .failed("it was not compared with the archive: no answer"),
        ]
        #expect(following.tally().parts.map(\.outcome) == wanted)
    }
}
