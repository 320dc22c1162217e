import Archive
import Daemon
import KVModel
import Schedule
import TestSupport
import Testing

@Suite("Backup jobs that follow, where not all goes well")
struct WorkFollowingTests {
    @Test("A quiet bucket that could not be followed for a while counts as well once it is followed again")
    func quiet() async throws {
        try await WorkRig.with { rig in
            try await rig.makeBucket("a")
            try await rig.makeBucket("b")
            let follow: (inout BackupWork) -> Void = { work in
                work.follows = true
                work.commitEvery = 20_000_000
            }
            let first = ProgressCollector()
            let one = rig.backup(["a"], "one", follow)
            let holding = Task { await rig.runner.run(one, progress: first.add) }
            defer { holding.cancel() }
            try await eventually("the bucket to be read") { (first.last?.entries ?? 0) >= 20 }
            try await eventually("the bucket to be in the archive") { try rig.consistentRevision("a") == 20 }
            let told = ProgressCollector()
            let two = rig.backup(["a", "b"], "two", follow)
            let running = Task { await rig.runner.run(two, progress: told.add) }
            defer { running.cancel() }
            try await eventually("a warning") { told.last?.warning?.contains("job one captures it") == true }
            holding.cancel()
            _ = await holding.value
            // Nobody writes it: that it is read to its end is all there is to see.
            try await eventually("no warning") {
                told.last?.activity == "following 2 buckets" && told.last?.warning == nil
            }
            running.cancel()
            let result = await running.value
            #expect(result.outcome == .stopped)
            #expect(result.error == nil, "\(result)")
        }
    }

    @Test("A bucket that cannot be compared with the archive keeps no other from it, nor the archive from being pruned")
    func uncompared() async throws {
        try await WorkRig.with { rig in
            // The capture takes the only consumer that the server allows: there is none left to compare with.
            try await rig.makeBucket("a", more: #""max_consumers":1"#)
            try await rig.makeBucket("b", more: #""deny_delete":false"#)
            let told = ProgressCollector()
            let job = rig.backup(["a", "b"], "live") { work in
                work.follows = true
                work.verifies = true
                work.commitEvery = 20_000_000
                work.retention = RetentionPolicy(last: 1)
            }
            let running = Task { await rig.runner.run(job, progress: told.add) }
            defer { running.cancel() }
            try await eventually("both buckets to be read") { (told.last?.entries ?? 0) >= 40 }
            try await eventually("both buckets to be in the archive") {
                try rig.consistentRevision("a") == 20 && rig.consistentRevision("b") == 20
            }
            // A backup that follows looks for such deletions every five minutes only.
            try await rig.server.withClient { try $0.deleteMessage("KV_b", seq: 5) }
            try await eventually("a warning of both") {
                told.last?.warning?.hasPrefix("bucket b: the archive differs from the bucket") == true
                    && told.last?.warning?.hasSuffix("(and 1 more)") == true
            }
            try await eventually("a prune") {
                try rig.reading { try $0.runs().contains { $0.kind == "prune" && $0.outcome == .succeeded } }
            }
            running.cancel()
            let result = await running.value
            #expect(result.outcome == .stopped)
            let error = try #require(result.error)
            #expect(error.contains("bucket a: it was not compared with the archive"), "\(result)")
            #expect(error.contains("bucket b: the archive differs from the bucket"), "\(result)")
            #expect(try rig.files() == ["main.cistern"])
        }
    }

    @Test("An archive that cannot be pruned is a warning of the run that follows")
    func unpruned() async throws {
        try await WorkRig.with { rig in
            try await rig.makeBucket("a")
            let told = ProgressCollector()
            let job = rig.backup(["a"], "live") { work in
                work.follows = true
                // No configuration says so: it is what archives refuse.
                work.retention = RetentionPolicy()
            }
            let running = Task { await rig.runner.run(job, progress: told.add) }
            defer { running.cancel() }
            try await eventually("a warning") {
                told.last?.warning?.hasPrefix("pruning: ") == true
                    && told.last?.warning?.contains("a prune that is to keep nothing") == true
                    && told.last?.activity == "following a"
            }
            running.cancel()
            let result = await running.value
            #expect(result.outcome == .stopped)
            #expect(result.error?.contains("pruning: ") == true, "\(result)")
        }
    }
}
