import JetStream
import KVModel
import KeyValue
import NATSProtocol
import TestSupport
import Testing

/// ADR-48, what is said of buckets: by the numbers of the conformance table.
@Suite("Limit markers")
struct ManagementMarkerTests {
    @Test("48.84 a limit marker TTL allows entries a lifetime of their own, from 2.11 on", arguments: ServerBinary.all)
    func setting(binary: ServerBinary) async throws {
        try await ManagementRig.run(binary) { rig in
            let stream = try await expectKnown(rig, since: "2.11", "subject_delete_marker_ttl") {
                $0.limitMarkerTimeToLive = .seconds(60)
            }
            guard let stream else { return }
            #expect(stream["subject_delete_marker_ttl"] == 60_000_000_000 && stream["allow_msg_ttl"] == true)
            // 48.88: the status says it.
            let status = try await rig.buckets.open(rig.name).status()
            #expect(status.limitMarkerTimeToLive == .seconds(60) && status.allowsEntryTimeToLive)
        }
    }

    @Test("48.85 the API level says which features there are", arguments: ServerBinary.all)
    func level(binary: ServerBinary) async throws {
        try await ManagementRig.run(binary) { rig in
            let level = try await rig.context.apiLevel()
            let version = rig.context.serverVersion
            #expect((level > 0) == binary.isAtLeast("2.11"))
            #expect(JetStreamContext.version(ofLevel: level, connectedTo: version) == version)
        }
    }

    @Test(
        "48.85 the features of a level, whatever is connected to",
        arguments: [
            (0, "2.15.1", "2.10"), (0, "2.9.10", "2.9"), (1, "2.10.26", "2.11"), (1, "2.15.1", "2.11"),
            (2, "2.15.1", "2.12"), (3, "2.12.8", "2.12"), (4, "2.14.6", "2.14"), (5, "2.10.26", "2.15"),
            (6, "2.16.0", "2.16"), (6, "2.11.0", "2.15"),
        ]
    )
    func features(level: Int, connected: String, expected: String) throws {
        let version = JetStreamContext.version(
            ofLevel: level,
            connectedTo: try #require(ServerVersion(connected))
        )
        #expect("\(version.major).\(version.minor)" == expected)
    }

    @Test("48.86 markers for less than a second are refused before anything is sent", arguments: ServerBinary.all)
    func tooShort(binary: ServerBinary) async throws {
        try await ManagementRig.run(binary) { rig in
            await expect(.invalidOption) {
                _ = try await rig.create { $0.limitMarkerTimeToLive = .milliseconds(999) }
            }
            #expect(throws: ModelError.self) {
                _ = try rig.configuration { try $0.set("limit-marker-ttl=100ms") }
            }
        }
    }

    @Test("48.87 markers can be switched on by update, and not off", arguments: ServerBinary.all)
    func switching(binary: ServerBinary) async throws {
        try await ManagementRig.run(binary) { rig in
            var configuration = try await rig.create().configuration
            configuration.limitMarkerTimeToLive = .seconds(60)
            guard binary.isAtLeast("2.11") else {
                let wanted = configuration
                return await expect(.unsupported) { _ = try await rig.buckets.update(wanted) }
            }
            var bucket = try await rig.buckets.update(configuration)
            #expect(bucket.configuration.limitMarkerTimeToLive == .seconds(60))
            configuration = bucket.configuration
            configuration.limitMarkerTimeToLive = .seconds(90)
            bucket = try await rig.buckets.update(configuration)
            #expect(bucket.configuration.limitMarkerTimeToLive == .seconds(90))
            var off = bucket.configuration
            off.limitMarkerTimeToLive = nil
            off.stream["allow_msg_ttl"] = nil
            let fixed = off
            await #expect {
                try await rig.buckets.update(fixed)
            } throws: { error in
                let error = error as? KeyValueError
                return error?.code == .invalidOption && error?.text?.contains("10052") == true
                    && error?.text?.contains("limit-marker-ttl") == true
            }
        }
    }

    @Test(
        "48.91 where a key has a history its lifetime is at least that of markers, from 2.11 on",
        arguments: ServerBinary.all
    )
    func shortLifetimes(binary: ServerBinary) async throws {
        guard binary.isAtLeast("2.11") else { return }
        try await ManagementRig.run(binary) { rig in
            let bucket = KeyValueBucket(
                try await rig.create {
                    $0.history = 2
                    $0.limitMarkerTimeToLive = .seconds(3)
                }
            )
            let start = ContinuousClock.now
            try await bucket.create("k", "v", timeToLive: .seconds(1))
            try await eventually("the key to expire", timeout: .seconds(30)) { try await bucket.get("k") == nil }
            #expect(start.duration(to: .now) > .milliseconds(2500))
        }
    }

    @Test("48.92 markers on a mirror are refused before anything is sent", arguments: ServerBinary.all)
    func mirrors(binary: ServerBinary) async throws {
        try await ManagementRig.run(binary) { rig in
            try await rig.buckets.filled(try rig.other("origin"), [])
            await expect(.invalidOption) {
                _ = try await rig.create {
                    $0.mirror = BucketOrigin(try rig.other("origin"))
                    $0.limitMarkerTimeToLive = .seconds(1)
                }
            }
        }
    }
}
