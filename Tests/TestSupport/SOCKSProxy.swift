import Foundation
import Glibc

/// A real SOCKS5 proxy, microsocks, on a free loopback port.
public final class SOCKSProxy: Sendable {
    /// Its host:port.
    public let address: String
    private let process: ChildProcess

    /// Starts one; the arguments are those of microsocks.
    public static func start(_ arguments: [String] = []) async throws -> SOCKSProxy {
        let port = try FreePort.next()
        var plan = ChildProcess.Plan(program: "/usr/bin/env")
        plan.arguments = ["microsocks", "-i", "127.0.0.1", "-p", "\(port)"] + arguments
        let proxy = SOCKSProxy(port: port, process: try ChildProcess(plan))
        do {
            try await onOwnThread {
                try waitOnThread("the proxy to listen", seconds: 30) {
                    guard let socket = try? Socket.connect(port: port) else { return false }
                    Glibc.close(socket)
                    return true
                }
            }
        } catch {
            proxy.close()
            throw error
        }
        return proxy
    }

    /// Where nobody listens.
    public static func nowhere() throws -> String { "127.0.0.1:\(try FreePort.next())" }

    private init(port: Int, process: ChildProcess) {
        address = "127.0.0.1:\(port)"
        self.process = process
    }

    /// Stops it.
    public func close() { process.send(SIGKILL) }
}
