import Foundation
import Glibc

/// The built `cistern` binary, run as a user runs it.
///
///     let result = try await CisternProcess.run(["backup", "config", "--archive", path, "-s", server.url])
///     #expect(result.code == 0, "\(result)")
public final class CisternProcess: Sendable {
    /// How a run ended and what it said.
    public struct Result: Sendable, CustomStringConvertible {
        /// The exit code; 128 + the signal's number if a signal ended it.
        public let code: Int32
        /// Everything on standard output.
        public let output: [UInt8]
        /// Everything on standard error.
        public let errors: [UInt8]
        /// Peak resident memory in bytes.
        public let peakMemory: Int

        /// Standard output as text.
        public var outputText: String { String(decoding: output, as: UTF8.self) }
        /// Standard error as text.
        public var errorText: String { String(decoding: errors, as: UTF8.self) }
        /// All of it, for a failed expectation.
        public var description: String { "exit code \(code)\n\(outputText)\n\(errorText)" }
    }

    private let child: ChildProcess
    private let files: TemporaryDirectory

    /// Path of the binary: `CISTERN_BINARY`, or what the debug build made beside the test bundle.
    public static let binary: String = {
        if let path = ProcessInfo.processInfo.environment["CISTERN_BINARY"], !path.isEmpty { return path }
        let bundle = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
        let candidates = [
            bundle.appendingPathComponent("cistern").path, ServerBinary.repository + "/.build/debug/cistern",
        ]
        return candidates.first { FileManager.default.isExecutableFile(atPath: $0) } ?? candidates[1]
    }()

    /// Starts the binary.
    ///
    /// `environment` is added to a plain one, from which every NATS variable is taken out.
    public static func start(
        _ arguments: [String],
        environment: [String: String] = [:],
        directory: String? = nil,
        input: [UInt8]? = nil,
        binary: String = CisternProcess.binary
    ) throws -> CisternProcess {
        let files = try TemporaryDirectory("run")
        var plan = ChildProcess.Plan(program: binary)
        plan.arguments = arguments
        plan.environment = plan.environment.filter { !$0.key.hasPrefix("NATS_") && !$0.key.hasPrefix("CISTERN_") }
        // No context of the developer's own may decide where a test connects.
        plan.environment["XDG_CONFIG_HOME"] = files.file("config")
        plan.environment.merge(environment) { $1 }
        plan.directory = directory
        plan.output = files.file("out")
        plan.errors = files.file("err")
        plan.measuresMemory = true
        if let input {
            plan.input = files.file("in")
            try Data(input).write(to: URL(fileURLWithPath: plan.input))
        }
        return CisternProcess(child: try ChildProcess(plan), files: files)
    }

    /// Starts the binary and waits for its end; kills it and throws if that takes longer than `timeout`.
    public static func run(
        _ arguments: [String],
        environment: [String: String] = [:],
        directory: String? = nil,
        input: [UInt8]? = nil,
        timeout: Duration = .seconds(120),
        binary: String = CisternProcess.binary
    ) async throws -> Result {
        let process = try start(
            arguments,
            environment: environment,
            directory: directory,
            input: input,
            binary: binary
        )
        return try await process.waitForExit(timeout: timeout)
    }

    init(child: ChildProcess, files: TemporaryDirectory) {
        self.child = child
        self.files = files
    }

    deinit {
        child.send(SIGKILL)
    }

    /// The process id.
    public var pid: Int32 { child.pid }

    /// Whether it has not ended yet.
    public var isRunning: Bool { child.exit == nil }

    /// Standard output up to now.
    public var outputText: String { String(decoding: read("out"), as: UTF8.self) }

    /// Standard error up to now.
    public var errorText: String { String(decoding: read("err"), as: UTF8.self) }

    /// Kills it (SIGKILL); `waitForExit` tells when it is gone.
    public func kill() {
        child.send(SIGKILL)
    }

    /// Sends a signal, such as SIGTERM or SIGINT.
    public func send(_ signal: Int32) {
        child.send(signal)
    }

    /// Waits for its end; kills it and throws if that takes longer than `timeout`.
    public func waitForExit(timeout: Duration = .seconds(120)) async throws -> Result {
        let child = child
        let exit = try await withThrowingTaskGroup(of: ChildProcess.Exit?.self) { group in
            group.addTask { await child.waitForExit() }
            group.addTask {
                try await Task.sleep(for: timeout)
                return nil
            }
            let first = try await group.next() ?? nil
            // The other task ends only when the process does.
            if first == nil { child.send(SIGKILL) }
            group.cancelAll()
            return first
        }
        guard let exit else {
            throw TimeoutError(description: "cistern ran longer than \(timeout):\n\(outputText)\n\(errorText)")
        }
        return Result(code: exit.code, output: read("out"), errors: read("err"), peakMemory: exit.peakMemory)
    }

    private func read(_ name: String) -> [UInt8] {
        FileManager.default.contents(atPath: files.file(name)).map { Array($0) } ?? []
    }
}
