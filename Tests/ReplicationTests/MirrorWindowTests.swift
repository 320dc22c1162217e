import KVModel
import TestSupport
import Testing

@testable import Replication

/// What a mirror writes when, without a server.
@Suite("The window of a mirror")
struct MirrorWindowTests {
    private typealias Window = MirrorWindow<Int>

    /// A window that expectations may change.
    private final class Driver {
        var window: Window

        init(after revision: Revision, history: Int?) {
            window = Window(after: revision, history: history)
        }

        func nextWrite() -> Window.Write? { window.nextWrite() }
        func nextLook() -> Window.Look? { window.nextLook() }
        func release() -> Int { window.release() }
        func stored(_ write: Window.Write, at sequence: UInt64) { window.stored(write, at: sequence) }
        func contested(_ write: Window.Write, sequence: UInt64) { window.contested(write, sequence: sequence) }
        func found(_ key: KeyDigest, _ head: KnownHead) { window.found(key, head) }
        func add(_ items: [Window.Item], through revision: Revision) -> Int {
            window.add(1, bytes: 10, items, through: revision)
        }
    }

    private static func digest(_ key: String) -> KeyDigest {
        Array(key.utf8).withUnsafeBytes { KeyDigest($0) }
    }

    private static func item(_ key: String, _ revision: Revision, isRollup: Bool = false) -> Window.Item {
        Window.Item(
            index: 0,
            key: digest(key),
            revision: revision,
            time: Timestamp(nanoseconds: Int64(revision)),
            isRollup: isRollup
        )
    }

    @Test("A key has one write on its way, and the next expects what was acknowledged")
    func lanes() throws {
        let window = Driver(after: 0, history: nil)
        window.window.presumesAbsent = true
        #expect(window.add([Self.item("a", 1), Self.item("a", 2), Self.item("b", 3)], through: 3) == 0)
        let first = try #require(window.nextWrite())
        let second = try #require(window.nextWrite())
        #expect(first.item.revision == 1 && first.expected == 0)
        #expect(second.item.revision == 3 && second.expected == 0)
        #expect(window.nextWrite() == nil && window.window.resumeRevision == 0 && window.window.oldest?.revision == 1)
        window.stored(second, at: 70)
        #expect(window.window.resumeRevision == 0 && window.release() == 0)
        window.stored(first, at: 71)
        #expect(window.window.resumeRevision == 1)
        let third = try #require(window.nextWrite())
        #expect(third.item.revision == 2 && third.expected == 71)
        window.stored(third, at: 72)
        #expect(window.window.isEmpty && window.window.resumeRevision == 3 && window.release() == 10)
        // What is known is used again.
        #expect(window.add([Self.item("b", 4)], through: 9) == 0)
        #expect(window.nextLook() == nil && window.nextWrite()?.expected == 70)
    }

    @Test("What nobody knows is looked up, and what the target has is passed over")
    func looking() throws {
        let window = Driver(after: 5, history: nil)
        _ = window.add([Self.item("a", 6), Self.item("a", 7), Self.item("a", 8)], through: 8)
        #expect(window.nextWrite() == nil)
        let look = try #require(window.nextLook())
        #expect(window.nextLook() == nil)
        window.found(look.key, KnownHead(sequence: 40, revision: 6))
        let write = try #require(window.nextWrite())
        #expect(write.item.revision == 7 && write.expected == 40 && window.window.skipped == 1)
        window.contested(write, sequence: 41)
        #expect(window.nextWrite() == nil)
        #expect(window.nextLook()?.sequence == 41)
        window.found(look.key, KnownHead(sequence: 41, revision: 7))
        #expect(window.nextWrite()?.item.revision == 8)
        #expect(window.window.skipped == 2)
        // An answer to what is not on its way any more changes nothing.
        window.stored(write, at: 50)
        #expect(window.window.resumeRevision == 7)
    }

    @Test("What the target's history would push out at once is left out, and what a purge drops")
    func superseding() throws {
        let window = Driver(after: 0, history: 2)
        window.window.presumesAbsent = true
        _ = window.add([Self.item("a", 1)], through: 1)
        let first = try #require(window.nextWrite())
        _ = window.add((2...6).map { Self.item("a", $0) }, through: 6)
        #expect(window.window.superseded == 3)
        window.stored(first, at: 1)
        #expect(window.window.resumeRevision == 4 && window.nextWrite()?.item.revision == 5)
        _ = window.add([Self.item("a", 7, isRollup: true)], through: 7)
        #expect(window.window.superseded == 4)
    }

