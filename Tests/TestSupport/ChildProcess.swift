import Foundation
import Glibc
import Synchronization

/// A program started by a test: its output goes to files, its end is awaited by a thread of its own.
///
/// `Foundation.Process` is not used because it reaps the child itself, and with it the resource usage.
public final class ChildProcess: Sendable {
    /// How a program ended.
    public struct Exit: Sendable, Equatable {
        /// The exit code; 128 + the signal's number if a signal ended it, as a shell says it.
        public let code: Int32
        /// The signal that ended it, if one did.
        public let signal: Int32?
        /// Peak resident memory in bytes.
        public let peakMemory: Int
    }

    /// What to start, and where its input comes from and its output goes to.
    public struct Plan: Sendable {
        /// Path of the program.
        public var program: String
        /// Its arguments, without its own name.
        public var arguments: [String] = []
        /// Its whole environment.
        public var environment: [String: String] = ProcessInfo.processInfo.environment
        /// Its working directory; nil keeps the test's.
        public var directory: String?
        /// The file that is its standard input.
        public var input = "/dev/null"
        /// The file its standard output is written to.
        public var output = "/dev/null"
        /// The file its standard error is written to; may be the same as `output`.
        public var errors = "/dev/null"
        /// Watches the memory while the program runs: see `PeakMemory`.
        public var measuresMemory = false

        /// A plan to run `program`, silent and with no arguments until said otherwise.
        public init(program: String) {
            self.program = program
        }
    }

    private enum State {
        case running(waiting: [CheckedContinuation<Exit, Never>])
        case ended(Exit)
    }

    /// The process id.
    public let pid: Int32
    private let state = Mutex(State.running(waiting: []))
    private let memory: PeakMemory?

    /// Starts the program.
    public init(_ plan: Plan) throws {
        pid = try Self.spawn(plan)
        let memory = plan.measuresMemory ? PeakMemory(pid: pid) : nil
        self.memory = memory
        Thread.detachNewThread { [self] in
            ended(Self.awaitEnd(of: pid, watching: memory))
        }
    }

    /// Runs a program to its end and answers its exit code.
    ///
    /// In place of Foundation's `Process`, which waits for whoever inherited what it waits on: servers that were
    /// started at the same moment, and that stay for as long as the tests.
    public static func run(_ program: String, _ arguments: [String]) async throws -> Int32 {
        var plan = Plan(program: program)
        plan.arguments = arguments
        return await (try ChildProcess(plan)).waitForExit().code
    }

    /// How it ended, or nil while it runs.
    public var exit: Exit? {
        state.withLock { state in
            guard case .ended(let exit) = state else { return nil }
            return exit
        }
    }

    /// Sends a signal; does nothing once the program has ended.
    public func send(_ signal: Int32) {
        // Under the lock, so that the number cannot belong to another process by now.
        state.withLock { state in
            guard case .running = state else { return }
            // Who looks from time to time may not have come to it on a busy machine, and after the end nothing can be seen.
            memory?.sample()
            _ = Glibc.kill(pid, signal)
        }
    }

    /// Waits for the end without holding a thread of the cooperative pool.
    public func waitForExit() async -> Exit {
        await withCheckedContinuation { continuation in
            let exit: Exit? = state.withLock { state in
                switch state {
                case .ended(let exit):
                    return exit
                case .running(let waiting):
                    state = .running(waiting: waiting + [continuation])
                    return nil
                }
            }
            if let exit { continuation.resume(returning: exit) }
        }
    }

    /// Waits for the end on the calling thread, for at most `seconds`; nil if it still runs then.
    public func blockUntilExit(seconds: Double) -> Exit? {
        let deadline = Date().addingTimeInterval(seconds)
        while exit == nil, Date() < deadline {
            usleep(2_000)
        }
        return exit
    }

    private func ended(_ exit: Exit) {
        let waiting: [CheckedContinuation<Exit, Never>] = state.withLock { state in
            guard case .running(let waiting) = state else { return [] }
            state = .ended(exit)
            return waiting
        }
        for continuation in waiting { continuation.resume(returning: exit) }
    }

    private static func awaitEnd(of pid: Int32, watching memory: PeakMemory?) -> Exit {
        var status: Int32 = 0
        var usage = rusage()
        while true {
            memory?.sample()
            let result = wait4(pid, &status, memory == nil ? 0 : WNOHANG, &usage)
            if result == pid { break }
            if result == 0 { usleep(5_000) }
            if result < 0, errno != EINTR { return Exit(code: -1, signal: nil, peakMemory: 0) }
        }
        let signal = status & 0x7f
        return Exit(
            code: signal == 0 ? (status >> 8) & 0xff : 128 + signal,
            signal: signal == 0 ? nil : signal,
            peakMemory: memory?.peak(reported: Int(usage.ru_maxrss) * 1024) ?? 0
        )
    }

    private static func spawn(_ plan: Plan) throws -> Int32 {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        let writing = O_WRONLY | O_CREAT | O_APPEND
        posix_spawn_file_actions_addopen(&actions, 0, plan.input, O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, plan.output, writing, 0o644)
        posix_spawn_file_actions_addopen(&actions, 2, plan.errors, writing, 0o644)

        // The test runner may block or ignore signals; the program must start as a shell would start it.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        var restored = sigset_t()
        sigemptyset(&restored)
        for signal in [SIGINT, SIGTERM, SIGPIPE, SIGHUP, SIGQUIT] { sigaddset(&restored, signal) }
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &restored)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

        // posix_spawn has no portable word for the working directory; env becomes the program, with the same pid.
        let command = (plan.directory.map { ["/usr/bin/env", "-C", $0] } ?? []) + [plan.program] + plan.arguments
        var arguments = command.map { strdup($0) } + [nil]
        var environment = plan.environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for text in arguments + environment { free(text) } }
        var pid: Int32 = 0
        OpenFiles.keepFromChildren()
        let failure = posix_spawn(&pid, command[0], &actions, &attributes, &arguments, &environment)
        guard failure == 0 else {
            throw StartError(description: "cannot start \(plan.program): \(String(cString: strerror(failure)))")
        }
        return pid
    }
}

/// A program or server that did not start.
public struct StartError: Error, CustomStringConvertible {
    /// What could not be started, and why.
    public let description: String
}
