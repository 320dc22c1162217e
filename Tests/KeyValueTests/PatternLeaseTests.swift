import KVModel
import NATSProtocol
import Testing

@testable import KeyValue

@Suite("When leases are renewed, lost and waited for")
struct PatternLeaseTests {
    private let start = ContinuousClock.now

    private func at(_ seconds: Double) -> ContinuousClock.Instant { start + .seconds(seconds) }

    @Test("A lease is renewed after a third of its time and over after five sixths")
    func steps() {
        let timer = LeaseTimer(lease: .seconds(12), askedAt: start)
        #expect(timer.step(at: at(0)) == .wait(until: at(4)))
        #expect(timer.step(at: at(3.9)) == .wait(until: at(4)))
        #expect(timer.step(at: at(4)) == .renew)
        #expect(timer.step(at: at(9.9)) == .renew)
        #expect(timer.step(at: at(10)) == .over)
        #expect(timer.isValid(at: at(9.999)))
        #expect(!timer.isValid(at: at(10)))
    }

    @Test("A renewal counts from when it was asked for, and not at all when the lease is over")
    func renewals() {
        var timer = LeaseTimer(lease: .seconds(12), askedAt: start)
        let isTaken1 = timer.renewed(askedAt: at(4), at: at(7))
        #expect(isTaken1)
        #expect(timer.validUntil == at(14))
        #expect(timer.step(at: at(7)) == .wait(until: at(8)))
        // An answer that was overtaken takes nothing away.
        let isTaken2 = timer.renewed(askedAt: at(2), at: at(8))
        #expect(isTaken2)
        #expect(timer.validUntil == at(14))
        let isTaken3 = timer.renewed(askedAt: at(13.9), at: at(14))
        #expect(!isTaken3)
        #expect(timer.step(at: at(14)) == .over)
    }

    @Test("A renewal that failed is tried again soon, and never beyond the end")
    func failures() {
        var timer = LeaseTimer(lease: .seconds(30), askedAt: start)
        timer.failed(at: at(10), random: 0)
        #expect(timer.step(at: at(10)) == .wait(until: at(11)))
        timer.failed(at: at(11), random: 0.5)
        #expect(timer.step(at: at(11)) == .wait(until: at(12.5)))
        timer.failed(at: at(24.5), random: 7)
        #expect(timer.step(at: at(24.5)) == .wait(until: at(25)))
        #expect(timer.step(at: at(25)) == .over)
    }

    @Test("A clock that jumps ends a lease, one that stands does not prolong it")
    func jumps() {
        var timer = LeaseTimer(lease: .seconds(6), askedAt: start)
        #expect(timer.step(at: at(86_400)) == .over)
        let isTaken4 = timer.renewed(askedAt: at(2), at: at(86_400))
        #expect(!isTaken4)
        #expect(timer.validUntil == at(5))
    }

    @Test(
        "Waits grow to a limit, and chance shortens them",
        arguments: [
            (0, 1.0, 0.0), (1, 1.0, 10.0), (1, 0.5, 5.0), (2, 1.0, 20.0), (3, 1.0, 40.0), (4, 1.0, 50.0),
            (400, 1.0, 50.0), (400, 0.0, 0.0), (3, 9.0, 40.0), (3, -1.0, 0.0),
        ]
    )
    func backoff(failures: Int, random: Double, milliseconds: Double) {
        let backoff = Backoff(first: .milliseconds(10), most: .milliseconds(50))
        #expect(backoff.delay(after: failures, random: random) == .milliseconds(milliseconds))
    }

    /// A bucket's settings and a server, and what they make of a lease of 1.5 s.
    struct Terms: Sendable, CustomTestStringConvertible {
        var version = "2.15.1"
        var milliseconds: Int64 = 0
        var history: Int64 = 1
        var marker = false
        var replicas: Int64 = 1
        var isMirror = false
        var expected: Outcome

        enum Outcome: Sendable, Equatable {
            case kept(LeaseTerms.Expiry, Duration)
            case refused(KeyValueError.Code, saying: String)
        }

        var testDescription: String { "\(version) ttl \(milliseconds) history \(history) marker \(marker)" }
    }