    /// What a server does with writes that expect something, and with copies.
    private struct Server {
        struct Entry { var sequence: UInt64, revision: Revision }
        var keys: [KeyDigest: [Entry]] = [:]
        var names: Set<String> = []
        var last: UInt64 = 0
        /// Whether copies are known: within the duplicate window.
        var knowsCopies: Bool

        enum Answer {
            case stored(UInt64)
            case duplicate, refused
        }

        mutating func take(_ write: Window.Write) -> Answer {
            let name = String(repeating: "0", count: write.copies) + "\(write.item.revision)"
            if knowsCopies, names.contains(name) { return .duplicate }
            guard keys[write.key]?.last?.sequence ?? 0 == write.expected else { return .refused }
            last += 1
            names.insert(name)
            keys[write.key, default: []].append(Entry(sequence: last, revision: write.item.revision))
            return .stored(last)
        }
    }

    @Test(
        "Runs that overlap, lose answers and come back late write every entry once and in order",
        arguments: Array(0..<(isLongRun ? 2000 : 60))
    )
    func overlapping(seed: Int) throws {
        var random = SeededGenerator(seed: UInt64(seed))
        let names = (0..<6).map { "key\($0)" }
        let log = (1...120).map { Self.item(names[Int.random(in: 0..<6, using: &random)], Revision($0)) }
        var server = Server(knowsCopies: random.chance(1, in: 2))
        var runs = (0..<3).map { _ in Window(after: 0, history: nil, heads: KnownHeads(limit: 4)) }
        var read = [0, 0, 0]
        /// Writes that have been sent and not stored, of any run, alive or given up.
        var late: [(run: Int, write: Window.Write, isAwaited: Bool)] = []
        for index in runs.indices { runs[index].presumesAbsent = random.chance(1, in: 2) }
        var steps = 0
        while runs.contains(where: { !$0.isEmpty }) || read.contains(where: { $0 < log.count }) || !late.isEmpty {
            steps += 1
            try #require(steps < 200_000, "it comes to no end")
            let run = Int.random(in: 0..<3, using: &random)
            switch Int.random(in: 0..<10, using: &random) {
            case 0 where read[run] < log.count:
                let end = min(log.count, read[run] + Int.random(in: 1...9, using: &random))
                _ = runs[run].add(1, bytes: 1, Array(log[read[run]..<end]), through: Revision(end))
                read[run] = end
            case 1:
                _ = runs[run].resume()
            case 2, 3:
                guard let look = runs[run].nextLook() else { continue }
                guard !random.chance(1, in: 8) else {
                    runs[run].notFound(look.key)
                    continue
                }
                let newest = server.keys[look.key]?.last
                runs[run].found(
                    look.key,
                    newest.map { KnownHead(sequence: $0.sequence, revision: $0.revision) } ?? .absent
                )
            case 4, 5, 6:
                guard let write = runs[run].nextWrite() else { continue }
                late.append((run, write, true))
            default:
                guard !late.isEmpty else { continue }
                let place = Int.random(in: 0..<late.count, using: &random)
                if late[place].isAwaited, random.chance(1, in: 6) {
                    // No answer comes, and the write may still be stored at any time.
                    runs[late[place].run].contested(late[place].write, later: random.chance(1, in: 2))
                    late[place].isAwaited = false
                    continue
                }
                let (run, write, isAwaited) = late.remove(at: place)
                let answer = server.take(write)
                guard isAwaited, !random.chance(1, in: 10) else {
                    if isAwaited { runs[run].contested(write, later: true) }
                    continue
                }
                switch answer {
                case .stored(let sequence): runs[run].stored(write, at: sequence)
                case .duplicate: runs[run].contested(write, isCopy: true)
                case .refused: runs[run].contested(write)
                }
            }
            for index in runs.indices { _ = runs[index].release() }
        }
        for name in names {
            let key = Self.digest(name)
            let expected = log.filter { $0.key == key }.map(\.revision)
            #expect(server.keys[key, default: []].map(\.revision) == expected, "seed \(seed)")
        }
        #expect(runs.allSatisfy { $0.resumeRevision == 120 })
    }

    @Test("What is known of keys stays within its bounds, the newest longest")
    func bounds() {
        var heads = KnownHeads(limit: 100)
        for index in 0..<1000 { heads[Self.digest("\(index)")] = KnownHead(sequence: UInt64(index), revision: 1) }
        #expect(heads.count <= 100 && heads.hasForgotten)
        let (newest, oldest) = (heads[Self.digest("999")], heads[Self.digest("1")])
        #expect(newest?.sequence == 999 && oldest == nil)
    }
}
