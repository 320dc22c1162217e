/// Where the cells of a page of a tree lie, as its head says, and whether they are all that it holds.
struct PageCells {
    /// What a page's first byte says.
    enum Kind: UInt8 {
        case innerIndex = 2
        case innerTable = 5
        case leafIndex = 10
        case leafTable = 13
    }

    let kind: Kind
    /// Where the cells begin.
    let starts: [Int]
    /// Whether cells, free blocks and fragments fill the content of the page exactly, so that no cell is hidden in it.
    let isAccounted: Bool
    /// Where a hidden cell may begin: what lies before is free, and may still hold old rows.
    let content: Int

    /// Nil if it does not look like a page of a tree.
    init?(_ page: [UInt8], _ number: Int) {
        let head = number == 1 ? 100 : 0
        guard let kind = Kind(rawValue: page[head]) else { return nil }
        let isInner = kind == .innerIndex || kind == .innerTable
        let pointers = head + (isInner ? 12 : 8)
        let count = Self.number(page, head + 3)
        guard pointers + 2 * count <= page.count else { return nil }
        self.kind = kind
        starts = (0..<count).map { Self.number(page, pointers + 2 * $0) }
        let stated = Self.number(page, head + 5)
        content = stated < pointers + 2 * count || stated > page.count ? 0 : min(stated, starts.min() ?? stated)
        isAccounted = content == stated && Self.fills(page, head, content, starts, kind)
    }

    private static func number(_ page: [UInt8], _ offset: Int) -> Int { Int(page[offset]) << 8 | Int(page[offset + 1]) }

    private static func fills(_ page: [UInt8], _ head: Int, _ content: Int, _ starts: [Int], _ kind: Kind) -> Bool {
        var parts: [Range<Int>] = []
        for start in starts {
            guard let end = end(page, start, kind), end <= page.count else { return false }
            parts.append(start..<end)
        }
        var block = number(page, head + 1)
        while block != 0 {
            guard block >= content, block + 4 <= page.count, parts.count <= page.count else { return false }
            let end = block + number(page, block + 2)
            let next = number(page, block)
            guard end >= block + 4, end <= page.count, next == 0 || next > block else { return false }
            parts.append(block..<end)
            block = next
        }
        var position = content
        var fragments = 0
        for part in parts.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            guard part.lowerBound >= position else { return false }
            fragments += part.lowerBound - position
            position = part.upperBound
        }
        return fragments + page.count - position == Int(page[head + 7])
    }

    /// Where a cell ends.
    private static func end(_ page: [UInt8], _ start: Int, _ kind: Kind) -> Int? {
        var position = start
        if kind == .innerIndex || kind == .innerTable { position += 4 }
        guard position < page.count, let first = varint(page, &position) else { return nil }
        guard kind != .innerTable else { return max(position, start + 4) }
        if kind == .leafTable, varint(page, &position) == nil { return nil }
        guard first <= 1 << 31 else { return nil }
        let size = Int(first)
        let local = localSize(size, pageSize: page.count, isTable: kind == .leafTable)
        return max(position + local + (local < size ? 4 : 0), start + 4)
    }

    /// How much of a cell's content lies on the page where it begins.
    static func localSize(_ size: Int, pageSize: Int, isTable: Bool) -> Int {
        let most = isTable ? pageSize - 35 : (pageSize - 12) * 64 / 255 - 23
        guard size > most else { return size }
        let least = (pageSize - 12) * 32 / 255 - 23
        let some = least + (size - least) % (pageSize - 4)
        return some <= most ? some : least
    }

    /// SQLite's numbers of one to nine bytes, highest first.
    static func varint(_ page: [UInt8], _ position: inout Int) -> UInt64? {
        var value: UInt64 = 0
        for count in 0..<9 {
            guard position < page.count else { return nil }
            let byte = page[position]
            position += 1
            if count == 8 { return value << 8 | UInt64(byte) }
            value = value << 7 | UInt64(byte & 0x7f)
            if byte < 0x80 { return value }
        }
        return nil
    }
}
