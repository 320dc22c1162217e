import Foundation
import TestSupport
import Testing

/// A server, a folder and the built binary: what every end-to-end test stands on.
///
/// The binary is run as a user runs it; both buckets are read back through `RawNATS`, one sequence at a time.
struct Rig {
    let server: ServerProcess
    let folder: TemporaryDirectory

    init(_ binary: ServerBinary? = nil, options: ServerProcess.Options = .init()) async throws {
        try self.init(on: try await ServerProcess.start(binary, options: options))
    }

    /// Stands on a server that is there.
    init(on server: ServerProcess) throws {
        self.server = server
        folder = try TemporaryDirectory("rig")
    }

    var archive: String { folder.file("test.cistern") }

    func close() {
        server.close()
        folder.remove()
    }

    /// Runs the binary and expects an exit code.
    @discardableResult
    func cistern(
        _ arguments: [String],
        url: String? = nil,
        code: Int32 = 0,
        timeout: Duration = .seconds(300),
        _ location: SourceLocation = #_sourceLocation
    ) async throws -> CisternProcess.Result {
        let result = try await CisternProcess.run(arguments + ["-s", url ?? server.url], timeout: timeout)
        #expect(result.code == code, "cistern \(arguments.joined(separator: " ")): \(result)", sourceLocation: location)
        return result
    }

    @discardableResult
    func backup(
        _ bucket: String,
        url: String? = nil,
        _ location: SourceLocation = #_sourceLocation
    ) async throws -> Report {
        let result = try await cistern(["backup", bucket, "--archive", archive, "--json"], url: url, location)
        let hasLog = FileManager.default.fileExists(atPath: archive + "-wal")
        #expect(!hasLog, "the archive is not one file", sourceLocation: location)
        return try Report(result)
    }

    @discardableResult
    func restore(
        as name: String,
        _ more: [String] = [],
        url: String? = nil,
        _ location: SourceLocation = #_sourceLocation
    ) async throws -> Report {
        let result = try await cistern(["restore", archive, "--as", name, "--json"] + more, url: url, location)
        return try Report(result)
    }

    func createBucket(_ bucket: String, history: Int = 64, more: String = "") async throws {
        try await server.withClient { try $0.createBucket(bucket, history: history, more: more) }
    }

    /// Writes `count` values of random bytes round and round `keys` keys.
    func fill(_ bucket: String, count: Int, keys: Int, size: Int, seed: UInt64 = 1) async throws {
        try await server.withClient { try $0.fill(bucket, count: count, keys: keys, size: size, seed: seed) }
    }

    /// Keeps a copy of the stopped server's files, or puts them back.
    func copyStore(to copy: String) throws {
        try FileManager.default.copyItem(atPath: server.directory.file("store"), toPath: copy)
    }

    func copyStore(from copy: String) throws {
        try FileManager.default.removeItem(atPath: server.directory.file("store"))
        try FileManager.default.copyItem(atPath: copy, toPath: server.directory.file("store"))
    }

    func messages(_ bucket: String) async throws -> [RawMessage] {
        try await server.withClient { try $0.getAllMessages("KV_" + bucket) }
    }

    func lastSequence(_ bucket: String) async throws -> UInt64 {
        try await server.withClient { try $0.streamInfo("KV_" + bucket).lastSequence }
    }

    /// Expects the target to hold the source's entries, in order, every byte.
    func expectEqual(
        _ source: String,
        _ target: String,
        history: Int = 64,
        mode: BucketComparison.Mode = .replayed,
        _ location: SourceLocation = #_sourceLocation
    ) async throws {
        let left = BucketComparison.newest(history, of: try await messages(source))
        let right = try await messages(target)
        #expect(!left.isEmpty, sourceLocation: location)
        let differences = BucketComparison.differences(left, in: source, right, in: target, mode: mode)
        #expect(differences.isEmpty, "\(differences.joined(separator: "\n"))", sourceLocation: location)
    }
}

extension Rig {
    /// Expects a mirror's target to hold the source's entries, every byte, in the order of each key.
    func expectEqualKeys(
        _ source: String,
        _ target: String,
        _ location: SourceLocation = #_sourceLocation
    ) async throws {
        func byKey(_ bucket: String) async throws -> [RawMessage] {
            let keyed = try await messages(bucket).enumerated().map {
                ($0.element.key(in: bucket), $0.offset, $0.element)
            }
            return keyed.sorted { left, right in
                left.0 == right.0 ? left.1 < right.1 : left.0.lexicographicallyPrecedes(right.0)
            }.map(\.2)
        }
        let left = try await byKey(source)
        #expect(!left.isEmpty, sourceLocation: location)
        let right = try await byKey(target)
        let differences = BucketComparison.differences(left, in: source, right, in: target, mode: .replayed)
        #expect(differences.isEmpty, "\(differences.joined(separator: "\n"))", sourceLocation: location)
    }
}

/// The JSON document that a command printed.
struct Report: @unchecked Sendable {
    // Read only after it was made: dictionaries of JSON values are never changed.
    private let fields: [String: Any]

    init(_ result: CisternProcess.Result) throws {
        let object = try? JSONSerialization.jsonObject(with: Data(result.output))
        fields = try #require(object as? [String: Any], "\(result)")
    }

    func number(_ name: String, _ location: SourceLocation = #_sourceLocation) throws -> UInt64 {
        try #require(
            (fields[name] as? NSNumber)?.uint64Value,
            "no number \(name) in \(fields)",
            sourceLocation: location
        )
    }

    func real(_ name: String, _ location: SourceLocation = #_sourceLocation) throws -> Double {
        try #require(
            (fields[name] as? NSNumber)?.doubleValue,
            "no number \(name) in \(fields)",
            sourceLocation: location
        )
    }

    func text(_ name: String, _ location: SourceLocation = #_sourceLocation) throws -> String {
        try #require(fields[name] as? String, "no text \(name) in \(fields)", sourceLocation: location)
    }

    func object(_ name: String, _ location: SourceLocation = #_sourceLocation) throws -> [String: Any] {
        try #require(fields[name] as? [String: Any], "no object \(name) in \(fields)", sourceLocation: location)
    }
}
