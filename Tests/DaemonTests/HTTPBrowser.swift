import Foundation
import Glibc
import KVModel
import Synchronization
import TestSupport

/// A real Chromium without a window, driven over a pipe by its own debugging protocol: messages in JSON, each ended by
/// a zero byte, to its descriptor 3 and from its descriptor 4.
final class Browser: Sendable {
    private struct State {
        var waiting: [Int64: CheckedContinuation<JSONValue, any Error>] = [:]
        var events: [JSONValue] = []
        var lastID: Int64 = 0
        var isOver = false
    }

    static let program = "/usr/bin/chromium"

    private let pid: Int32
    private let commands: Int32
    private let state = Mutex(State())
    private let folder: TemporaryDirectory

    /// Starts a browser with a profile of its own.
    init() throws {
        folder = try TemporaryDirectory("browser")
        // High numbers, so that neither end is in the way of 3 and 4.
        let (commandsOut, commandsIn) = try Self.pipe()
        let (answersOut, answersIn) = try Self.pipe()
        commands = commandsIn
        defer {
            close(commandsOut)
            close(answersIn)
        }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 2, folder.file("log"), O_WRONLY | O_CREAT, 0o644)
        posix_spawn_file_actions_adddup2(&actions, commandsOut, 3)
        posix_spawn_file_actions_adddup2(&actions, answersIn, 4)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))
        posix_spawnattr_setpgroup(&attributes, 0)
        let words = [
            Self.program, "--headless=new", "--no-sandbox", "--remote-debugging-pipe",
            "--user-data-dir=\(folder.file("profile"))", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--disable-default-apps", "--disable-extensions", "--hide-scrollbars", "about:blank",
        ]
        var arguments = words.map { strdup($0) } + [nil]
        var environment =
            ProcessInfo.processInfo.environment.map { strdup("\($0.key)=\($0.value)") }
            + [strdup("HOME=\(folder.path)"), nil]
        defer { for text in arguments + environment { free(text) } }
        var pid: Int32 = 0
        OpenFiles.keepFromChildren()
        let failure = posix_spawn(&pid, Self.program, &actions, &attributes, &arguments, &environment)
        guard failure == 0 else { throw TestError(text: "cannot start \(Self.program): \(failure)") }
        self.pid = pid
        Thread.detachNewThread { [self] in
            read(answersOut)
            close(answersOut)
        }
    }

    /// Ends the browser and whatever it started, by their process group.
    func end() async throws {
        _ = try? await send("Browser.close")
        try await onOwnThread { [pid, commands] in
            let deadline = Date().addingTimeInterval(5)
            var status: Int32 = 0
            while waitpid(pid, &status, WNOHANG) == 0 {
                if Date() > deadline { kill(-pid, SIGKILL) }
                usleep(5_000)
            }
            kill(-pid, SIGKILL)
            close(commands)
        }
        folder.remove()
    }

    /// Sends a command, and returns what it results in.
    @discardableResult
    func send(
        _ method: String,
        _ parameters: [String: JSONValue] = [:],
        session: String? = nil
    ) async throws -> JSONValue {
        let id = state.withLock { state in
            state.lastID += 1
            return state.lastID
        }
        var message: [String: JSONValue] = [
            "id": .integer(id), "method": .string(method), "params": .object(parameters),
        ]
        message["sessionId"] = session.map { .string($0) }
        let bytes = Array(try JSONEncoder().encode(JSONValue.object(message))) + [0]
        let answer = try await withCheckedThrowingContinuation { continuation in
            let isOver = state.withLock { state in
                if !state.isOver { state.waiting[id] = continuation }
                return state.isOver
            }
            if isOver { return continuation.resume(throwing: TestError(text: "the browser has ended")) }
            bytes.withUnsafeBytes { buffer in
                var sent = 0
                while sent < buffer.count {
                    let written = write(commands, buffer.baseAddress.map { $0 + sent }, buffer.count - sent)
                    guard written > 0 else { return }
                    sent += written
                }
            }
        }
        if let error = answer["error"] { throw TestError(text: "\(method): \(error)") }
        return answer["result"] ?? .null
    }

    /// The events of a kind that came so far: their parameters.
    func events(_ method: String) -> [JSONValue] {
        state.withLock { state in state.events.filter { $0["method"]?.string == method }.compactMap { $0["params"] } }
    }

    private func read(_ descriptor: Int32) {
        var pending: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            pending += buffer[..<count]
            while let end = pending.firstIndex(of: 0) {
                take(Data(pending[..<end]))
                pending.removeSubrange(...end)
            }
        }
        let waiting = state.withLock { state in
            state.isOver = true
            defer { state.waiting = [:] }
            return state.waiting.values
        }
        for continuation in waiting { continuation.resume(throwing: TestError(text: "the browser has ended")) }
    }

    private func take(_ message: Data) {
        guard let message = try? JSONDecoder().decode(JSONValue.self, from: message) else { return }
        let continuation: CheckedContinuation<JSONValue, any Error>? = state.withLock { state in
            guard let id = message["id"]?.integer else {
                state.events.append(message)
                return nil
            }
            return state.waiting.removeValue(forKey: id)
        }
        continuation?.resume(returning: message)
    }

    private static func pipe() throws -> (out: Int32, in: Int32) {
        var ends: [Int32] = [0, 0]
        guard Glibc.pipe(&ends) == 0 else { throw TestError(text: "no pipe") }
        defer { for end in ends { close(end) } }
        return (fcntl(ends[0], F_DUPFD_CLOEXEC, 20), fcntl(ends[1], F_DUPFD_CLOEXEC, 20))
    }
}

