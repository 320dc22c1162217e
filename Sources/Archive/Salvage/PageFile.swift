import Foundation

/// The pages of a damaged SQLite file, as far as they can be read: no tree, no schema, no trust.
///
/// The pages of a write-ahead log beside the file count as SQLite would count them: up to the last commit that is whole.
final class PageFile {
    let pageSize: Int
    let pageCount: Int
    private let file: FileHandle
    private let log: FileHandle?
    private var logged: [Int: UInt64] = [:]

    init(path: String) throws {
        try FileState.checkPresent(path, mayBeMissing: false)
        guard let file = FileHandle(forReadingAtPath: path) else {
            throw ArchiveError(.io("it cannot be read"), path: path, hint: "check its permissions")
        }
        self.file = file
        let header = try file.read(upToCount: 100) ?? Data()
        let declared = header.count < 18 ? 0 : Int(header[16]) << 8 | Int(header[17])
        pageSize = declared >= 512 && declared.nonzeroBitCount == 1 ? declared : ArchiveFormat.pageSize
        log = FileHandle(forReadingAtPath: path + "-wal")
        var count = (FileState.size(path) + pageSize - 1) / pageSize
        if let log { count = max(count, try Self.readLog(log, pageSize: pageSize, into: &logged)) }
        pageCount = count
    }

    deinit {
        // Files that were only read: there is nothing to lose when they are closed.
        try? file.close()
        try? log?.close()
    }

    /// A page, numbered from 1; what lies beyond the file is zero.
    func page(_ number: Int) throws -> [UInt8] {
        var bytes: [UInt8]
        if let log, let offset = logged[number] {
            try log.seek(toOffset: offset)
            bytes = Array(try log.read(upToCount: pageSize) ?? Data())
        } else {
            try file.seek(toOffset: UInt64(number - 1) * UInt64(pageSize))
            bytes = Array(try file.read(upToCount: pageSize) ?? Data())
        }
        if bytes.count < pageSize { bytes += [UInt8](repeating: 0, count: pageSize - bytes.count) }
        return bytes
    }

    /// The pages that hold nothing, so that what was dropped long ago is not taken for more: those that the list of free
    /// pages and the map of pages both call so, and those that one of them does.
    func freePages() throws -> (certain: Set<Int>, doubtful: Set<Int>) {
        let listed = try freeByList()
        let mapped = try freeByMap()
        return (listed.intersection(mapped), listed.symmetricDifference(mapped))
    }

    /// The pages on the list of free ones; none if it is not whole.
    private func freeByList() throws -> Set<Int> {
        let header = try page(1)
        var trunk = Self.number(header, 32)
        let count = Self.number(header, 36)
        var free: Set<Int> = []
        while trunk != 0 {
            guard trunk <= pageCount, free.count <= count, free.insert(trunk).inserted else { return [] }
            let bytes = try page(trunk)
            let leaves = Self.number(bytes, 4)
            guard leaves <= pageSize / 4 - 2 else { return [] }
            for index in 0..<leaves { free.insert(Self.number(bytes, 8 + 4 * index)) }
            trunk = Self.number(bytes, 0)
        }
        return free.count == count ? free : []
    }

    /// The pages that the map calls free: a file that can give space back says of each page whose it is.
    private func freeByMap() throws -> Set<Int> {
        var free: Set<Int> = []
        let span = pageSize / 5
        for first in stride(from: 2, through: pageCount, by: span + 1) {
            // SQLite never uses the page with this byte: it locks there.
            let map = first == 0x4000_0000 / pageSize + 1 ? first + 1 : first
            guard map < pageCount else { break }
            let types = try page(map)
            for number in map + 1...min(map + span, pageCount) where types[5 * (number - map - 1)] == 2 {
                free.insert(number)
            }
        }
        return free
    }

    /// A number of four bytes, highest first.
    static func number(_ bytes: [UInt8], _ offset: Int) -> Int {
        bytes[offset..<offset + 4].reduce(0) { $0 << 8 | Int($1) }
    }

    /// Finds the newest committed frame of each page; answers how many pages the last commit left.
    private static func readLog(_ log: FileHandle, pageSize: Int, into logged: inout [Int: UInt64]) throws -> Int {
        let header = [UInt8](try log.read(upToCount: 32) ?? Data())
        guard header.count == 32, number(header, 0) & ~1 == 0x377f_0682, number(header, 8) == pageSize else { return 0 }
        let isBigEndian = number(header, 0) & 1 == 1
        var sum = checksum(header[0..<24], from: (0, 0), isBigEndian)
        guard sum == (UInt32(number(header, 24)), UInt32(number(header, 28))) else { return 0 }
        var offset: UInt64 = 32
        var count = 0
        var open: [Int: UInt64] = [:]
        while true {
            try log.seek(toOffset: offset)
            let frame = [UInt8](try log.read(upToCount: 24 + pageSize) ?? Data())
            guard frame.count == 24 + pageSize, frame[8..<16] == header[16..<24] else { break }
            sum = checksum(frame[0..<8], from: sum, isBigEndian)
            sum = checksum(frame[24...], from: sum, isBigEndian)
            guard sum == (UInt32(number(frame, 16)), UInt32(number(frame, 20))) else { break }
            open[number(frame, 0)] = offset + 24
            if number(frame, 4) > 0 {
                count = number(frame, 4)
                logged.merge(open) { $1 }
                open = [:]
            }
            offset += UInt64(24 + pageSize)
        }
        return count
    }

    private static func checksum(
        _ bytes: ArraySlice<UInt8>,
        from start: (UInt32, UInt32),
        _ isBigEndian: Bool
    ) -> (UInt32, UInt32) {
        var (first, second) = start
        var index = bytes.startIndex
        func word(_ at: Int) -> UInt32 {
            let parts = bytes[at..<at + 4].map { UInt32($0) }
            return isBigEndian
                ? parts[0] << 24 | parts[1] << 16 | parts[2] << 8 | parts[3]
                : parts[3] << 24 | parts[2] << 16 | parts[1] << 8 | parts[0]
        }
        while index + 8 <= bytes.endIndex {
            first &+= word(index) &+ second
            second &+= word(index + 4) &+ first
            index += 8
        }
        return (first, second)
    }
}