    @Test(
        "A bucket keeps leases by its entries' lifetimes, by its TTL, or not at all",
        arguments: [
            Terms(marker: true, expected: .kept(.entry, .seconds(2))),
            Terms(version: "2.11.0", marker: true, expected: .kept(.entry, .seconds(2))),
            Terms(milliseconds: 60_000, marker: true, expected: .kept(.entry, .seconds(2))),
            Terms(milliseconds: 1_700, marker: true, expected: .kept(.entry, .milliseconds(1_700))),
            Terms(milliseconds: 1_400, marker: true, expected: .refused(.invalidOption, saying: "shorter")),
            Terms(milliseconds: 60_000, expected: .kept(.bucket, .seconds(60))),
            Terms(milliseconds: 60_000, history: 5, marker: true, expected: .kept(.bucket, .seconds(60))),
            Terms(version: "2.9.10", milliseconds: 1_500, expected: .kept(.bucket, .milliseconds(1_500))),
            Terms(version: "2.10.26", milliseconds: 9_000, marker: true, expected: .kept(.bucket, .seconds(9))),
            Terms(expected: .refused(.unsupported, saying: "limit-marker-ttl")),
            Terms(version: "2.10.26", marker: true, expected: .refused(.unsupported, saying: "2.10.26")),
            Terms(history: 5, marker: true, expected: .refused(.unsupported, saying: "history of 1")),
            Terms(marker: true, isMirror: true, expected: .refused(.unsupported, saying: "mirror")),
            Terms(
                version: "2.9.20",
                milliseconds: 9_000,
                replicas: 3,
                expected: .refused(.unsupported, saying: "2.9.21")
            ),
            Terms(version: "2.9.21", milliseconds: 9_000, replicas: 3, expected: .kept(.bucket, .seconds(9))),
        ]
    )
    func terms(_ given: Terms) throws {
        var configuration = BucketConfiguration(name: try BucketName("leases"))
        configuration.ttl = given.milliseconds * 1_000_000
        configuration.history = given.history
        configuration.replicas = given.replicas
        if given.marker { configuration.limitMarkerTTL = 3_600_000_000_000 }
        if given.isMirror { configuration.stream["mirror"] = ["name": "KV_other"] }
        let version = try #require(ServerVersion(given.version))
        switch given.expected {
        case .kept(let expiry, let kept):
            let terms = try LeaseTerms(lease: .milliseconds(1_500), configuration: configuration, version: version)
            #expect(terms.expiry == expiry)
            #expect(terms.kept == kept)
        case .refused(let code, let words):
            let error = try #require(throws: KeyValueError.self) {
                try LeaseTerms(lease: .milliseconds(1_500), configuration: configuration, version: version)
            }
            #expect(error.code == code)
            #expect(error.description.contains(words), "\(error)")
        }
    }

    @Test("Leases below a second, and endless ones, are refused", arguments: [-5.0, 0, 0.999, 1e9, 1e17])
    func impossible(seconds: Double) throws {
        var configuration = BucketConfiguration(name: try BucketName("leases"))
        configuration.ttl = .max
        let fixed = configuration
        let error = try #require(throws: KeyValueError.self) {
            try LeaseTerms(
                lease: .seconds(seconds),
                configuration: fixed,
                version: ServerVersion(major: 2, minor: 15, patch: 1)
            )
        }
        #expect(error.code == .invalidOption)
    }

    @Test("The age of an entry is never more than it can be, however clocks differ")
    func ages() throws {
        var configuration = BucketConfiguration(name: try BucketName("leases"))
        configuration.ttl = 10_000_000_000
        let terms = try LeaseTerms(
            lease: .seconds(10),
            configuration: configuration,
            version: ServerVersion(major: 2, minor: 9, patch: 10)
        )
        let created = Timestamp(nanoseconds: 1_000_000_000_000)
        #expect(terms.age(of: created, at: created.adding(nanoseconds: 4_000_000_000)) == .seconds(4))
        #expect(terms.age(of: created, at: created.adding(nanoseconds: -4_000_000_000)) == .zero)
        #expect(terms.age(of: created, at: created.adding(nanoseconds: 86_400_000_000_000)) == .seconds(10))
        #expect(terms.age(of: Timestamp(nanoseconds: .min), at: Timestamp(nanoseconds: .max)) == .zero)
    }

    @Test("A waiter tries when the lease it saw should be over, and then again and again")
    func turns() {
        var turn = LockTurn(kept: .seconds(10), at: start)
        #expect(!turn.isDue(at: at(9.9)))
        turn.saw(age: .seconds(6), at: at(1))
        #expect(!turn.isDue(at: at(4.9)))
        #expect(turn.isDue(at: at(5)))
        turn.tried(at: at(5))
        #expect(!turn.isDue(at: at(5.4)))
        #expect(turn.isDue(at: at(5.5)))
        // It was renewed.
        turn.saw(age: .zero, at: at(5.5))
        #expect(!turn.isDue(at: at(15)))
        turn.tried(at: at(6))
        #expect(!turn.isDue(at: at(15)))
        #expect(turn.isDue(at: at(15.5)))
        #expect(LockTurn(kept: .seconds(1), at: start).interval == .milliseconds(50))
        #expect(LockTurn(kept: .seconds(600), at: start).interval == .seconds(1))
    }

    @Test("Instances are asked for when nothing was heard of them, and dropped only by the answer")
    func instances() throws {
        let one = try ServiceInstance(service: "web", id: "one", address: "a")
        let two = try ServiceInstance(service: "web", id: "two", address: "b")
        var table = InstanceTable(kept: .seconds(10))
        table.saw(one.key, 1, one, age: .seconds(4), at: start)
        table.saw(two.key, 2, two, age: .zero, at: start)
        #expect(table.instances == [one, two])
        let due5 = table.due(at: at(5.9))
        #expect(due5.isEmpty)
        let due6 = table.due(at: at(6))
        #expect(due6.map(\.revision) == [1])
        let due7 = table.due(at: at(6.4))
        #expect(due7.isEmpty)
        let due8 = table.due(at: at(6.5))
        #expect(due8.map(\.key) == [one.key])
        #expect(table.instances == [one, two])
        // It was renewed while the answer was on its way.
        table.saw(one.key, 3, one, age: .zero, at: at(7))
        table.isGone(one.key, 1)
        #expect(table.instances == [one, two])
        table.isGone(one.key, 3)
        #expect(table.instances == [two])
        table.saw(two.key, 4, nil, age: .zero, at: at(8))
        #expect(table.instances.isEmpty)
        let due9 = table.due(at: at(100))
        #expect(due9.isEmpty)
    }

    @Test("Names of services and instances that make no key are refused")
    func names() throws {
        for (service, id) in [("", "a"), ("a.", "b"), ("a b", "c"), ("a", "b.c"), ("a", ""), ("a.*", "b"), ("a", ">")] {
            let error = try #require(throws: KeyValueError.self) {
                try ServiceInstance(service: service, id: id, address: "")
            }
            #expect(error.code == .invalidKey, "\(service) \(id)")
        }
        #expect(try ServiceInstance(service: "billing.eu", id: "a", address: "").key == "billing.eu.a")
        #expect(ServiceInstance.randomID() != ServiceInstance.randomID())
    }
}