/// One page of a browser.
struct BrowserPage: Sendable {
    let browser: Browser
    let session: String

    init(_ browser: Browser) async throws {
        self.browser = browser
        let target = try await browser.send("Target.createTarget", ["url": "about:blank"])
        let attached = try await browser.send(
            "Target.attachToTarget",
            ["targetId": target["targetId"] ?? .null, "flatten": true]
        )
        guard let session = attached["sessionId"]?.string else { throw TestError(text: "no page") }
        self.session = session
        for domain in ["Page", "Runtime", "Log", "Network"] { try await send("\(domain).enable") }
    }

    @discardableResult
    func send(_ method: String, _ parameters: [String: JSONValue] = [:]) async throws -> JSONValue {
        try await browser.send(method, parameters, session: session)
    }

    /// What an expression of JavaScript comes to.
    @discardableResult
    func value(_ expression: String) async throws -> JSONValue {
        let result = try await send(
            "Runtime.evaluate",
            ["expression": .string(expression), "returnByValue": true, "awaitPromise": true]
        )
        if let exception = result["exceptionDetails"] { throw TestError(text: "\(expression): \(exception)") }
        return result["result"]?["value"] ?? .null
    }

    /// Waits until an expression is true.
    func wait(for expression: String, seconds: Int = 15) async throws {
        try await eventually(expression, timeout: .seconds(seconds)) {
            // While a page gives way to the next there is nothing to ask.
            (try? await value(expression)) == .bool(true)
        }
    }

    func open(_ url: String) async throws {
        try await send("Page.navigate", ["url": .string(url)])
        try await wait(for: "document.readyState === 'complete' && location.href.startsWith('\(url)')")
    }

    func press(_ key: String, code: Int) async throws {
        var parameters: [String: JSONValue] = [
            "type": "keyDown", "key": .string(key), "code": .string(key),
            "windowsVirtualKeyCode": .integer(Int64(code)),
        ]
        if key == "Enter" { parameters["text"] = "\r" }
        try await send("Input.dispatchKeyEvent", parameters)
        parameters["type"] = "keyUp"
        parameters["text"] = nil
        try await send("Input.dispatchKeyEvent", parameters)
    }

    func resize(width: Int64, height: Int64, isPhone: Bool = false) async throws {
        try await send(
            "Emulation.setDeviceMetricsOverride",
            [
                "width": .integer(width), "height": .integer(height), "deviceScaleFactor": 1,
                "mobile": .bool(isPhone),
            ]
        )
    }

    /// Writes what the page, or what is seen of it, looks like to a file, and returns how many bytes that took.
    func screenshot(to path: String, isWhole: Bool) async throws -> Int {
        let picture = try await send(
            "Page.captureScreenshot",
            ["format": "png", "captureBeyondViewport": .bool(isWhole)]
        )
        guard let data = picture["data"]?.string.flatMap({ Data(base64Encoded: $0) }) else { return 0 }
        try data.write(to: URL(fileURLWithPath: path))
        return data.count
    }
}
