import Foundation

/// Cuts a stream of bytes into lines; of a long line no more is held than the limit.
struct LineSplitter {
    /// What a line may take: twice the largest message that a server takes (64 MiB), escaped, and what stands round it.
    static let maximumLineBytes = 192 << 20
    private static let chunk = 1 << 20

    private let source: (UnsafeMutableRawBufferPointer) throws -> Int
    private let limit: Int
    /// Room for bytes, of which those from `start` to `end` were read and not given out.
    private var buffer = [UInt8](repeating: 0, count: chunk)
    private var start = 0
    private var end = 0
    private var scanned = 0
    private var isAtEnd = false
    /// The number of the last line given out, from 1.
    private(set) var number = 0

    /// Lines of what `source` reads; it answers how many bytes it has put, 0 at the end.
    init(limit: Int = maximumLineBytes, _ source: @escaping (UnsafeMutableRawBufferPointer) throws -> Int) {
        self.source = source
        self.limit = limit
    }

    /// Calls `body` with the next line, without its end; answers false after the last.
    mutating func next(_ body: (UnsafeRawBufferPointer) throws -> Void) throws -> Bool {
        while true {
            if let lineEnd = findLineEnd() {
                try give(start..<lineEnd, next: lineEnd + 1, body)
                return true
            }
            guard end - start <= limit else {
                number += 1
                throw LineDamage("it is longer than \(limit) bytes", hint: "no entry of a server can be that long")
            }
            if isAtEnd {
                guard start < end else { return false }
                try give(start..<end, next: end, body)
                return true
            }
            try fill()
        }
    }

    private mutating func give(
        _ line: Range<Int>,
        next: Int,
        _ body: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        number += 1
        start = next
        scanned = next
        try buffer.withUnsafeBytes { try body($0.part(line)) }
    }

    private mutating func findLineEnd() -> Int? {
        let found = buffer.withUnsafeBytes { bytes -> Int? in
            guard scanned < end, let base = bytes.baseAddress, let found = memchr(base + scanned, 10, end - scanned)
            else {
                return nil
            }
            return UnsafeRawPointer(found) - base
        }
        if found == nil { scanned = end }
        return found
    }

    private mutating func fill() throws {
        if start > 0 {
            let kept = start..<end
            buffer.withUnsafeMutableBytes { bytes in
                guard let base = bytes.baseAddress else { return }
                memmove(base, base + kept.lowerBound, kept.count)
            }
            scanned -= start
            end = kept.count
            start = 0
        }
        // A long line grows by half, so that it is not moved for every piece.
        if end == buffer.count { buffer.append(contentsOf: repeatElement(0, count: max(Self.chunk, end / 2))) }
        let free = end..<buffer.count
        let count = try buffer.withUnsafeMutableBytes { bytes in
            try source(UnsafeMutableRawBufferPointer(rebasing: bytes[free]))
        }
        end += max(0, min(count, free.count))
        if count <= 0 { isAtEnd = true }
    }
}
