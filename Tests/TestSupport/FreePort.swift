import Foundation
import Glibc
import Synchronization

/// Free loopback ports, below those that the system gives to outgoing connections: a stopped server's port is still
/// there for its restart.
public enum FreePort {
    private static let given = Mutex<Set<Int>>([])

    /// A port that nobody listens on now and that was not given out before by this process.
    public static func next() throws -> Int {
        let (port, listener) = try listen()
        close(listener)
        return port
    }

    /// Listens on such a port at once, so that no other process can take it.
    static func listen() throws -> (port: Int, listener: Int32) {
        for _ in 0..<1_000 {
            let port = Int.random(in: 10_000..<32_000)
            guard given.withLock({ $0.insert(port).inserted }) else { continue }
            if let listener = try? Socket.listen(port: port) { return (port, listener) }
        }
        throw StartError(description: "no free port on 127.0.0.1")
    }
}

/// The few calls on blocking loopback sockets that tests need.
enum Socket {
    /// Listens on 127.0.0.1.
    static func listen(port: Int) throws -> Int32 {
        let socket = try make()
        var yes: Int32 = 1
        setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        guard withAddress(port, { bind(socket, $0, $1) }) == 0, Glibc.listen(socket, 128) == 0 else {
            return try fail(closing: socket, "listen on port \(port)")
        }
        return socket
    }

    /// Connects to 127.0.0.1.
    static func connect(port: Int) throws -> Int32 {
        let socket = try make()
        guard withAddress(port, { Glibc.connect(socket, $0, $1) }) == 0 else {
            return try fail(closing: socket, "connect to port \(port)")
        }
        var yes: Int32 = 1
        setsockopt(socket, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, socklen_t(MemoryLayout<Int32>.size))
        return socket
    }

    /// Sends all `count` bytes; false if the other end is gone.
    static func send(_ socket: Int32, _ bytes: UnsafeRawPointer, _ count: Int) -> Bool {
        var sent = 0
        while sent < count {
            let written = Glibc.send(socket, bytes + sent, count - sent, Int32(MSG_NOSIGNAL))
            if written < 0, errno == EINTR { continue }
            if written <= 0 { return false }
            sent += written
        }
        return true
    }

    private static func make() throws -> Int32 {
        // Not inherited by the programs that tests start: a copy there would keep a cut connection open.
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let socket = Glibc.socket(AF_INET, type, 0)
        return socket >= 0 ? socket : try fail(closing: nil, "make a socket")
    }

    private static func fail(closing socket: Int32?, _ what: String) throws -> Int32 {
        let reason = String(cString: strerror(errno))
        if let socket { close(socket) }
        throw StartError(description: "cannot \(what): \(reason)")
    }

    private static func withAddress(
        _ port: Int,
        _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) -> Int32 {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(port)).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
        let size = MemoryLayout<sockaddr_in>.size
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(size)) }
        }
    }
}
