import Crypto

/// The header and the table of columns of a segment's body, checked; unpacks one column at a time.
struct BodyColumns {
    private struct Place {
        let coding: SegmentFormat.Coding
        let size: Int
        let stored: Range<Int>
    }

    let entries: Int
    let keys: Int
    let headers: Int
    private let places: [Place]
    private let body: [UInt8]

    init(_ bytes: UnsafeRawBufferPointer) throws {
        var reader = ByteReader(bytes)
        guard try reader.take(4).elementsEqual(SegmentFormat.magic) else {
            throw SegmentDamage("it does not begin as one")
        }
        let version = try reader.byte()
        guard version == SegmentFormat.version else {
            throw SegmentDamage("its body has the unknown version \(version)")
        }
        let columns = SegmentFormat.Column.allCases
        let reserved = (try reader.byte(), try reader.byte(), try reader.byte())
        guard reserved == (UInt8(columns.count), 0, 0) else { throw SegmentDamage("its body has an unknown layout") }
        entries = Int(try reader.littleEndian())
        keys = Int(try reader.littleEndian())
        headers = Int(try reader.littleEndian())
        guard entries > 0, entries <= SegmentFormat.maximumEntries, keys > 0, keys <= entries, headers <= entries else {
            throw SegmentDamage("its counts are out of bounds")
        }
        var table: [(SegmentFormat.Coding, Int, Int)] = []
        for column in columns {
            let identifier = try reader.byte()
            let code = try reader.byte()
            let size = Int(try reader.littleEndian())
            let stored = Int(try reader.littleEndian())
            guard identifier == column.rawValue, let coding = SegmentFormat.Coding(rawValue: code),
                coding == .zstd || size == stored
            else { throw SegmentDamage("its table of columns is wrong") }
            guard size <= Self.limit(column, entries: entries, keys: keys, headers: headers) else {
                throw SegmentDamage("a column declares more bytes than it can have")
            }
            table.append((coding, size, stored))
        }
        var offset = reader.position
        var places: [Place] = []
        for (coding, size, stored) in table {
            guard stored <= bytes.count - offset else { throw SegmentDamage("its body ends too early") }
            places.append(Place(coding: coding, size: size, stored: offset..<offset + stored))
            offset += stored
        }
        guard offset == bytes.count else { throw SegmentDamage("its body is longer than its columns") }
        self.places = places
        body = Array(bytes)
    }

    /// Calls `read` with the bytes of a column.
    func unpack<Result>(
        _ column: SegmentFormat.Column,
        _ read: (UnsafeRawBufferPointer) throws -> Result
    ) throws -> Result {
        let place = places[Int(column.rawValue) - 1]
        return try body.withUnsafeBytes { bytes in
            let stored = bytes.part(place.stored)
            switch place.coding {
            case .raw: return try read(stored)
            case .zstd: return try Decompressor.decompress(stored, count: place.size).withUnsafeBytes(read)
            }
        }
    }

    /// The most bytes that a column of so many entries can have.
    private static func limit(_ column: SegmentFormat.Column, entries: Int, keys: Int, headers: Int) -> Int {
        let bound =
            switch column {
            case .keys: keys * (SegmentFormat.maximumKeyBytes + 6)
            case .keyReferences, .headerReferences: entries * 4
            case .revisions, .times: entries * 10
            case .operations: entries
            case .headerBlocks: headers * (SegmentFormat.maximumHeaderBytes + 5)
            case .valueLengths: entries * 5
            case .valueBlocks: entries * (16 + SHA256.byteCount)
            }
        return min(bound, SegmentFormat.maximumColumnBytes)
    }
}

/// Byte strings end to end.
struct ByteStrings: Sendable {
    let bytes: [UInt8]
    private let ends: [Int]

    var count: Int { ends.count }

    func range(_ index: Int) -> Range<Int> {
        (index == 0 ? 0 : ends[index - 1])..<ends[index]
    }

    /// Reads sorted strings of which each says how many bytes it shares with its predecessor.
    init(prefixCompressed input: UnsafeRawBufferPointer, count: Int) throws(SegmentDamage) {
        // The first pass checks and measures, the second copies.
        var reader = ByteReader(input)
        var places: [(shared: Int, rest: Range<Int>)] = []
        places.reserveCapacity(count)
        var ends: [Int] = []
        ends.reserveCapacity(count)
        var end = 0
        var previous = 0
        for _ in 0..<count {
            let shared = try reader.count(limit: previous, "a shared prefix")
            let rest = try reader.count(limit: SegmentFormat.maximumKeyBytes - shared, "a key's length")
            previous = shared + rest
            end += previous
            guard end <= SegmentFormat.maximumColumnBytes else { throw SegmentDamage("keys are too long") }
            _ = try reader.take(rest)
            places.append((shared, reader.position - rest..<reader.position))
            ends.append(end)
        }
        guard reader.isAtEnd else { throw SegmentDamage("there are more keys than declared") }
        bytes = [UInt8](unsafeUninitializedCapacity: end) { output, initialized in
            let output = UnsafeMutableRawBufferPointer(output)
            var before = 0
            for (shared, rest) in places {
                let start = initialized
                output[start..<start + shared].copyBytes(
                    from: UnsafeRawBufferPointer(rebasing: output[before..<before + shared])
                )
                output[start + shared..<start + shared + rest.count].copyBytes(from: input.part(rest))
                before = start
                initialized = start + shared + rest.count
            }
        }
        self.ends = ends
    }

    /// Reads strings whose lengths stand before all of them.
    init(lengthsAndBytes input: UnsafeRawBufferPointer, count: Int) throws(SegmentDamage) {
        var reader = ByteReader(input)
        var ends: [Int] = []
        ends.reserveCapacity(count)
        var total = 0
        for _ in 0..<count {
            total += try reader.count(limit: input.count, "a header block's length")
            ends.append(total)
        }
        bytes = Array(try reader.take(total))
        guard reader.isAtEnd else { throw SegmentDamage("there are more header blocks than declared") }
        self.ends = ends
    }

    /// Calls `body` with a string's bytes.
    func withString<Result>(_ index: Int, _ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        try bytes.withUnsafeBytes { try body($0.part(range(index))) }
    }
}
