/// Headers and ends of tar archives (ustar), as servers read them.
enum TarWriter {
    /// What ends an archive: exactly two zero blocks, as servers 2.12 to 2.14 refuse any more.
    static let end = [UInt8](repeating: 0, count: 1024)

    /// The header of a file; names of at most 99 bytes.
    static func header(name: String, size: Int) -> [UInt8] {
        var header = [UInt8](repeating: 0, count: 512)
        func put(_ text: String, at offset: Int) {
            for (index, byte) in text.utf8.enumerated() { header[offset + index] = byte }
        }
        func octal(_ number: Int, digits: Int, at offset: Int) {
            let text = String(number, radix: 8)
            put(String(repeating: "0", count: max(0, digits - text.utf8.count)) + text, at: offset)
        }
        put(String(name.prefix(99)), at: 0)
        octal(0o600, digits: 7, at: 100)
        octal(0, digits: 7, at: 108)
        octal(0, digits: 7, at: 116)
        octal(size, digits: 11, at: 124)
        octal(0, digits: 11, at: 136)
        put("        0", at: 148)
        put("ustar", at: 257)
        put("00", at: 263)
        octal(header.reduce(0) { $0 + Int($1) }, digits: 6, at: 148)
        header[154] = 0
        return header
    }

    /// The zeros that fill a file up to whole blocks.
    static func padding(size: Int) -> [UInt8] {
        [UInt8](repeating: 0, count: (512 - size % 512) % 512)
    }
}
