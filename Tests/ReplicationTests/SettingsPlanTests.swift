import KVModel
import NATSProtocol
import Replication
import TestSupport
import Testing

/// The plan without a server: a table of what it says, and its counts against a plain model.
@Suite("Plans of settings")
struct SettingsPlanTests {
    private struct Item {
        var key: String
        var time: Int64
        var ttl: Int64?
        var size: Int
    }

    private static let second: Int64 = 1_000_000_000

    private static func configuration(_ settings: [String]) throws -> BucketConfiguration {
        var configuration = BucketConfiguration(name: try BucketName("b"))
        for setting in settings { try configuration.set(setting) }
        return configuration
    }

    private static func summary(_ items: [Item], _ configuration: BucketConfiguration, now: Int64) -> StateSummary {
        var summary = StateSummary(under: configuration, asOf: Timestamp(nanoseconds: now))
        for (index, item) in items.enumerated() {
            let headers = item.ttl.map { Array("NATS/1.0\r\nNats-TTL: \($0)\r\n\r\n".utf8) } ?? []
            Array(item.key.utf8).withUnsafeBytes { key in
                headers.withUnsafeBytes { block in
                    summary.add(
                        EntryView(
                            revision: Revision(index + 1),
                            time: Timestamp(nanoseconds: item.time),
                            operation: .put,
                            key: key,
                            headers: block,
                            value: UnsafeRawBufferPointer(start: nil, count: 0)
                        ),
                        valueSize: item.size
                    )
                }
            }
        }
        return summary
    }

