import NIOCore
import Testing

@testable import NATSProtocol

@Suite struct ServerPoolTests {
    static let policy = ReconnectPolicy(wait: .seconds(1), maximumWait: .seconds(3), jitter: 0)

    static func pool(_ names: String, _ policy: ReconnectPolicy = policy) throws -> ServerPool {
        ServerPool(servers: try ServerAddress.list(names), policy: policy)
    }

    static func said(_ step: ServerPool.Step) -> String {
        switch step {
        case .dial(let server, let delay): "\(server.host) after \(delay)"
        case .giveUp: "give up"
        }
    }

    @Test func triesEveryServerThenBacksOff() throws {
        var pool = try Self.pool("a,b,a")
        var said: [String] = []
        for attempt in 0..<8 {
            said.append(Self.said(pool.next(random: 0)))
            pool.failed(refused: false)
            #expect(pool.hasTriedAll == (attempt >= 1))
        }
        let zero = Duration.zero
        #expect(
            said == [
                "a after \(zero)", "b after \(zero)", "a after \(Duration.seconds(1))", "b after \(zero)",
                "a after \(Duration.seconds(2))", "b after \(zero)", "a after \(Duration.seconds(3))",
                "b after \(zero)",
            ]
        )
    }

    @Test func chanceShortensAWait() {
        let policy = ReconnectPolicy(wait: .seconds(1), maximumWait: .seconds(8), jitter: 0.5)
        #expect(policy.delay(afterRound: 0, random: 0) == .zero)
        #expect(policy.delay(afterRound: 3, random: 0) == .seconds(4))
        #expect(policy.delay(afterRound: 3, random: 1) == .seconds(2))
        #expect(policy.delay(afterRound: 1_000_000, random: 0) == .seconds(8))
    }

    @Test func goesElsewhereFirstAfterALoss() throws {
        var pool = try Self.pool("a,b")
        _ = pool.next(random: 0)
        pool.connected()
        pool.discovered(["c:4222", "b:4222", "not an address:x:y"])
        #expect(pool.servers.map(\.host) == ["a", "b", "c"])
        pool.lost()
        var hosts: [String] = []
        for _ in 0..<3 {
            if case .dial(let server, .zero) = pool.next(random: 0) { hosts.append(server.host) }
            pool.failed(refused: false)
        }
        #expect(hosts == ["b", "c", "a"])
    }

    @Test func forgetsDiscoveredServersThatAreGone() throws {
        var pool = try Self.pool("a")
        _ = pool.next(random: 0)
        pool.connected()
        pool.discovered(["10.0.0.1:4222", "c:1"])
        #expect(pool.servers.first { $0.isNumeric }?.certificateName == "a")
        pool.discovered(["d:1"])
        #expect(pool.servers.map(\.host) == ["a", "d"])
    }

    @Test func givesUpWhenTold() throws {
        var never = try Self.pool("a", .init(attempts: .rounds(0)))
        #expect(Self.said(never.next(random: 0)) != "give up")
        never.connected()
        never.lost()
        #expect(never.next(random: 0) == .giveUp)

        var twice = try Self.pool("a", .init(attempts: .rounds(2)))
        for _ in 0..<2 {
            #expect(twice.next(random: 0) != .giveUp)
            twice.failed(refused: false)
        }
        #expect(twice.next(random: 0) == .giveUp)
    }

    @Test func asksNoMoreWhereItIsRefused() throws {
        var pool = try Self.pool("a")
        for _ in 0..<2 {
            #expect(pool.next(random: 0) != .giveUp)
            pool.failed(refused: true)
        }
        #expect(pool.next(random: 0) == .giveUp)
    }

    @Test func leavesALameDuckOnlyForAnother() throws {
        var alone = try Self.pool("a")
        _ = alone.next(random: 0)
        alone.connected()
        #expect(alone.lameDuck() == false)
        alone.discovered(["b:1"])
        #expect(alone.lameDuck() == true)
    }

    @Test func resubscribesInOrder() {
        var table = SubscriptionTable<Int>()
        for subject in ["a", "b.>", "c"] {
            _ = table.add(subject: subject, queue: subject == "c" ? "q" : nil) { Int($0) }
        }
        table.remove(1)
        #expect(String(buffer: table.resubscription()) == "SUB b.> 2\r\nSUB c q 3\r\n")
        #expect(table.refuse(subject: "c", queue: nil).isEmpty)
        #expect(table.refuse(subject: "c", queue: "q").map(\.sid) == [3])
        #expect(table.sink(2) == 2)
    }
}
