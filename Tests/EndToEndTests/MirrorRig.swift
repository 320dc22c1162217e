import Foundation
import TestSupport
import Testing

/// Two servers, and mirrors from bucket `src` of the first into bucket `dst` of the second.
struct MirrorRig {
    let source: ServerProcess
    let target: ServerProcess

    init(_ from: ServerBinary? = nil, _ to: ServerBinary? = nil) async throws {
        source = try await ServerProcess.start(from)
        target = try await ServerProcess.start(to ?? from)
    }

    func close() {
        source.close()
        target.close()
    }

    /// The arguments of a mirror over the ways given, else directly.
    func arguments(_ more: [String] = [], from: String? = nil, to: String? = nil) -> [String] {
        ["mirror", "src", "dst", "-s", from ?? source.url, "--target-server", to ?? target.url] + more
    }

    /// Runs a mirror to its end and expects an exit code.
    @discardableResult
    func mirror(
        _ more: [String],
        code: Int32 = 0,
        _ location: SourceLocation = #_sourceLocation
    ) async throws -> CisternProcess.Result {
        let result = try await CisternProcess.run(arguments(more))
        #expect(
            result.code == code,
            "cistern mirror \(more.joined(separator: " ")): \(result)",
            sourceLocation: location
        )
        return result
    }

    func messages(_ server: ServerProcess, _ bucket: String) async throws -> [RawMessage] {
        try await server.withClient { try $0.getAllMessages("KV_" + bucket) }
    }

    /// An entry as both sides must have it: the source's revision, the headers of its own, the value.
    struct Line: Hashable, CustomStringConvertible {
        var revision: UInt64
        var headers: [RawHeader]
        var value: [UInt8]

        /// An entry of the source.
        init(source message: RawMessage) {
            revision = message.seq
            headers = Self.own(message)
            value = message.data
        }

        /// An entry of the target; nil if it does not say which of the source's it is.
        init?(target message: RawMessage) {
            let id = message.headerList.first { $0.name == "Nats-Msg-Id" }?.value ?? ""
            let parts = id.split(separator: ":")
            guard parts.count == 3, parts[0] == "cistern", let named = UInt64(parts[2]) else { return nil }
            revision = named
            headers = Self.own(message)
            value = message.data
        }

        private static func own(_ message: RawMessage) -> [RawHeader] {
            message.headerList.filter { header in
                // What is left of a TTL is less than it was.
                !["Nats-Msg-Id", "Nats-TTL"].contains(header.name) && !header.name.hasPrefix("Nats-Expected-")
                    && !header.name.hasPrefix("Cistern-")
            }
        }

        var description: String { "\(revision) \(headers) \(String(decoding: value, as: UTF8.self))" }
    }

    /// Expects every key to have the same entries in the same order on both sides, read one by one from the servers.
    ///
    /// Keys that live for a moment are left out: a server removes them when it comes to it.
    func expectEqual(
        map: (String) -> String? = { $0 },
        _ location: SourceLocation = #_sourceLocation
    ) async throws {
        var expected: [String: [Line]] = [:]
        for message in try await messages(source, "src") {
            guard let key = map(String(decoding: message.key(in: "src"), as: UTF8.self)), !key.hasPrefix("brief.")
            else {
                continue
            }
            expected[key, default: []].append(Line(source: message))
        }
        var found: [String: [Line]] = [:]
        for message in try await messages(target, "dst") {
            let key = String(decoding: message.key(in: "dst"), as: UTF8.self)
            guard !key.hasPrefix("brief.") else { continue }
            let line = try #require(Line(target: message), "an entry of nobody: \(message)", sourceLocation: location)
            found[key, default: []].append(line)
        }
        #expect(!expected.isEmpty, sourceLocation: location)
        let different = Set(expected.keys).union(found.keys).filter { expected[$0] != found[$0] }.sorted()
        let shown = different.prefix(5).map { "\($0): \(expected[$0] ?? []) is \(found[$0] ?? []) in the target" }
        #expect(
            different.isEmpty,
            "\(different.count) keys differ\n\(shown.joined(separator: "\n"))",
            sourceLocation: location
        )
    }

    /// The last sequence of a bucket: how often it was written to.
    func last(_ server: ServerProcess, _ bucket: String) async throws -> UInt64 {
        try await server.withClient { try $0.streamInfo("KV_" + bucket).lastSequence }
    }

    /// The current value of a key of the target.
    func value(_ key: String) async throws -> String? {
        let message = try await messages(target, "dst").last { $0.key(in: "dst") == Array(key.utf8) }
        guard let message, !message.isTombstone else { return nil }
        return String(decoding: message.data, as: UTF8.self)
    }

    /// Whether the target is there and has so many entries at least.
    func holds(_ count: UInt64) async throws -> Bool {
        try await target.withClient { client in
            do {
                return try client.streamInfo("KV_dst").messages >= count
            } catch RawNATSError.api(_, errorCode: 10_059, _) {
                return false
            }
        }
    }
}
