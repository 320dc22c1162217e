import Foundation
import Glibc
import Synchronization

/// A real nats-server on 127.0.0.1 with a free port and a store of its own.
///
/// Killed and removed with the last reference; `close()` does it at once. Stop, kill and restart keep the port and
/// the store.
public final class ServerProcess: Sendable {
    /// What is started.
    public struct Options: Sendable {
        /// Whether JetStream is on.
        public var jetStream = true
        /// Configuration text appended to ours: authorization, tls, accounts, max_payload and the like.
        public var configuration = ""
        /// The server's name; one is made from the port if this is nil.
        public var name: String?
        /// The port; a free one if this is nil.
        public var port: Int?

        /// JetStream on, nothing else said.
        public init(configuration: String = "", jetStream: Bool = true) {
            self.configuration = configuration
            self.jetStream = jetStream
        }
    }

    private struct State {
        var child: ChildProcess?
        var starts = 0
    }

    /// The binary it runs.
    public let binary: ServerBinary
    /// The port it listens on, the same after every restart.
    public let port: Int
    /// What it calls itself.
    public let name: String
    /// Holds its configuration, its logs and its store; tests may put certificates there.
    public let directory: TemporaryDirectory
    private let state = Mutex(State())

    /// Starts a server and waits until it is ready.
    public static func start(_ binary: ServerBinary? = nil, options: Options = Options()) async throws -> ServerProcess
    {
        try await start(binary, in: try TemporaryDirectory("server"), options: options)
    }

    /// Starts a server in a directory that a test has prepared (certificates, say).
    public static func start(
        _ binary: ServerBinary? = nil,
        in directory: TemporaryDirectory,
        options: Options = Options()
    ) async throws -> ServerProcess {
        let binary = try binary ?? ServerBinary.newest
        return try await onOwnThread {
            // A port that was free a moment ago may be taken by now: then another one is tried.
            for _ in 0..<4 {
                let server = try ServerProcess(binary, in: directory, options: options)
                do {
                    try server.launch()
                    return server
                } catch let error as StartError {
                    guard options.port == nil, error.description.contains("address already in use") else { throw error }
                }
            }
            throw StartError(description: "no port stays free long enough to start \(binary)")
        }
    }

    init(_ binary: ServerBinary, in directory: TemporaryDirectory, options: Options) throws {
        self.binary = binary
        self.directory = directory
        port = try options.port ?? FreePort.next()
        name = options.name ?? "server-\(port)"
        var text = """
            listen: "127.0.0.1:\(port)"
            server_name: "\(name)"
            \(options.configuration)

            """
        if options.jetStream {
            text += "jetstream { store_dir: \"\(directory.file("store"))\" }\n"
        }
        try text.write(toFile: directory.file("server.conf"), atomically: true, encoding: .utf8)
    }

    deinit {
        halt(SIGKILL)
    }

    /// Where clients connect.
    public var url: String { "nats://127.0.0.1:\(port)" }

    /// The process id, or nil while it is stopped.
    public var pid: Int32? { state.withLock { $0.child?.pid } }

    /// What it logged since its last start.
    public var log: String {
        let start = state.withLock { $0.starts }
        return (try? String(contentsOfFile: logFile(start), encoding: .utf8)) ?? ""
    }

    /// Runs a blocking client's work on a thread of its own.
    public func withClient<Value: Sendable>(
        user: String? = nil,
        password: String? = nil,
        _ body: @escaping @Sendable (RawNATS) throws -> Value
    ) async throws -> Value {
        let port = port
        return try await onOwnThread {
            let client = try RawNATS(port: port, user: user, password: password)
            defer { client.close() }
            return try body(client)
        }
    }

    /// Asks it to stop (SIGTERM) and waits until it has.
    public func stop() async throws {
        try await onOwnThread { [self] in halt(SIGTERM) }
    }

    /// Kills it (SIGKILL) and waits until it is gone.
    public func kill() async throws {
        try await onOwnThread { [self] in halt(SIGKILL) }
    }

    /// Starts it again after `stop` or `kill`, on the same port and store; stops it first if it runs.
    public func restart() async throws {
        try await onOwnThread { [self] in
            halt(SIGTERM)
            try launch()
        }
    }

    /// Makes it do what `signal` asks for, such as SIGHUP (read the configuration again) or SIGUSR2 (lame duck).
    public func send(_ signal: Int32) {
        state.withLock { $0.child }?.send(signal)
    }

    /// Freezes it (SIGSTOP): connections stay, answers do not come.
    ///
    /// Returns when every thread has stopped: the kernel stops them one by one, and one still running can answer.
    public func pause() {
        guard let pid else { return }
        send(SIGSTOP)
        let tasks = "/proc/\(pid)/task"
        while true {
            let threads = (try? FileManager.default.contentsOfDirectory(atPath: tasks)) ?? []
            let states = threads.compactMap { try? String(contentsOfFile: "\(tasks)/\($0)/stat", encoding: .utf8) }
            if states.allSatisfy({ $0.contains(") T ") }) { return }
            usleep(500)
        }
    }

    /// Lets it go on after `pause`.
    public func resume() {
        send(SIGCONT)
    }

    /// Kills it and removes its directory.
    public func close() {
        halt(SIGKILL)
        directory.remove()
    }

    private func logFile(_ start: Int) -> String {
        directory.file("server.\(start).log")
    }

    func launch() throws {
        let start = state.withLock { state in
            state.starts += 1
            return state.starts
        }
        var plan = ChildProcess.Plan(program: binary.path)
        plan.arguments = ["-c", directory.file("server.conf")]
        plan.output = logFile(start)
        plan.errors = plan.output
        let child = try ChildProcess(plan)
        state.withLock { $0.child = child }
        do {
            try waitOnThread("\(binary) to be ready", seconds: 30) {
                if child.exit != nil { throw StartError(description: "it ended at once") }
                return log.contains("Server is ready")
            }
        } catch {
            let said = log.split(separator: "\n").suffix(15).joined(separator: "\n")
            halt(SIGKILL)
            throw StartError(description: "\(binary) did not start: \(error)\n\(said)")
        }
    }

    private func halt(_ signal: Int32) {
        guard let child = state.withLock({ $0.child }) else { return }
        child.send(signal)
        // A frozen server would keep a SIGTERM for later.
        child.send(SIGCONT)
        if child.blockUntilExit(seconds: 20) == nil {
            child.send(SIGKILL)
            _ = child.blockUntilExit(seconds: 10)
        }
        state.withLock { $0.child = nil }
    }
}
