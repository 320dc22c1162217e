/// Cuts a stream of bytes into lines; of a long line no more is held than the limit.
struct LineSplitter {
    /// What a line may take: twice the largest message that a server takes (64 MiB), escaped, and what stands round it.
    static let maximumLineBytes = 192 << 20
    private static let chunk = 1 << 20

    private let source: (UnsafeMutableRawBufferPointer) throws -> Int
    private let limit: Int
    private var buffer: [UInt8] = []
    private var start = 0
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
            if let end = lineEnd() {
                number += 1
                let range = start..<end
                start = end + 1
                scanned = start
                try buffer.withUnsafeBytes { try body($0.part(range)) }
                return true
            }
            guard buffer.count - start <= limit else {
                number += 1
                throw LineDamage("it is longer than \(limit) bytes", hint: "no entry of a server can be that long")
            }
            if isAtEnd {
                guard start < buffer.count else { return false }
                number += 1
                let range = start..<buffer.count
                start = buffer.count
                scanned = start
                try buffer.withUnsafeBytes { try body($0.part(range)) }
                return true
            }
            try fill()
        }
    }

    private mutating func lineEnd() -> Int? {
        let found = buffer.withUnsafeBytes { bytes in
            bytes.part(scanned..<bytes.count).firstIndex(of: 10).map { $0 + scanned }
        }
        if found == nil { scanned = buffer.count }
        return found
    }

    private mutating func fill() throws {
        if start > 0 {
            buffer.removeSubrange(0..<start)
            scanned -= start
            start = 0
        }
        let before = buffer.count
        // A long line grows by half, so that it is not moved for every piece.
        let room = max(Self.chunk, before / 2)
        buffer.append(contentsOf: repeatElement(0, count: room))
        let count = try buffer.withUnsafeMutableBytes { bytes in
            try source(UnsafeMutableRawBufferPointer(rebasing: bytes[before..<before + room]))
        }
        buffer.removeSubrange((before + max(0, min(count, room)))...)
        if count <= 0 { isAtEnd = true }
    }
}
