import NATSProtocol
import NIOCore
import Testing

@testable import JetStream

/// Each test reads like a transcript: what the server sends, and what the machine makes of it.
@Suite("The ordered consumer's machine")
struct OrderedConsumerMachineTests {
    /// A delivery with this stream and consumer sequence.
    private func message(_ stream: UInt64, _ consumer: UInt64, pending: UInt64 = 0) -> String {
        let reply = "$JS.ACK.KV_a.c1.1.\(stream).\(consumer).1700000000000000000.\(pending)"
        return "MSG $KV.a.k 1 \(reply) 2\r\nhi\r\n"
    }

    private func control(_ text: String, reply: String? = nil) -> String {
        let block = "NATS/1.0 100 \(text)\r\n\r\n"
        return "HMSG inbox 1 \(reply.map { $0 + " " } ?? "")\(block.utf8.count) \(block.utf8.count)\r\n\(block)\r\n"
    }

    private func receive(
        _ machine: inout OrderedConsumerMachine,
        _ wire: [String]
    ) throws -> OrderedConsumerMachine.Outcome {
        var parser = FrameParser()
        var elements: [FrameParser.Element] = []
        try parser.parse(ByteBuffer(string: wire.joined()), into: &elements)
        guard case .messages(let batch) = try #require(elements.first), elements.count == 1 else {
            throw ParseFailure()
        }
        return machine.receive(batch)
    }

    private struct ParseFailure: Error {}

    @Test("Messages in order are handed on")
    func inOrder() throws {
        var machine = OrderedConsumerMachine(after: 0)
        let outcome = try receive(&machine, [message(5, 1, pending: 2), message(9, 2, pending: 1), message(10, 3)])
        #expect(outcome.deliveries.map(\.metadata.streamSequence) == [5, 9, 10])
        #expect(outcome.deliveries.map(\.metadata.pending) == [2, 1, 0])
        #expect(outcome.deliveries.map(\.index) == [0, 1, 2])
        #expect(outcome.restart == nil)
        #expect(machine.lastStreamSequence == 10)
    }

    @Test("A gap ends the batch at the last message in order")
    func gap() throws {
        var machine = OrderedConsumerMachine(after: 0)
        let outcome = try receive(&machine, [message(5, 1), message(7, 3), message(8, 4)])
        #expect(outcome.deliveries.map(\.metadata.streamSequence) == [5])
        #expect(outcome.restart == .gap(expected: 2, seen: 3))
        machine.restarted()
        let after = try receive(&machine, [message(6, 1), message(7, 2)])
        #expect(after.deliveries.map(\.metadata.streamSequence) == [6, 7])
        #expect(after.restart == nil)
    }

    @Test("A message that comes again is not handed on, and calls for a new consumer")
    func repetition() throws {
        var machine = OrderedConsumerMachine(after: 0)
        let outcome = try receive(&machine, [message(5, 1), message(5, 2), message(6, 3)])
        #expect(outcome.deliveries.map(\.metadata.streamSequence) == [5])
        #expect(outcome.restart == .repeated(sequence: 5))
        var unordered = OrderedConsumerMachine(after: 0, isAscending: false)
        #expect(try receive(&unordered, [message(5, 1), message(3, 2)]).deliveries.count == 2)
    }

    @Test("A new consumer that begins before the last message is heard from behind it")
    func choosingAnew() throws {
        var machine = OrderedConsumerMachine(after: 0)
        _ = try receive(&machine, [message(2, 1), message(4, 2)])
        machine.restarted(repeats: true)
        let outcome = try receive(&machine, [message(2, 1), message(4, 2), message(7, 3), message(9, 4)])
        #expect(outcome.deliveries.map(\.metadata.streamSequence) == [7, 9])
        #expect(outcome.restart == nil)
    }

    @Test("Flow control is collected, to be answered after use")
    func flowControl() throws {
        var machine = OrderedConsumerMachine(after: 0)
        let outcome = try receive(
            &machine,
            [message(1, 1), control("FlowControl Request", reply: "$JS.FC.KV_a.c1.x"), message(2, 2)]
        )
        #expect(outcome.flowControl == ["$JS.FC.KV_a.c1.x"])
        #expect(outcome.deliveries.map(\.index) == [0, 2])
    }

    @Test("A heartbeat that agrees changes nothing")
    func heartbeat() throws {
        var machine = OrderedConsumerMachine(after: 0)
        _ = try receive(&machine, [message(1, 1)])
        let beat = control("Idle Heartbeat\r\nNats-Last-Consumer: 1\r\nNats-Last-Stream: 1")
        #expect(try receive(&machine, [beat]) == .init())
    }

    @Test("A heartbeat that speaks of deliveries never seen is a gap", arguments: [0, 2])
    func heartbeatAhead(last: UInt64) throws {
        var machine = OrderedConsumerMachine(after: 0)
        _ = try receive(&machine, [message(1, 1)])
        let beat = control("Idle Heartbeat\r\nNats-Last-Consumer: \(last)\r\nNats-Last-Stream: 9")
        #expect(try receive(&machine, [beat]).restart == .gap(expected: 1, seen: last))
    }

    @Test("A stalled consumer is answered")
    func stalled() throws {
        var machine = OrderedConsumerMachine(after: 0)
        let beat = control("Idle Heartbeat\r\nNats-Last-Consumer: 0\r\nNats-Consumer-Stalled: $JS.FC.x")
        #expect(try receive(&machine, [beat]).flowControl == ["$JS.FC.x"])
    }

    @Test("Any other status ends the consumer")
    func ended() throws {
        var machine = OrderedConsumerMachine(after: 0)
        let block = "NATS/1.0 409 Consumer Deleted\r\n\r\n"
        let wire = "HMSG inbox 1 \(block.utf8.count) \(block.utf8.count)\r\n\(block)\r\n"
        #expect(try receive(&machine, [message(1, 1), wire]).restart == .ended(status: 409))
    }

    @Test("A message without metadata is passed over")
    func foreign() throws {
        var machine = OrderedConsumerMachine(after: 0)
        #expect(try receive(&machine, ["MSG inbox 1 other 2\r\nhi\r\n", message(1, 1)]).deliveries.map(\.index) == [1])
    }
}

