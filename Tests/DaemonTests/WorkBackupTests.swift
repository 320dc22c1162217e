import Archive
import Daemon
import Foundation
import KVModel
import Schedule
import TestSupport
import Testing

@Suite("Backup jobs")
struct WorkBackupTests {
    @Test("Patterns are resolved when the job runs; what is captured is tagged, verified and pruned")
    func patterns() async throws {
        try await WorkRig.with(leases: LeaseSettings(cluster: "c")) { rig in
            for name in ["app-a", "app-b", "other", "cistern-leases"] { try await rig.makeBucket(name) }
            let job = rig.backup(["app-*", "other"]) { work in
                work.verifies = true
                work.tag = "nightly-{date}T{time}"
            }
            let told = ProgressCollector()
            let result = await rig.runner.run(job, progress: told.add)
            #expect(result.outcome == .succeeded, "\(result)")
            #expect(result.entries == 60)
            #expect(result.summary.hasPrefix("3 of 3 buckets backed up; 60 entries read"))
            #expect(told.last?.entries == 60)
            #expect(try rig.files() == ["main.cistern"])
            try rig.reading { reader in
                let incarnations = try reader.incarnations()
                #expect(incarnations.map(\.bucket.rawValue) == ["app-a", "app-b", "other"])
                let tag = try #require(try reader.tags(of: incarnations[0].id).first)
                #expect(tag.name.wholeMatch(of: /nightly-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d/) != nil)
                #expect(tag.revision == 20)
                #expect(try reader.runs().map(\.kind) == ["backup", "backup", "backup"])
            }
            try await rig.makeBucket("app-c")
            try await rig.server.withClient { _ = try $0.put("app-a", "more", "value") }
            let everything = rig.backup(["*"]) { $0.retention = RetentionPolicy(last: 1) }
            let second = await rig.runner.run(everything)
            #expect(second.outcome == .succeeded, "\(second)")
            // The bucket of leases is nobody's data.
            #expect(second.entries == 21)
            #expect(second.summary.hasPrefix("4 of 4 buckets"))
            #expect(try rig.files() == ["main.cistern"])
            try rig.reading { reader in
                let first = try #require(try reader.incarnations().first)
                #expect(try reader.points(of: first.id).map(\.point.revision) == [21])
                #expect(try reader.runs().last?.kind == "prune")
                #expect(try reader.verify().isSound)
            }
            await rig.connections.close()
            #expect(rig.logs.warnings.isEmpty, "\(rig.logs.warnings)")
        }
    }

    @Test("A bucket that fails does not stop the others, and the run has failed")
    func oneFails() async throws {
        try await WorkRig.with { rig in
            try await rig.makeBucket("a")
            try await rig.makeBucket("b")
            let result = await rig.runner.run(rig.backup(["nope", "a", "x-*", "b"]))
            #expect(result.outcome == .failed)
            #expect(result.entries == 40)
            #expect(result.summary.hasPrefix("2 of 4 buckets backed up"))
            let error = try #require(result.error)
            #expect(error.contains("nope: there is no such bucket on cluster c"))
            #expect(error.contains("x-*: no bucket of cluster c fits the pattern"))
            let filter = [try KeyPattern("key.>")]
            let filtered = await rig.runner.run(rig.backup(["a"]) { $0.filter = filter })
            #expect(filtered.error?.contains("give the job the `filter`") == true, "\(filtered)")
        }
    }

    @Test("An archive of the configuration is encrypted by its key, and opened by no other")
    func encrypted() async throws {
        let folder = try TemporaryDirectory("key")
        let keyFile = folder.file("archive.key")
        try Data(ArchiveKey.newKeyFile()).write(to: URL(fileURLWithPath: keyFile))
        let encrypt: (inout ArchiveSettings) -> Void = { $0.keyFile = keyFile }
        try await WorkRig.with(archive: encrypt) { rig in
            try await rig.makeBucket("a")
            #expect(await rig.runner.run(rig.backup(["a"])).outcome == .succeeded)
            #expect(await rig.runner.run(rig.drill()).outcome == .succeeded)
            #expect(try rig.reading { try $0.encryption()?.kind } == .keyFile)
            var settings = ArchiveSettings(path: rig.path)
            settings.passphrase = Secret("correct horse")
            await rig.archives.reload(["main": settings])
            let result = await rig.runner.run(rig.backup(["a"]))
            #expect(result.outcome == .failed)
            #expect(result.error?.contains("name the `key`") == true, "\(result)")
            await rig.archives.reload(["main": ArchiveSettings(path: rig.path)])
            #expect(await rig.runner.run(rig.backup(["a"])).error?.contains("name its `key`") == true)
            await rig.archives.reload([:])
            #expect(await rig.runner.run(rig.backup(["a"])).error?.contains("names no archive \"main\"") == true)
            #expect(rig.logs.lines.allSatisfy { !$0.contains("correct horse") })
        }
    }

