import Foundation
import TestSupport
import Testing

/// A daemon on a configuration of its own, run as a user runs it, and asked over its commands.
final class DaemonRig: Sendable {
    let folder: TemporaryDirectory
    let path: String
    private let name: String

    /// A configuration in a folder of its own; the page gets a free port.
    init(
        _ name: String = "one",
        clusters: String,
        archives: String = "",
        jobs: String,
        daemon: String = ""
    ) throws {
        folder = try TemporaryDirectory("daemon")
        path = folder.file("cistern.yaml")
        self.name = name
        let text = """
            clusters:
            \(clusters)
            archives:
              main: { path: main.cistern }
            \(archives)
            jobs:
            \(jobs)
            daemon:
              http: 127.0.0.1:\(try FreePort.next())
              state: state.db
            \(daemon)
            """
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    }

    /// Replaces a part of the file.
    func edit(_ old: String, _ new: String) throws {
        let text = try String(contentsOfFile: path, encoding: .utf8)
        let edited = text.replacing(old, with: new)
        try #require(edited != text)
        try Data(edited.utf8).write(to: URL(fileURLWithPath: path))
    }

    /// Starts the daemon, and waits until it answers.
    func serve() async throws -> CisternProcess {
        let process = try CisternProcess.start(["serve", "--config", path, "--name", name])
        try await eventually("daemon \(name) to answer") {
            try #require(process.isRunning, "\(process.errorText)")
            return try await self.run(["status", "--alive"]).code == 0
        }
        return process
    }

    /// Runs a command that knows the configuration.
    func run(_ arguments: [String]) async throws -> CisternProcess.Result {
        try await CisternProcess.run(arguments + ["--config", path])
    }

    /// The documents that a command prints, one a line.
    func documents(_ arguments: [String]) async throws -> [Document] {
        let result = try await run(arguments + ["--json"])
        return try result.outputText.split(separator: "\n").map { line in
            let object = try JSONSerialization.jsonObject(with: Data(line.utf8))
            return Document(fields: try #require(object as? [String: Any], "\(result)"))
        }
    }

    /// What the daemon says of itself.
    func status() async throws -> Document {
        let result = try await run(["status", "--json"])
        try #require(!result.output.isEmpty, "\(result)")
        let object = try JSONSerialization.jsonObject(with: Data(result.output))
        return Document(fields: try #require(object as? [String: Any], "\(result)"))
    }

    /// What the daemon says of a job.
    func job(_ name: String) async throws -> Document {
        let status = try await status()
        let jobs = status.fields["jobs"] as? [[String: Any]] ?? []
        return Document(fields: try #require(jobs.first { $0["job"] as? String == name }))
    }

    /// The runs of a job, or of all, newest first.
    func runs(_ job: String? = nil, limit: Int = 5000) async throws -> [Document] {
        try await documents(["runs"] + [job].compactMap(\.self) + ["--limit", "\(limit)"])
    }

    /// A JSON document.
    struct Document: @unchecked Sendable, CustomStringConvertible {
        // Read only after it was made.
        let fields: [String: Any]

        func text(_ name: String) -> String { fields[name] as? String ?? "" }
        func number(_ name: String) -> Int { (fields[name] as? NSNumber)?.intValue ?? 0 }

        /// A time of it, in seconds since 1970; nil if it is not there.
        func time(_ name: String) -> Double? {
            let formatter = ISO8601DateFormatter()
            // The formatter takes no nanoseconds.
            guard let text = fields[name] as? String else { return nil }
            let parts = text.dropLast().split(separator: ".")
            guard let whole = parts.first else { return nil }
            formatter.formatOptions = [.withInternetDateTime]
            let seconds = formatter.date(from: "\(whole)Z")?.timeIntervalSince1970
            return seconds.map { $0 + (parts.count > 1 ? Double("0.\(parts[1])") ?? 0 : 0) }
        }

        var description: String { "\(fields)" }
    }
}
