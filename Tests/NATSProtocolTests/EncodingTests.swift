import NIOCore
import Testing

@testable import NATSProtocol

@Suite struct EncodingTests {
    @Test func encodesPublishes() {
        var batch = PublishBatch()
        batch.append(subject: "a", payload: ByteBuffer(string: "hello"))
        batch.append(subject: "b", reply: "r", headers: ["K": "v"], payload: ByteBuffer(string: "x"))
        batch.append(subject: "c")
        #expect(
            String(buffer: batch.buffer)
                == "PUB a 5\r\nhello\r\nHPUB b r 18 19\r\nNATS/1.0\r\nK: v\r\n\r\nx\r\nPUB c 0\r\n\r\n"
        )
        #expect(batch.count == 3)
        #expect(batch.largestMessage == 19)
        batch.removeAll()
        #expect(batch.isEmpty && batch.byteCount == 0)
    }

    @Test(arguments: ["", "a b", "a\r\nPUB x 0", "a\tb"]) func neverBreaksTheFraming(subject: String) {
        var batch = PublishBatch()
        batch.append(subject: subject, payload: ByteBuffer(string: "x"))
        #expect(batch.fault?.code == .invalidSubject)
        #expect(batch.isEmpty && batch.byteCount == 0)
    }

    @Test func refusesHeadersThatWouldBreakTheBlock() {
        var batch = PublishBatch()
        batch.append(subject: "a", headers: ["K": "v\r\nEvil: 1"])
        #expect(batch.fault?.code == .invalidHeader)
        #expect(Headers([("a:b", "c")]).fault != nil)
        #expect(Headers([("", "c")]).fault != nil)
        #expect(Headers([("A", "c")]).fault == nil)
    }

    @Test func looksUpHeaders() {
        var headers: Headers = ["A": "1", "a": "2", "B": "3"]
        headers.append("A", "4")
        #expect(headers["A"] == "1")
        #expect(headers["a"] == "2")
        #expect(headers["b"] == "3")
        #expect(headers.values(for: "A") == ["1", "4"])
        headers.set("a", to: "5")
        #expect(headers.fields.map(\.name) == ["B", "a"])
        headers["B"] = nil
        #expect(headers["B"] == nil)
    }

    @Test(
        arguments: [
            ("NATS/1.0\r\nA: b\r\n\r\n", nil, nil, ["A=b"]), ("NATS/1.0 503\r\n\r\n", 503, nil, []),
            ("NATS/1.0 100 Idle Heartbeat\r\nX:  y \r\n\r\n", 100, "Idle Heartbeat", ["X=y"]),
            ("NATS/1.0 408 \r\nnonsense\r\nA:\r\n\r\nB: 1", 408, nil, ["A="]),
        ] as [(String, Int?, String?, [String])]
    )
    func readsHeaderBlocks(block: String, status: Int?, words: String?, fields: [String]) throws {
        let headers = try #require(Array(block.utf8).withUnsafeBytes { Headers(wire: $0) })
        #expect(headers.status == status)
        #expect(headers.statusDescription == words)
        #expect(headers.fields.map { "\($0.name)=\($0.value)" } == fields)
    }

    @Test func encodesHeadersAsTheyWereRead() throws {
        let block = "NATS/1.0 100 Idle Heartbeat\r\nX: y\r\nX: z\r\n\r\n"
        let headers = try #require(Array(block.utf8).withUnsafeBytes { Headers(wire: $0) })
        var buffer = ByteBuffer()
        headers.encode(into: &buffer)
        #expect(String(buffer: buffer) == block)
        #expect([1, 2].withUnsafeBytes { Headers(wire: $0) } == nil)
    }

    @Test func readsVersions() throws {
        let versions = try ["2.9.10", "2.10.0", "2.10.26", "v2.15.1-RC.2"].map { try #require(ServerVersion($0)) }
        #expect(versions == versions.sorted())
        #expect(versions[3].description == "2.15.1")
        for text in ["", "2", "a.b.c", "2.1.x", "2.-1.0", "2..1"] { #expect(ServerVersion(text) == nil) }
    }

    @Test(arguments: [
        ("localhost", "nats://localhost:4222"), ("nats://a:1", "nats://a:1"), ("tls://a", "tls://a:4222"),
        ("nats://u:p%40q@[::1]:5/", "nats://[::1]:5"), (" t0k@h:9 ", "nats://h:9"),
    ])
    func readsAddressesAndHidesSecrets(text: String, shown: String) throws {
        let address = try ServerAddress(text)
        #expect("\(address)" == shown)
        #expect(String(reflecting: address) == shown)
        var dumped = ""
        dump(address, to: &dumped)
        #expect(!dumped.contains("p@q") && !dumped.contains("t0k"))
    }

    @Test func readsSecretsOfAddresses() throws {
        let address = try ServerAddress("nats://u:p%40q@h")
        #expect(address.user == "u" && address.password == "p@q" && address.token == nil)
        #expect(try ServerAddress("t0k@h").token == "t0k")
    }

    @Test(arguments: ["", "nats://", "http://a", "a:0", "a:70000", "a:b", "::1", "[::1", "a b"])
    func refusesBadAddresses(text: String) {
        #expect(throws: ProtocolError.self) { try ServerAddress(text) }
    }

    @Test(arguments: [
        ("a.b", false, true), ("a.*", false, false), ("a.*", true, true), ("a.>", true, true), (">.a", true, false),
        ("", true, false), ("a..b", true, false), ("a b", true, false), ("a*b", false, true), (".a", false, false),
    ])
    func judgesSubjects(text: String, wildcards: Bool, isValid: Bool) {
        #expect((Subject.fault(in: text, wildcardsAllowed: wildcards) == nil) == isValid)
    }
}
