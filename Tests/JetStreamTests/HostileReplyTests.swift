import Foundation
import KVModel
import Logging
import NATSClient
import NATSProtocol
import NIOCore
import TestSupport
import Testing

@testable import JetStream

/// A server whose answers are not JetStream's: the one call fails, and says why.
@Suite struct HostileReplyTests {
    static let answers: [String] = [
        "", "x", "{", "[]", "null", "5", "\"x\"", "{}", String(repeating: "[", count: 100_000),
        #"{"error":5}"#, #"{"error":{}}"#, #"{"error":{"code":"x","err_code":-1,"description":5}}"#,
        #"{"error":{"code":1e99,"err_code":99999999999999999999}}"#, #"{"seq":-1}"#, #"{"seq":1e99}"#,
        #"{"stream":"a","seq":18446744073709551616}"#, #"{"stream":"a","seq":}"#, #"{"stream":"a","seq":1"#,
        #"{"message":5}"#, #"{"message":{}}"#, #"{"message":{"subject":5,"seq":1}}"#,
        #"{"message":{"subject":"a","seq":1,"time":"x"}}"#,
        #"{"message":{"subject":"a","seq":1,"time":"2026-01-01T00:00:00Z","data":"%%%"}}"#,
        #"{"message":{"subject":"a","seq":-1,"time":"99999-01-01T00:00:00Z"}}"#,
        #"{"streams":{},"total":5}"#, #"{"streams":[5,null,{}],"total":99}"#, #"{"streams":null,"total":-1}"#,
        #"{"config":5,"created":"x","state":{}}"#, #"{"config":{},"created":5,"state":{}}"#,
        #"{"config":{"name":5},"created":"","state":5}"#, #"{"name":5,"num_pending":-1}"#,
        "\u{0}\u{0}\u{0}", "{\"seq\":\u{0}1}",
    ]

    static let headers: [String] = [
        "", "NATS/1.0\r\n\r\n", "NATS/1.0 999 What\r\n\r\n", "NATS/1.0 404\r\n\r\n", "garbage\r\n\r\n",
        "NATS/1.0\r\nNats-Stream: a\r\nNats-Subject: \r\nNats-Sequence: -1\r\nNats-Time-Stamp: never\r\n\r\n",
        "NATS/1.0\r\nNats-Stream: a\r\nNats-Subject: a\r\nNats-Sequence: 99999999999999999999\r\n"
            + "Nats-Time-Stamp: 2026-01-01T00:00:00Z\r\n\r\n",
        "NATS/1.0\r\n:\r\n::\r\n: x\r\nNats-Sequence\r\n\r\n",
    ]

    private static func withAnswers(
        _ answer: @escaping @Sendable (HostileSession.Publication, HostileSession) throws -> Void,
        _ body: @Sendable (JetStreamContext) async throws -> Void
    ) async throws {
        let server = try HostileServer { session, _ in
            try session.greet()
            while true { try answer(try session.publication(), session) }
        }
        defer { server.close() }
        var configuration = try ConnectionConfiguration(server.url)
        configuration.reconnect = ReconnectPolicy(attempts: .rounds(0))
        try await Connection.withConnection(configuration, logger: Logger(label: "test")) { nats in
            try await body(JetStreamContext(nats, timeout: .seconds(20)))
        }
    }

    /// Every call, which may find nothing but must end.
    private static let calls: [String: @Sendable (JetStreamContext) async throws -> Void] = [
        "info": { _ = try await $0.streamInfo("s") },
        "create": { _ = try await $0.createStream(["name": "s"]) },
        "at": { _ = try await $0.message("s", at: 1) },
        "last": { _ = try await $0.lastMessage("s", subject: "a") },
        "direct": { _ = try await $0.directMessage("s", last: "a") },
        "direct at": { _ = try await $0.directMessage("s", at: 1) },
        "list": { _ = try await $0.streams() },
        "count": { _ = try await $0.countMessages("s", subject: "a") },
        "purge": { _ = try await $0.purgeStream("s") },
        "publish": { _ = try await $0.publish("a", payload: ByteBuffer()) },
        "account": { _ = try await $0.accountInformation() },
        "consumer": {
            var options = OrderedConsumer.Options()
            options.start = .new
            _ = try await OrderedConsumer($0, stream: "s", options: options)
        },
    ]