    @Test("A backup that follows takes up new buckets, prunes between, and stops at a checkpoint")
    func follows() async throws {
        try await WorkRig.with { rig in
            try await rig.makeBucket("app-1")
            let told = ProgressCollector()
            let job = rig.backup(["app-*"], "live") { work in
                work.follows = true
                work.verifies = true
                work.commitEvery = 20_000_000
                work.retention = RetentionPolicy(last: 2)
                work.tag = "end"
            }
            let running = Task { await rig.runner.run(job, progress: told.add) }
            try await eventually("the first bucket") { (told.last?.entries ?? 0) >= 20 }
            try await rig.makeBucket("app-2")
            try await eventually("the second bucket") { (told.last?.entries ?? 0) >= 40 }
            #expect(told.last?.activity == "following 2 buckets")
            // A deleted bucket is nobody's trouble, and a new one of its name is another life.
            try await rig.server.withClient { try $0.deleteStream("KV_app-2") }
            try await eventually("one bucket less") { told.last?.activity == "following app-1" }
            try await rig.makeBucket("app-2", entries: 5)
            try await eventually("the new life") { (told.last?.entries ?? 0) >= 45 }
            try await eventually("no warning") { told.last?.warning == nil }
            for round in 0..<3 {
                try await rig.server.withClient { _ = try $0.put("app-1", "k", "v\(round)") }
                try await eventually("revision \(21 + round)") {
                    try rig.reading { reader in
                        let id = try #require(try reader.incarnations().first { $0.bucket.rawValue == "app-1" }).id
                        return try reader.points(of: id).last?.point.revision == Revision(21 + round)
                    }
                }
            }
            try await eventually("a prune") {
                try rig.reading { reader in
                    let id = try #require(try reader.incarnations().first { $0.bucket.rawValue == "app-1" }).id
                    return try reader.points(of: id).count <= 2
                }
            }
            // Others use the archive meanwhile, but for what is captured into it already.
            let verify = await rig.runner.run(rig.job("check", .verify(VerifyWork(archive: "main"))))
            #expect(verify.outcome == .succeeded, "\(verify)")
            let other = await rig.runner.run(rig.backup(["app-1"]))
            #expect(other.outcome == .failed)
            #expect(other.error?.contains("job live captures it") == true, "\(other)")
            running.cancel()
            let result = await running.value
            #expect(result.outcome == .stopped)
            #expect(result.error == nil, "\(result)")
            #expect(result.entries == 48)
            #expect(try rig.files() == ["main.cistern"])
            try rig.reading { reader in
                #expect(try reader.verify().isSound)
                #expect(try reader.incarnations().count == 3)
                let id = try #require(try reader.incarnations().first).id
                #expect(try reader.tags(of: id).map(\.name) == ["end"])
                #expect(try reader.runs().allSatisfy { $0.outcome != .unfinished })
            }
        }
    }

    @Test("A run that follows fails when none of its buckets can be followed, and says so before")
    func hopeless() async throws {
        try await WorkRig.with { rig in
            let told = ProgressCollector()
            let job = rig.backup(["nope"], "live") { $0.follows = true }
            let result = await rig.runner.run(job, progress: told.add)
            #expect(result.outcome == .failed)
            #expect(result.error?.contains("bucket nope: there is no such bucket") == true, "\(result)")
            try await rig.makeBucket("here")
            let both = rig.backup(["nope", "here"], "live") { $0.follows = true }
            let running = Task { await rig.runner.run(both, progress: told.add) }
            try await eventually("a warning") {
                told.last?.activity == "following here" && told.last?.warning?.contains("nope") == true
            }
            try await rig.makeBucket("nope")
            try await eventually("no warning") {
                told.last?.activity == "following 2 buckets" && told.last?.warning == nil
            }
            running.cancel()
            #expect(await running.value.outcome == .stopped)
        }
    }

    @Test("All runs together keep to the bytes a second of a cluster")
    func sharedRate() async throws {
        try await WorkRig.with(bytesPerSecond: 400_000) { rig in
            try await rig.makeBucket("a", entries: 60, size: 5_000)
            try await rig.makeBucket("b", entries: 60, size: 5_000)
            let started = ContinuousClock.now
            async let one = rig.runner.run(rig.backup(["a"], "one"))
            async let two = rig.runner.run(rig.backup(["b"], "two"))
            let results = await [one, two]
            #expect(results.allSatisfy { $0.outcome == .succeeded }, "\(results)")
            // 600,000 bytes, of which a tenth of a second's may come at once.
            #expect(ContinuousClock.now - started > .milliseconds(1_300))
            #expect(try rig.files() == ["main.cistern"])
        }
    }
}
