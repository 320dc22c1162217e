import Foundation
import Synchronization

/// Standard output, or a file: results, gathered into large writes.
final class ResultStream: Sendable {
    private let descriptor: Int32
    private let name: String
    private let pending = Mutex<[UInt8]>([])
    private static let limit = 64 << 10

    /// The stream behind a descriptor.
    init(descriptor: Int32 = STDOUT_FILENO, name: String = "standard output") {
        self.descriptor = descriptor
        self.name = name
    }

    /// Writes bytes, now or with what follows.
    func write(_ bytes: some Collection<UInt8>) throws {
        try pending.withLock { pending in
            pending.append(contentsOf: bytes)
            if pending.count >= Self.limit { try drain(&pending) }
        }
    }

    /// Writes a line, now or with what follows.
    func writeLine(_ text: String) throws {
        try write(Array(text.utf8) + [10])
    }

    /// Writes out all that was gathered.
    func flush() throws {
        try pending.withLock { try drain(&$0) }
    }

    private func drain(_ pending: inout [UInt8]) throws {
        var position = 0
        defer { pending.removeAll(keepingCapacity: true) }
        while position < pending.count {
            let count = pending.withUnsafeBytes { buffer in
                Foundation.write(descriptor, buffer.baseAddress?.advanced(by: position), buffer.count - position)
            }
            if count > 0 {
                position += count
                continue
            }
            let reason = errno
            if reason == EINTR { continue }
            if reason == EAGAIN {
                var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                _ = poll(&waiting, 1, -1)
                continue
            }
            guard reason != EPIPE else { throw CommandError(.outputClosed) }
            throw CommandError(
                .outputFailed,
                text: "\(name) cannot be written: \(String(cString: strerror(reason)))",
                hint: "check where it goes; what was done to archives and buckets is done"
            )
        }
    }
}