    @Test(arguments: answers) func failsOneCall(answer: String) async throws {
        try await Self.withAnswers { publication, session in
            guard !publication.reply.isEmpty else { return }
            try session.send(to: publication.reply, Array(answer.utf8))
        } _: { context in
            for (name, call) in Self.calls {
                do {
                    try await call(context)
                } catch let error as JetStreamError {
                    #expect(!error.description.isEmpty, "\(name)")
                } catch let error as NATSError {
                    #expect(!error.description.isEmpty, "\(name)")
                }
            }
            #expect(context.connection.epoch == 1)
        }
    }

    @Test(arguments: headers) func failsDirectGets(headers: String) async throws {
        try await Self.withAnswers { publication, session in
            try session.send(to: publication.reply, headers: headers, Array("value".utf8))
        } _: { context in
            do {
                let found = try await context.directMessage("s", last: "a")
                #expect(found == nil)
                #expect(headers.hasPrefix("NATS/1.0 404"))
            } catch let error as JetStreamError {
                #expect(!error.description.isEmpty)
            }
        }
    }

    /// Deliveries with numbers that no consumer has: the reader ends or goes on, and lives.
    @Test(arguments: ["2.9.10", "2.11.0"], ["0", "1", "5", "9223372036854775808", "18446744073709551615"])
    func livesWithStrangeSequences(version: String, sequence: String) async throws {
        let information = HostileSession.info.replacing("2.11.0", with: version)
        let server = try HostileServer { session, _ in
            try session.greet(information)
            while true {
                let publication = try session.publication()
                let created = #""created":"2026-01-01T00:00:00Z""#
                if publication.subject.contains(".CONSUMER.CREATE.") {
                    try session.send(to: publication.reply, Array(#"{"name":"c","num_pending":\#(sequence)}"#.utf8))
                    let body = try JSONDecoder().decode(JSONValue.self, from: Data(publication.body))
                    guard let subject = body["config"]?["deliver_subject"]?.string, let id = session.id(for: subject)
                    else { continue }
                    for (number, stream) in [sequence, "3", sequence, "1"].enumerated() {
                        let reply = "$JS.ACK.s.c.1.\(stream).\(number + 1).1700000000000000000.\(sequence)"
                        let block = "NATS/1.0\r\nNats-Rollup: sub\r\n\r\n"
                        let sizes = "\(block.utf8.count) \(block.utf8.count + 2)"
                        try session.send("HMSG a \(id) \(reply) \(sizes)\r\n\(block)hi\r\n")
                    }
                } else if !publication.reply.isEmpty {
                    let state = #"{"messages":\#(sequence),"first_seq":\#(sequence),"last_seq":\#(sequence)}"#
                    let answer = #"{"config":{"name":"s"},\#(created),"state":\#(state)}"#
                    try session.send(to: publication.reply, Array(answer.utf8))
                }
            }
        }
        defer { server.close() }
        try await Connection.withConnection(
            try ConnectionConfiguration(server.url),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        ) { nats in
            for start in [OrderedConsumer.Start.new, .all, .lastPerSubject] {
                var options = OrderedConsumer.Options()
                options.start = start
                options.patience = .seconds(1)
                do {
                    let context = JetStreamContext(nats, timeout: .seconds(2))
                    let consumer = try await OrderedConsumer(context, stream: "s", options: options)
                    for _ in 0..<4 { _ = try await consumer.next(timeout: .milliseconds(200)) }
                    await consumer.stop()
                } catch let error as JetStreamError {
                    #expect(!error.description.isEmpty)
                }
            }
        }
    }
}
