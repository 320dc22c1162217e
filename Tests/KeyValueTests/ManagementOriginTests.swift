import JetStream
import KVModel
import KeyValue
import NATSClient
import NATSProtocol
import TestSupport
import Testing

/// ADR-57: mirrors and sources on real servers, by the numbers of the conformance table.
@Suite("Mirrors and sources")
struct ManagementOriginTests {
    private static let keys: [Key] = ["NEW.a", "NEW.b.c", "OLD.a", "d"]

    @Test("57.93 a mirror has what its bucket has, and answers reads itself", arguments: ServerBinary.all)
    func mirror(binary: ServerBinary) async throws {
        try await ManagementRig.run(binary) { rig in
            try await rig.buckets.filled(rig.name, Self.keys)
            let name = try rig.other("m")
            let mirror = try await Self.create(name, in: rig.buckets) {
                $0.mirror = BucketOrigin(name: rig.name.rawValue)
            }
            #expect(mirror.info.configuration["mirror"]?["name"] == .string("KV_\(rig.name)"))
            #expect(mirror.info.configuration["mirror_direct"] == true)
            #expect(try await rig.buckets.keys(name, count: 4) == Self.keys.map(\.description).sorted())
            #expect(try await rig.buckets.open(name).get("NEW.a")?.string == "NEW.a")
        }
    }

    @Test("57.94 a mirror of some keys, of a sequence on, of a time on", arguments: ServerBinary.all)
    func mirrorParts(binary: ServerBinary) async throws {
        try await ManagementRig.run(binary) { rig in
            let origin = try await rig.buckets.filled(rig.name, Self.keys)
            let time = try #require(try await origin.get("OLD.a")).created
            let some = try rig.other("some")
            _ = try await Self.create(some, in: rig.buckets) {
                $0.mirror = BucketOrigin(rig.name, keys: try KeyPattern("NEW.>"))
            }
            let sequence = try rig.other("sequence")
            _ = try await Self.create(sequence, in: rig.buckets) {
                $0.mirror = BucketOrigin(rig.name)
                $0.mirror?.startSequence = 4
            }
            let late = try rig.other("late")
            _ = try await Self.create(late, in: rig.buckets) {
                $0.mirror = BucketOrigin(rig.name)
                $0.mirror?.startTime = time
            }
            #expect(try await rig.buckets.keys(some, count: 2) == ["NEW.a", "NEW.b.c"])
            #expect(try await rig.buckets.keys(sequence, count: 1) == ["d"])
            #expect(try await rig.buckets.keys(late, count: 2) == ["OLD.a", "d"])
            #expect(try await rig.buckets.open(late).status().configuration.mirror?.startTime == time)
        }
    }

    @Test("57.96 sources bring their keys under the bucket's own names, from 2.10 on", arguments: ServerBinary.all)
    func sources(binary: ServerBinary) async throws {
        try await ManagementRig.run(binary) { rig in
            let other = try rig.other("other")
            try await rig.buckets.filled(other, ["x"])
            try await rig.buckets.filled(try rig.other("origin"), Self.keys)
            let stream = try await expectKnown(rig, since: "2.10", "sources.subject_transforms") {
                // 57.97: the part of a filter before > goes.
                let filtered = BucketOrigin(try rig.other("origin"), keys: try KeyPattern("NEW.>"))
                $0.sources = [BucketOrigin(name: other.rawValue), filtered]
            }
            guard stream != nil else { return }
            #expect(try await rig.buckets.keys(rig.name, count: 3) == ["a", "b.c", "x"])
            let bucket = try await rig.buckets.open(rig.name)
            #expect(try await bucket.get("b.c")?.string == "NEW.b.c")
            // It is a bucket like any other.
            try await bucket.put("own", "1")
            #expect(try await bucket.get("own")?.string == "1")
        }
    }

    @Test("57.97 keys that a pattern with wildcards takes keep their names", arguments: ServerBinary.all)
    func filteredSources(binary: ServerBinary) async throws {
        try await ManagementRig.run(binary) { rig in
            try await rig.buckets.filled(try rig.other("origin"), Self.keys)
            let stream = try await expectKnown(rig, since: "2.10", "sources.subject_transforms") {
                $0.sources = [BucketOrigin(try rig.other("origin"), keys: try KeyPattern("*.a"))]
            }
            guard stream != nil else { return }
            #expect(try await rig.buckets.keys(rig.name, count: 2) == ["NEW.a", "OLD.a"])
        }
    }

