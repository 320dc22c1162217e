import KVModel
import NATSProtocol
import Replication
import Testing

@Suite("The way a restore takes, and why")
struct RestoreChoiceTests {
    private func choice(
        _ version: String,
        _ asked: RestoreOptions.Mode = .auto,
        storage: String = "file",
        action: RestorePlan.Action = .create,
        _ change: (inout RestoreChoice.Circumstances) -> Void = { _ in }
    ) throws -> RestoreChoice {
        var configuration = BucketConfiguration(name: try BucketName("b"))
        configuration.storage = storage
        var census = RestoreCensus()
        (census.entries, census.first, census.last, census.end) = (100, 1, 100, 100)
        var here = RestoreChoice.Circumstances(
            version: try #require(ServerVersion(version)),
            maximumPayload: 1 << 20,
            configuration: configuration,
            action: action,
            census: census
        )
        change(&here)
        return try RestoreChoice(asked, here)
    }

    @Test(
        "Each version takes the best way it has",
        arguments: [
            ("2.15.1", "file", RestoreChoice.Way.messageBlocks(fillsGaps: false)),
            ("2.10.26", "file", .messageBlocks(fillsGaps: false)),
            ("2.9.10", "file", .messageBlocks(fillsGaps: true)),
            ("2.8.4", "file", .replay),
            ("2.15.1", "memory", .entries),
            ("2.14.6", "memory", .promotedMirror),
            ("2.12.8", "memory", .promotedMirror),
            ("2.11.11", "memory", .replay),
            ("2.9.10", "memory", .replay),
        ]
    )
    func versions(version: String, storage: String, way: RestoreChoice.Way) throws {
        let found = try choice(version, storage: storage)
        #expect(found.way == way)
        #expect(found.reason.contains(version))
        #expect(try choice(version, .replay, storage: storage).way == .replay)
        guard way == .replay else {
            #expect(try choice(version, .exact, storage: storage) == found)
            return
        }
        #expect { try choice(version, .exact, storage: storage) } throws: { error in
            (error as? ReplicationError)?.code == .unsupported && "\(error)".contains(version)
        }
    }

    @Test("What the entries format would lose goes another way")
    func entries() throws {
        func memory(_ change: (inout RestoreChoice.Circumstances) -> Void) throws -> RestoreChoice.Way {
            try choice("2.15.1", storage: "memory", change).way
        }
        #expect(try memory { $0.census.largestMessage = 2 << 20 } == .promotedMirror)
        #expect(try memory { $0.census.malformedTTL = 7 } == .replay)
        #expect(try memory { $0.census.unheededTTL = 1 } == .promotedMirror)
    }

    @Test(
        "What cannot be exact says why",
        arguments: [
            (RestorePlan.Action.fill, "existing bucket"), (.resume, "unfinished replay"),
        ]
    )
    func actions(action: RestorePlan.Action, reason: String) throws {
        let found = try choice("2.15.1", action: action)
        #expect(found.way == .replay && found.reason.contains(reason))
        #expect(throws: ReplicationError.self) { try choice("2.15.1", .exact, action: action) }
    }

    @Test("Keys, sizes and settings that no restore keeps")
    func obstacles() throws {
        let changes: [(String, (inout RestoreChoice.Circumstances) -> Void)] = [
            ("a key", { $0.census.unstorableKey = "a key" }),
            ("32 MiB", { $0.census.largestRecord = 33 << 20 }),
            ("mirror", { $0.configuration.stream["mirror"] = ["name": "KV_a"] }),
            ("larger than servers", { $0.census.end = 1 << 62 }),
        ]
        for (reason, change) in changes {
            let found = try choice("2.15.1", .auto, change)
            #expect(found.way == .replay && found.reason.contains(reason))
            #expect(throws: ReplicationError.self) { try choice("2.15.1", .exact, change) }
        }
    }

    @Test("Gaps that would cost an old server too much speak for replay, unless exact is asked for")
    func gaps() throws {
        let change: (inout RestoreChoice.Circumstances) -> Void = { $0.census.end = 100_000_000 }
        #expect(try choice("2.9.10", .auto, change).way == .replay)
        #expect(try choice("2.9.10", .exact, change).way == .messageBlocks(fillsGaps: true))
        #expect(try choice("2.10.26", .auto, change).way == .messageBlocks(fillsGaps: false))
    }
}