    private static func plan(
        _ items: [Item] = [],
        from old: [String] = [],
        to new: [String],
        target: SettingsPlan.Target = .itself,
        version: String = "2.15.1",
        method: SettingsPlan.Method = .exact,
        change: (inout BucketConfiguration) -> Void = { _ in }
    ) throws -> SettingsPlan {
        var wanted = try configuration(new)
        change(&wanted)
        return SettingsPlan(
            from: try configuration(old),
            to: wanted,
            state: summary(items, wanted, now: 1000 * second),
            server: ServerFacts(version: try #require(ServerVersion(version)), isClustered: false),
            target: target,
            writing: SettingsPlan.Writing(method, reason: "the server takes a restore request")
        )
    }

    @Test("What the server changes in place is updated, at once")
    func update() throws {
        let plan = try Self.plan(from: ["history=5"], to: ["history=9", "ttl=1h"])
        #expect(plan.method == .update)
        #expect(plan.settings.map(\.change.field) == ["max_age", "max_msgs_per_subject"])
        #expect(plan.settings.allSatisfy { $0.update == .inPlace })
        #expect(plan.estimate.pause == .zero)
        #expect(plan.losses.isEmpty && plan.refusals.isEmpty)
    }

    @Test("One setting that needs a new bucket is enough for one, and the plan says which")
    func recreation() throws {
        let plan = try Self.plan(from: ["history=5"], to: ["history=9", "storage=memory"])
        #expect(plan.method == .exact)
        #expect(plan.reason.contains("storage") && plan.reason.contains("restore request"))
        #expect(!plan.reason.contains("history"))
        #expect(try #require(plan.estimate.pause) > .zero)
        let restore = try Self.plan(from: [], to: ["storage=memory"], target: .new, method: .replay)
        #expect(restore.method == .replay)
        #expect(restore.reason == "the server takes a restore request")
        #expect(restore.estimate.pause == nil)
    }

    @Test("What no server of the version takes is a refusal")
    func refusal() throws {
        #expect(try Self.plan(to: ["replicas=3"]).refusals.map(\.change.field) == ["num_replicas"])
        #expect(try Self.plan(to: ["replicas=3"], version: "2.10.26").refusals.isEmpty)
        let batched = try Self.plan(to: [], version: "2.12.8") { $0.stream["allow_batched"] = true }
        #expect(batched.refusals.map(\.change.field) == ["allow_batched"])
    }

    @Test("What is lost is counted, with examples")
    func losses() throws {
        let items = [
            Item(key: "old", time: 10 * Self.second, size: 10), Item(key: "a", time: 900 * Self.second, size: 10),
            Item(key: "a", time: 901 * Self.second, size: 2000), Item(key: "b", time: 902 * Self.second, size: 10),
            Item(key: "a", time: 903 * Self.second, size: 10),
            Item(key: "a", time: 904 * Self.second, ttl: 500, size: 9),
        ]
        let plan = try Self.plan(items, from: ["history=5"], to: ["history=2", "ttl=10m", "max-value-size=1KiB"])
        let losses = Dictionary(uniqueKeysWithValues: plan.losses.map { ($0.field, $0) })
        let history = try #require(losses["max_msgs_per_subject"])
        #expect(history.effect == .dropped && history.part.entries == 2)
        #expect(history.part.examples.map(\.key) == ["a"] && history.part.examples[0].entries == 2)
        let size = try #require(losses["max_msg_size"])
        #expect(size.effect == .kept && size.part.entries == 1 && size.part.bytes == 2000)
        #expect(size.part.examples.map(\.revision) == [3])
        let expired = try #require(losses["max_age"])
        #expect(expired.effect == .expired && expired.part.examples.map(\.key) == ["old"])
        #expect(try #require(losses["allow_msg_ttl"]).part.examples.map(\.revision) == [6])
        let replay = try Self.plan(items, to: ["max-value-size=1KiB", "storage=memory"], method: .replay)
        #expect(replay.losses.first { $0.field == "max_msg_size" }?.effect == .refused)
    }

    @Test("Counts agree with a plain model", arguments: 0..<60)
    func plainModel(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let now = 10_000 * Self.second
        let items = (0..<Int.random(in: 0..<400, using: &random)).map { index in
            Item(
                key: "k\(Int.random(in: 0..<20, using: &random))",
                time: Int64(index) * 20 * Self.second,
                ttl: random.chance(1, in: 8) ? Int64.random(in: 1...9000, using: &random) : nil,
                size: Int.random(in: 0..<3000, using: &random)
            )
        }
        var configuration = BucketConfiguration(name: try BucketName("b"))
        configuration.history = Int64.random(in: 1...20, using: &random)
        configuration.storage = random.chance(1, in: 2) ? "file" : "memory"
        if random.chance(1, in: 2) { configuration.ttl = Int64.random(in: 1...9000, using: &random) * Self.second }
        if random.chance(1, in: 2) { configuration.maximumValueSize = Int64.random(in: 1...3000, using: &random) }
        if random.chance(2, in: 3) { configuration.maximumBytes = Int64.random(in: 1...400_000, using: &random) }
        if random.chance(1, in: 2) { configuration.stream["allow_msg_ttl"] = true }
        let summary = Self.summary(items, configuration, now: now)

        func headers(_ item: Item) -> Int { item.ttl.map { "NATS/1.0\r\nNats-TTL: \($0)\r\n\r\n".utf8.count } ?? 0 }
        func isExpired(_ item: Item) -> Bool {
            let age = now - item.time
            if configuration.ttl > 0, age >= configuration.ttl { return true }
            guard let ttl = item.ttl, configuration.allowsEntryTTL else { return false }
            return age >= ttl * Self.second
        }
        func stored(_ item: Item) -> Int {
            let block = headers(item)
            let overhead = configuration.storage == "memory" ? 16 : 30 + (block > 0 ? 4 : 0)
            return overhead + "$KV.b.".count + item.key.count + block + item.size
        }
        let live = items.filter { !isExpired($0) }
        #expect(summary.entries == UInt64(items.count))
        #expect(summary.expired.entries == UInt64(items.count - live.count))
        let byKey = Dictionary(grouping: live, by: \.key).mapValues { Int64($0.count) }
        let beyond = byKey.values.reduce(0) { $0 + max(0, $1 - configuration.history) }
        #expect(summary.beyondHistory.entries == UInt64(beyond))
        for example in summary.beyondHistory.examples {
            #expect(Int64(example.entries) == (byKey[example.key.description] ?? 0) - configuration.history)
        }
        let limit = configuration.maximumValueSize
        #expect(summary.aboveValueSize.entries == UInt64(live.count { limit >= 0 && headers($0) + $0.size > limit }))
        let withoutOwnTTL = configuration.allowsEntryTTL ? 0 : live.count { $0.ttl != nil }
        #expect(summary.withoutOwnTTL.entries == UInt64(withoutOwnTTL))
        let room = configuration.maximumBytes
        guard room >= 0 else {
            return #expect(summary.oldestBeyondSize.entries + summary.newestBeyondSize.entries == 0)
        }
        var total = 0
        #expect(
            summary.newestBeyondSize.entries
                == UInt64(
                    live.count { item in
                        total += stored(item)
                        return total > room
                    }
                )
        )
        #expect(summary.storedBytes == UInt64(total))
        var rest = live[...]
        while let oldest = rest.first, total > room {
            total -= stored(oldest)
            rest = rest.dropFirst()
        }
        #expect(summary.oldestBeyondSize.entries == UInt64(live.count - rest.count))
        #expect(
            summary.oldestBeyondSize.examples.map(\.key.description)
                == live.prefix(live.count - rest.count).prefix(5).map(\.key)
        )
    }
}
