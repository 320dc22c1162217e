import Foundation
import KVModel
import NATSClient
import NIOCore

@testable import JetStream
@testable import NATSProtocol

/// Everything that reads what a server, or a context file, says; each throws only what no input may cause.
enum ProtocolReader: CaseIterable {
    case frames
    case machine
    case info
    case headers
    case delivery
    case acknowledgement
    case reply
    case directReply
    case addresses
    case context

    /// A rule that must hold for every input, and did not.
    struct Broken: Error {
        let rule: String
    }

    func read(_ bytes: [UInt8]) throws {
        switch self {
        case .frames: try SplitFrames.read(bytes)
        case .machine: try MachineEvents.read(bytes)
        case .info: try Self.info(bytes)
        case .headers: try Self.headers(bytes)
        case .delivery: try Self.delivery(bytes)
        case .acknowledgement: try Self.refusing { try Self.acknowledgement(bytes) }
        case .reply: try Self.refusing { try Self.reply(bytes) }
        case .directReply: try Self.directReply(bytes)
        case .addresses: try Self.addresses(bytes)
        case .context: try Self.context(bytes)
        }
    }

    /// Refusals are what bad input is for, as long as they say something.
    private static func refusing(_ body: () throws -> Void) throws {
        do {
            try body()
        } catch let error as JetStreamError {
            try check(!error.description.isEmpty, "a refusal says why")
        }
    }

    static func check(_ holds: Bool, _ rule: String) throws {
        guard holds else { throw Broken(rule: rule) }
    }

    // MARK: Readers

    private static func info(_ bytes: [UInt8]) throws {
        let info: ServerInfo
        do {
            info = try JSONDecoder().decode(ServerInfo.self, from: Data(bytes))
        } catch {
            return
        }
        let again = try JSONDecoder().decode(ServerInfo.self, from: try JSONEncoder().encode(info))
        try check(again == info, "an INFO written and read again is the same")
        var pool = ServerPool(servers: [ServerAddress(host: "a", port: 1)], policy: ReconnectPolicy())
        _ = pool.next(random: 0)
        pool.connected()
        pool.discovered(info.connectURLs)
        _ = pool.next(random: 0.5)
        _ = info.version.map { "\($0)" }
    }

    private static func headers(_ bytes: [UInt8]) throws {
        try bytes.withUnsafeBytes { block in
            let model = HeaderBlock(block)
            let encoded = model.encoded()
            // Names and values of the wire never hold line ends, so that writing them makes the same lines.
            let modelAgain = encoded.withUnsafeBytes { HeaderBlock($0) }
            try check(modelAgain.fields.count == model.fields.count, "a header block written again has as many lines")
            _ = KVModel.Operation(headers: block)
            if let found = HeaderBlock.value(of: "KV-Operation", in: block) {
                try check(found.count <= block.count, "a value lies in its block")
            }
            guard let headers = Headers(wire: block) else { return }
            var buffer = ByteBuffer()
            headers.encode(into: &buffer)
            let again = buffer.withUnsafeReadableBytes { Headers(wire: $0) }
            try check(again?.fields.count == headers.fields.count, "headers written again are as many")
            try check(again?.status == headers.status, "the status is written as it was read")
            for field in headers.fields.prefix(8) {
                try check(headers[field.name] != nil, "a header is found by its name")
            }
        }
    }

    private static func delivery(_ bytes: [UInt8]) throws {
        try bytes.withUnsafeBytes { reply in
            guard let metadata = DeliveryMetadata(reply: reply) else { return }
            try check(bytes.starts(with: Array("$JS.ACK.".utf8)), "only an acknowledgement's subject is one")
            try check(metadata.time >= 0, "times are not negative")
        }
    }

    private static func acknowledgement(_ bytes: [UInt8]) throws {
        let found = try bytes.withUnsafeBytes { try PublishAcknowledgement(payload: $0, subject: "a") }
        // The short way must say what the long one says; in names it takes what JSON does not allow, and does not use it.
        let value: JSONValue
        do {
            value = try JSONDecoder().decode(JSONValue.self, from: Data(bytes))
        } catch {
            return
        }
        try check(value["seq"]?.unsigned == found.sequence, "a sequence is read as JSON has it")
    }

    private static func reply(_ bytes: [UInt8]) throws {
        let message = Message(subject: "a", payload: ByteBuffer(bytes: bytes))
        let value = try JetStreamContext.decode(message, subject: "a")
        guard let info = StreamInfo(value) else { return }
        _ = (info.state.gaps, info.name, info.serverTime)
        let configuration = BucketConfiguration(stream: info.configuration)
        _ = (configuration.name, configuration.history, configuration.ttl, configuration.limitMarkerTTL)
        _ = (configuration.withoutServerMetadata, configuration.isMirror, configuration.replicas)
    }

    private static func directReply(_ bytes: [UInt8]) throws {
        let cut = bytes.firstIndex(of: 0) ?? bytes.count
        let headers = bytes[..<cut].withUnsafeBytes { Headers(wire: $0) }
        let message = Message(subject: "a", headers: headers, payload: ByteBuffer(bytes: bytes.dropFirst(cut + 1)))
        guard let stored = StoredMessage(direct: message) else { return }
        try check(stored.payload == Array(bytes.dropFirst(cut + 1)), "a payload comes as it was sent")
        _ = stored.headers.withUnsafeBytes { KVModel.Operation(headers: $0) }
    }

    private static func addresses(_ bytes: [UInt8]) throws {
        let text = String(decoding: bytes, as: UTF8.self)
        let fault = ServerFault(text)
        _ = (fault.closesConnection, fault.refusesCredentials)
        let addresses: [ServerAddress]
        do throws(ProtocolError) {
            addresses = try ServerAddress.list(text)
        } catch {
            try check(!error.description.isEmpty, "a refusal says why")
            return
        }
        for address in addresses {
            // What is shown in messages must lead to the same place.
            let again = try ServerAddress(address.endpoint)
            try check(again.port == address.port, "an endpoint keeps its port")
        }
    }

    private static func context(_ bytes: [UInt8]) throws {
        let path = "/dev/shm/cistern-fuzz-\(ProcessInfo.processInfo.processIdentifier).json"
        // A context may name files: those of the machine are not the fuzzer's to read. Of an empty file Foundation
        // leaks its buffer.
        guard !bytes.isEmpty, !bytes.contains(UInt8(ascii: "/")) else { return }
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        defer { unlink(path) }
        do {
            _ = try NATSContext(named: path, environment: ["HOME": "/nonexistent", "S": "x"])
        } catch let error as NATSError {
            try check(!error.description.isEmpty, "a refusal says why")
        }
    }
}