@Suite("Delivery metadata")
struct DeliveryMetadataTests {
    private func metadata(_ text: String) -> DeliveryMetadata? {
        Array(text.utf8).withUnsafeBytes { DeliveryMetadata(reply: $0) }
    }

    @Test(
        "Both forms",
        arguments: [
            "$JS.ACK.KV_a.c.1.22.33.1700000000000000001.44",
            "$JS.ACK.hub.ACCHASH.KV_a.c.1.22.33.1700000000000000001.44",
            "$JS.ACK._.ACCHASH.KV_a.c.1.22.33.1700000000000000001.44.random",
        ]
    )
    func forms(text: String) throws {
        let found = try #require(metadata(text))
        #expect(found.streamSequence == 22)
        #expect(found.consumerSequence == 33)
        #expect(found.time == 1_700_000_000_000_000_001)
        #expect(found.pending == 44)
    }

    @Test(
        "Anything else is none",
        arguments: [
            "", "a.b", "$JS.ACK.a.b.1.2.3.4", "$JS.ACK.a.b.1.2.3.4.5.6", "$JS.ACK.a.b.1.x.3.4.5",
            "$JS.FC.a.b.1.2.3.4.5", "$JS.ACK.a.b.1.99999999999999999999999.3.4.5", "$JS.ACK.a.b.1..3.4.5",
        ]
    )
    func none(text: String) {
        #expect(metadata(text) == nil)
    }
}

@Suite("Publish acknowledgements")
struct PublishAcknowledgementTests {
    private func parse(_ text: String) throws -> PublishAcknowledgement {
        try Array(text.utf8).withUnsafeBytes { try PublishAcknowledgement(payload: $0, subject: "s") }
    }

    @Test(
        "Stored",
        arguments: [
            (#"{"stream":"KV_a","seq":17}"#, 17, false), (#"{"stream":"KV_a", "seq":17}"#, 17, false),
            (#"{"stream":"KV_a", "seq":17, "duplicate": true}"#, 17, true),
            (#"{"stream":"KV_a","seq":17,"domain":"hub"}"#, 17, false),
            (#"{"seq":17,"stream":"a\"b"}"#, 17, false),
        ] as [(String, UInt64, Bool)]
    )
    func stored(text: String, sequence: UInt64, isDuplicate: Bool) throws {
        #expect(try parse(text) == PublishAcknowledgement(sequence: sequence, isDuplicate: isDuplicate))
    }

    @Test("Refused")
    func refused() {
        let text =
            #"{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 5"},"stream":"KV_a","seq":0}"#
        #expect { try parse(text) } throws: { ($0 as? JetStreamError)?.code == .wrongLastSequence }
    }

    @Test("Neither", arguments: ["", "{}", "x", #"{"stream":"KV_a","seq":}"#, #"{"stream":"KV_a","seq":17"#])
    func malformed(text: String) {
        #expect { try parse(text) } throws: { ($0 as? JetStreamError)?.code == .malformedReply }
    }
}
