/// Reads a tar archive (ustar, PAX, GNU long names) as its bytes come, holding no more than a header.
struct TarReader {
    /// What comes next in the archive.
    enum Event {
        /// A file begins.
        case file(name: String, size: UInt64)
        /// Some of its bytes.
        case bytes(UnsafeRawBufferPointer)
        /// All of its bytes have come.
        case fileEnd
        /// The archive is at its end; whatever follows does not count.
        case archiveEnd
        /// All that was given has been used.
        case needsMore
    }

    private enum State: Equatable {
        case header
        case file
        case extended(kind: UInt8)
        case skipped
        case ended
    }

    private static let blockBytes = 512
    private static let maximumExtension: UInt64 = 1 << 20

    private var state = State.header
    private var header: [UInt8] = []
    private var extended: [UInt8] = []
    private var longName: String?
    private var longSize: UInt64?
    private var left: UInt64 = 0
    private var padding = 0
    private var zeroBlocks = 0
    private var offset: UInt64 = 0

    /// Takes the next event out of `input`, which shrinks by what was used.
    mutating func next(_ input: inout UnsafeRawBufferPointer) throws(StreamSnapshotError) -> Event {
        while true {
            switch state {
            case .ended:
                use(&input, input.count)
                return .needsMore
            case .header:
                if padding > 0 { padding -= use(&input, min(padding, input.count)) }
                guard padding == 0, gatherHeader(&input) else { return .needsMore }
                if let event = try begin() { return event }
            case .file:
                guard left > 0 else {
                    state = .header
                    return .fileEnd
                }
                guard !input.isEmpty else { return .needsMore }
                let part = UnsafeRawBufferPointer(rebasing: input[0..<portion(input)])
                left -= UInt64(use(&input, part.count))
                return .bytes(part)
            case .skipped:
                left -= UInt64(use(&input, portion(input)))
                guard left == 0 else { return .needsMore }
                state = .header
            case .extended(let kind):
                extended.append(contentsOf: input[0..<portion(input)])
                left -= UInt64(use(&input, portion(input)))
                guard left == 0 else { return .needsMore }
                try takeExtension(kind)
                state = .header
            }
        }
    }

    /// Checks that the archive came to its end.
    func finish() throws(StreamSnapshotError) {
        guard state == .ended else { throw failure(.truncated, "the archive has no end") }
    }

    @discardableResult
    private mutating func use(_ input: inout UnsafeRawBufferPointer, _ count: Int) -> Int {
        input = UnsafeRawBufferPointer(rebasing: input[count...])
        offset += UInt64(count)
        return count
    }

    private func portion(_ input: UnsafeRawBufferPointer) -> Int {
        Int(min(left, UInt64(input.count)))
    }

    private mutating func gatherHeader(_ input: inout UnsafeRawBufferPointer) -> Bool {
        let count = min(Self.blockBytes - header.count, input.count)
        header.append(contentsOf: input[0..<count])
        use(&input, count)
        return header.count == Self.blockBytes
    }

    private mutating func begin() throws(StreamSnapshotError) -> Event? {
        defer { header.removeAll(keepingCapacity: true) }
        if header.allSatisfy({ $0 == 0 }) {
            zeroBlocks += 1
            guard zeroBlocks == 2 else { return nil }
            state = .ended
            return .archiveEnd
        }
        guard zeroBlocks == 0 else { throw failure(.corrupt, "there is something after the end of the archive") }
        try checkSum()
        let size = try number(124..<136)
        let kind = header[156]
        left = size
        switch kind {
        case 120, 76, 103, 75:
            // x, L: about the next file; g, K: nothing that matters here.
            guard size <= Self.maximumExtension else { throw failure(.tooLarge, "an extended header of \(size) bytes") }
            extended.removeAll(keepingCapacity: true)
            state = .extended(kind: kind)
        case 0, 48, 55:
            left = longSize ?? size
            let name = longName ?? shortName()
            (longName, longSize) = (nil, nil)
            state = .file
            setPadding()
            return .file(name: name, size: left)
        default:
            (longName, longSize) = (nil, nil)
            state = .skipped
        }
        setPadding()
        return nil
    }

    private mutating func setPadding() {
        padding = Int((512 - left % 512) % 512)
    }

    private func checkSum() throws(StreamSnapshotError) {
        var sum: UInt64 = 8 * 32
        for (index, byte) in header.enumerated() where !(148..<156).contains(index) { sum += UInt64(byte) }
        guard try number(148..<156) == sum else { throw failure(.corrupt, "a header's checksum is wrong") }
    }

    private func number(_ range: Range<Int>) throws(StreamSnapshotError) -> UInt64 {
        let field = header[range]
        guard let first = field.first else { return 0 }
        if first & 0x80 != 0 {
            guard first == 0x80, field.dropFirst().dropLast(8).allSatisfy({ $0 == 0 }) else {
                throw failure(.corrupt, "a number in a header is out of bounds")
            }
            let value = field.suffix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            guard value <= UInt64(Int64.max) else { throw failure(.corrupt, "a number in a header is out of bounds") }
            return value
        }
        var value: UInt64 = 0
        for byte in field.drop(while: { $0 == 32 }) {
            if byte == 0 || byte == 32 { break }
            guard (48...55).contains(byte) else { throw failure(.corrupt, "a number in a header is none") }
            value = value << 3 | UInt64(byte - 48)
        }
        return value
    }

    private func shortName() -> String {
        func text(_ range: Range<Int>) -> String {
            String(decoding: header[range].prefix { $0 != 0 }, as: UTF8.self)
        }
        let isUstar = header[257..<262].elementsEqual("ustar".utf8) && header[262] == 0
        let prefix = isUstar ? text(345..<500) : ""
        return prefix.isEmpty ? text(0..<100) : prefix + "/" + text(0..<100)
    }

    private mutating func takeExtension(_ kind: UInt8) throws(StreamSnapshotError) {
        if kind == 76 { longName = String(decoding: extended.prefix { $0 != 0 }, as: UTF8.self) }
        guard kind == 120 else { return }
        var rest = extended[...]
        while !rest.isEmpty {
            // "LENGTH NAME=VALUE\n", the length being that of the whole line.
            let digits = rest.prefix { (48...57).contains($0) }
            guard (1...7).contains(digits.count) else { throw failure(.corrupt, "an extended header is unsound") }
            let length = digits.reduce(0) { $0 * 10 + Int($1 - 48) }
            guard length > digits.count + 1, length <= rest.count else {
                throw failure(.corrupt, "an extended header is unsound")
            }
            let line = rest.prefix(length).dropFirst(digits.count + 1).dropLast()
            let name = line.prefix { $0 != 61 }
            let value = String(decoding: line.dropFirst(name.count + 1), as: UTF8.self)
            if name.elementsEqual("path".utf8) { longName = value }
            if name.elementsEqual("size".utf8) {
                guard let size = UInt64(value), size <= UInt64(Int64.max) else {
                    throw failure(.corrupt, "an extended header is unsound")
                }
                longSize = size
            }
            rest = rest.dropFirst(length)
        }
    }

    private func failure(_ code: StreamSnapshotError.Code, _ text: String) -> StreamSnapshotError {
        StreamSnapshotError(code, at: "tar archive, byte \(offset)", text)
    }
}
