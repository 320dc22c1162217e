import Foundation

/// A nats-server binary to test against: those that `scripts/setup` fetched, or the one that `NATS_SERVER` names.
public struct ServerBinary: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// Its version, such as `2.15.1`.
    public let version: String
    /// Path of the binary.
    public let path: String

    /// Every version there is, newest first.
    ///
    /// Empty if `scripts/setup` was not run.
    public static let all: [ServerBinary] = find()

    /// The newest version there is.
    public static var newest: ServerBinary {
        get throws {
            guard let newest = all.first else {
                throw StartError(description: "there is no nats-server: run scripts/setup")
            }
            return newest
        }
    }

    /// The binary of exactly this version, such as `2.10.26`.
    public static func named(_ version: String) throws -> ServerBinary {
        guard let found = all.first(where: { $0.version == version }) else {
            let known = all.map(\.version).joined(separator: ", ")
            throw StartError(description: "there is no nats-server \(version), only \(known): run scripts/setup")
        }
        return found
    }

    /// The repository's root.
    public static let repository: String = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

    /// Named as a test's argument is shown.
    public var description: String { "nats-server \(version)" }

    /// Whether this is `version` (such as `2.11`) or newer.
    public func isAtLeast(_ version: String) -> Bool {
        !Self.numbers(self.version).lexicographicallyPrecedes(Self.numbers(version))
    }

    /// Older versions come first.
    public static func < (left: ServerBinary, right: ServerBinary) -> Bool {
        numbers(left.version).lexicographicallyPrecedes(numbers(right.version))
    }

    private static func numbers(_ version: String) -> [Int] {
        version.split(separator: ".").map { Int($0) ?? 0 }
    }

    private static func find() -> [ServerBinary] {
        if let path = ProcessInfo.processInfo.environment["NATS_SERVER"], !path.isEmpty {
            return [ServerBinary(version: versionOf(path), path: path)]
        }
        let cache = repository + "/.cache/nats-server"
        let names = (try? FileManager.default.contentsOfDirectory(atPath: cache)) ?? []
        let found = names.map { ServerBinary(version: $0, path: "\(cache)/\($0)/nats-server") }
            .filter { FileManager.default.isExecutableFile(atPath: $0.path) }
            .sorted(by: >)
        guard !found.isEmpty else {
            // A test of every version there is would pass without any.
            FileHandle.standardError.write(Data("there is no nats-server in \(cache): run scripts/setup\n".utf8))
            exit(1)
        }
        return found
    }

    private static func versionOf(_ path: String) -> String {
        guard let folder = try? TemporaryDirectory("version") else { return "unknown" }
        var plan = ChildProcess.Plan(program: path)
        plan.arguments = ["--version"]
        plan.output = folder.file("out")
        guard let child = try? ChildProcess(plan), child.blockUntilExit(seconds: 10) != nil,
            let text = try? String(contentsOfFile: plan.output, encoding: .utf8),
            let version = text.split(separator: "v").last
        else { return "unknown" }
        return version.trimmingCharacters(in: .whitespacesAndNewlines)
    }
}
