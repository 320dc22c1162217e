import Testing

@testable import NATSProtocol

/// Reads like a transcript of one connection: what happens, what is done about it.
@Suite struct ConnectionMachineTests {
    static func info(_ change: (inout ServerInfo) -> Void = { _ in }) -> ServerInfo {
        var info = ServerInfo()
        change(&info)
        return info
    }

    static func ready(pings: Int = 2) -> ConnectionMachine {
        var machine = ConnectionMachine(security: .automatic, maximumPingsOutstanding: pings)
        _ = machine.event(.info(info()))
        _ = machine.event(.pong)
        return machine
    }

    @Test func shakesHands() {
        var machine = ConnectionMachine(security: .automatic, maximumPingsOutstanding: 2)
        let first = Self.info { $0.nonce = "abc" }
        let second = Self.info { $0.remoteAccount = "A" }
        #expect(machine.event(.info(first)) == [.authenticate(nonce: "abc")])
        #expect(machine.event(.info(second)) == [])
        #expect(!machine.isReady)
        #expect(machine.event(.pong) == [.established(second)])
        #expect(machine.isReady)
    }

    @Test(arguments: [
        (ConnectionMachine.Security.automatic, false, false, false), (.automatic, false, true, false),
        (.automatic, true, false, true), (.required, false, true, true), (.required, true, false, true),
    ])
    func encryptsWhenDemanded(
        security: ConnectionMachine.Security,
        required: Bool,
        available: Bool,
        encrypts: Bool
    ) {
        var machine = ConnectionMachine(security: security, maximumPingsOutstanding: 2)
        let info = Self.info {
            $0.tlsRequired = required
            $0.tlsAvailable = available
        }
        #expect(machine.event(.info(info)) == (encrypts ? [.startTLS] : []) + [.authenticate(nonce: nil)])
    }

    @Test func doesNotEncryptTwice() {
        var machine = ConnectionMachine(security: .first, maximumPingsOutstanding: 2)
        #expect(machine.event(.info(Self.info { $0.tlsRequired = true })) == [.authenticate(nonce: nil)])
    }

    @Test func refusesAServerWithoutTLS() {
        var machine = ConnectionMachine(security: .required, maximumPingsOutstanding: 2)
        #expect(machine.event(.info(Self.info())) == [.close, .ended(.tlsNotOffered, flushes: [])])
        #expect(machine.event(.closed(nil)) == [])
    }

    @Test func answersPingsAndFlushesInOrder() {
        var machine = Self.ready()
        #expect(machine.event(.ping) == [.sendPong])
        #expect(machine.event(.flush(id: 1)) == [.sendPing])
        #expect(machine.event(.tick(readingPaused: false)) == [.sendPing])
        #expect(machine.event(.flush(id: 2)) == [.sendPing])
        #expect(machine.event(.pong) == [.completeFlush(id: 1)])
        #expect(machine.event(.pong) == [])
        #expect(machine.event(.pong) == [.completeFlush(id: 2)])
        #expect(machine.event(.pong) == [])
    }

    @Test func leavesASilentServer() {
        var machine = Self.ready(pings: 2)
        #expect(machine.event(.flush(id: 9)) == [.sendPing])
        #expect(machine.event(.tick(readingPaused: false)) == [.sendPing])
        #expect(machine.event(.tick(readingPaused: false)) == [.sendPing])
        #expect(machine.event(.tick(readingPaused: false)) == [.close, .ended(.staleConnection, flushes: [9])])
    }

    @Test func anyByteCountsAsLife() {
        var machine = Self.ready(pings: 1)
        for _ in 0..<10 {
            machine.heard()
            #expect(machine.event(.tick(readingPaused: false)) == [.sendPing])
        }
    }

    @Test func aPauseOfReadingIsNoSilence() {
        var machine = Self.ready(pings: 1)
        for _ in 0..<10 { #expect(machine.event(.tick(readingPaused: true)) == [.sendPong]) }
        #expect(machine.event(.tick(readingPaused: false)) == [.sendPing])
        #expect(machine.event(.tick(readingPaused: false)) == [.close, .ended(.staleConnection, flushes: [])])
    }

    @Test(arguments: [
        ("authorization violation", ServerFault.authorizationViolation), ("Stale Connection", .staleConnection),
        ("User Authentication Expired", .authenticationExpired), ("Authentication Timeout", .authenticationTimeout),
        ("maximum connections exceeded", .maximumConnections), ("Maximum Payload Violation", .maximumPayload),
        ("Unknown Protocol Operation", .unknownOperation),
    ])
    func endsWhereTheServerCloses(text: String, fault: ServerFault) {
        var machine = Self.ready()
        #expect(machine.event(.serverError(text)) == [.close, .ended(.server(fault, text: text), flushes: [])])
    }

    @Test func staysWhereTheServerOnlyComplains() {
        var machine = Self.ready()
        let text = "Permissions Violation for Subscription to \"a.>\" using queue \"q\""
        #expect(
            machine.event(.serverError(text))
                == [.report(.subscriptionPermission(subject: "a.>", queue: "q"), text: text)]
        )
        let publish = "permissions violation for publish to \"a\"b\""
        #expect(machine.event(.serverError(publish)) == [.report(.publishPermission(subject: "a\"b"), text: publish)])
        #expect(machine.event(.serverError("Invalid Subject")) == [.report(.invalidSubject, text: "Invalid Subject")])
        #expect(machine.isReady)
    }

    @Test func tellsWhyTheHandshakeHangs() {
        var silent = ConnectionMachine(security: .automatic, maximumPingsOutstanding: 2)
        #expect(silent.event(.handshakeTimeout) == [.close, .ended(.noInfo, flushes: [])])
        var dumb = ConnectionMachine(security: .automatic, maximumPingsOutstanding: 2)
        _ = dumb.event(.info(Self.info()))
        #expect(dumb.event(.handshakeTimeout) == [.close, .ended(.noAnswerToConnect, flushes: [])])
        var fine = Self.ready()
        #expect(fine.event(.handshakeTimeout) == [])
    }

    @Test func anEndBeforeTheFirstWordIsSilence() {
        var machine = ConnectionMachine(security: .automatic, maximumPingsOutstanding: 2)
        #expect(machine.event(.closed(nil)) == [.close, .ended(.noInfo, flushes: [])])
    }

    @Test func remembersTheComplaintBeforeASilentEnd() {
        var machine = ConnectionMachine(security: .automatic, maximumPingsOutstanding: 2)
        _ = machine.event(.info(Self.info()))
        let text = "no responders requires headers support"
        #expect(machine.event(.serverError(text)) == [])
        #expect(machine.event(.closed(nil)) == [.close, .ended(.server(.other, text: text), flushes: [])])
    }

    @Test func reportsALameDuckAndTopology() {
        var machine = Self.ready()
        let changed = Self.info { $0.connectURLs = ["b:1"] }
        #expect(machine.event(.info(changed)) == [.infoChanged(changed)])
        let leaving = Self.info { $0.lameDuckMode = true }
        #expect(machine.event(.info(leaving)) == [.infoChanged(leaving), .lameDuck])
    }
}