    @Test("57.99 own transforms are kept, of streams that are no buckets as well", arguments: ServerBinary.all)
    func ownTransforms(binary: ServerBinary) async throws {
        try await ManagementRig.run(binary) { rig in
            let events = "EVENTS\(rig.name)"
            let prefix = "events\(rig.name)"
            _ = try await rig.context.createStream([
                "name": .string(events), "subjects": [.string("\(prefix).>")], "storage": "memory",
            ])
            for subject in ["processed.1", "failed.2", "processed.3.x"] {
                _ = try await rig.context.connection.request("\(prefix).\(subject)")
            }
            let transform = BucketOrigin.Transform(
                source: "\(prefix).processed.>",
                destination: rig.name.subjectPrefix + ">"
            )
            let origin = BucketOrigin(name: events, transforms: [transform])
            let stream = try await expectKnown(rig, since: "2.10", "sources.subject_transforms") {
                $0.sources = [origin]
            }
            guard let stream else { return }
            #expect(BucketConfiguration(stream: stream).sources == [origin])
            #expect(try await rig.buckets.keys(rig.name, count: 2) == ["1", "3.x"])
        }
    }

    @Test("57.100 transforms of a mirror are refused below 2.10, not dropped", arguments: ServerBinary.all)
    func mirrorTransforms(binary: ServerBinary) async throws {
        try await ManagementRig.run(binary) { rig in
            let origin = try rig.other("origin")
            try await rig.buckets.filled(origin, Self.keys)
            let stream = try await expectKnown(rig, since: "2.10", "mirror.subject_transforms") {
                let transform = BucketOrigin.Transform(
                    source: origin.subjectPrefix + "NEW.>",
                    destination: rig.name.subjectPrefix + ">"
                )
                $0.mirror = BucketOrigin(name: origin.streamName, transforms: [transform])
            }
            if stream != nil {
                #expect(try await rig.buckets.keys(rig.name, count: 2) == ["a", "b.c"])
            }
            let (adapted, leftOut) = rig.configuration {
                $0.sources = [BucketOrigin(origin)]
            }.adapted(to: ServerVersion(major: 2, minor: 9, patch: 10))
            #expect(leftOut == ["sources.subject_transforms"])
            #expect(adapted.stream["sources"] == [["name": .string(origin.streamName)]])
        }
    }

    @Test("57.101 a mirror becomes a bucket by update, from 2.12 on", arguments: ServerBinary.all)
    func promotion(binary: ServerBinary) async throws {
        try await ManagementRig.run(binary) { rig in
            try await rig.buckets.filled(try rig.other("origin"), Self.keys)
            let mirror = try await rig.create { $0.mirror = BucketOrigin(try rig.other("origin")) }
            _ = try await rig.buckets.keys(rig.name, count: 4)
            var configuration = mirror.configuration
            configuration.mirror = nil
            let promoted = configuration
            guard binary.isAtLeast("2.12") else {
                _ = await #expect {
                    _ = try await rig.buckets.update(promoted)
                } throws: { error in
                    let error = error as? KeyValueError
                    return error?.code == .invalidOption && error?.text?.contains("mirror") == true
                }
                return
            }
            let bucket = try await rig.buckets.update(promoted)
            #expect(!bucket.configuration.isMirror)
            #expect(bucket.info.configuration["subjects"] == [.string(rig.name.subjectPrefix + ">")])
            try await KeyValueBucket(bucket).put("own", "1")
        }
    }

    @Test("57.102 the status says how far a mirror and each source have come", arguments: ServerBinary.all)
    func lag(binary: ServerBinary) async throws {
        try await ManagementRig.run(binary) { rig in
            try await rig.buckets.filled(try rig.other("origin"), Self.keys)
            _ = try await rig.create { $0.mirror = BucketOrigin(try rig.other("origin")) }
            _ = try await rig.buckets.keys(rig.name, count: 4)
            let bucket = try await rig.buckets.open(rig.name)
            try await eventually("the mirror to have nothing before it", timeout: .seconds(20)) {
                try await bucket.status().mirror?.lag == 0
            }
            let mirror = try #require(try await bucket.status().mirror)
            #expect(try mirror.bucket == rig.other("origin") && mirror.externalAPI == nil && mirror.error == nil)
            #expect(try #require(mirror.lastSeen) < .seconds(60))
            #expect(try await bucket.status().sources.isEmpty)
            let all = try rig.other("all")
            var sourced = BucketConfiguration(name: all)
            // On 2.9 a source cannot change names, but be followed it can.
            sourced.sources = [BucketOrigin(try rig.other("origin"))]
            if !binary.isAtLeast("2.10") { sourced = sourced.adapted(to: rig.context.serverVersion).configuration }
            _ = try await rig.buckets.create(sourced)
            try await eventually("the source to be followed", timeout: .seconds(20)) {
                let sources = try await rig.buckets.open(all).status().sources
                return try sources.map(\.bucket) == [rig.other("origin")] && sources[0].lag == 0
                    && sources[0].lastSeen != nil
            }
        }
    }

    private static func create(
        _ name: BucketName,
        in buckets: Buckets,
        _ change: (inout BucketConfiguration) throws -> Void
    ) async throws -> Bucket {
        var configuration = BucketConfiguration(name: name)
        try change(&configuration)
        return try await buckets.create(configuration)
    }
}
