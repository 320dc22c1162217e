import KVModel

/// One line of an export, read: what is common to all types, and rooms that are used again for the next line.
struct InterchangeLine {
    /// What a line is about; `JSONLines.md` says what stands in each.
    enum Kind: String {
        case header = "cistern-export"
        case incarnation
        case configuration
        case removal
        case point
        case held
        case lost
        case tag
        case entry
        case end
    }

    /// The version of the format that is written and read.
    static let version: UInt64 = 1

    private(set) var kind: Kind?
    private(set) var revision: Revision?
    private(set) var time: Timestamp?
    private(set) var operation: Operation?
    private(set) var key: [UInt8] = []
    private(set) var headers: [UInt8] = []
    private(set) var value: [UInt8] = []
    /// Runs of revisions.
    private(set) var ranges: [ClosedRange<Revision>] = []
    private var hasHeaders = false
    private var texts: [String: String] = [:]
    private var numbers: [String: UInt64] = [:]
    private var moments: [String: Timestamp] = [:]
    private var times = TimeText()
    private var scratch: [UInt8] = []

    private static let textNames = ["cluster", "bucket", "created", "json", "name", "note", "history", "keys"]
    private static let momentNames = ["consistent_time", "updated", "since_time", "seen_time", "tagged", "proved"]
    private static let numberNames = [
        "version", "incarnations", "resume_revision", "consistent_revision", "source_messages", "source_bytes",
        "source_first", "source_last", "first", "last", "since_revision", "seen_revision", "entries",
        "exact_from",
    ]

    /// Reads a line in place of the one before.
    mutating func read(_ bytes: UnsafeRawBufferPointer) throws(LineDamage) {
        kind = nil
        revision = nil
        time = nil
        operation = nil
        key.removeAll(keepingCapacity: true)
        headers.removeAll(keepingCapacity: true)
        value.removeAll(keepingCapacity: true)
        hasHeaders = false
        if !ranges.isEmpty { ranges = [] }
        if !texts.isEmpty { texts = [:] }
        if !numbers.isEmpty { numbers = [:] }
        if !moments.isEmpty { moments = [:] }
        var parser = JSONLineParser(bytes)
        try parser.line { (name, parser) throws(LineDamage) in try member(name, &parser) }
        guard let kind else { throw LineDamage("it has no \"type\"") }
        if kind == .entry { try checkEntry() }
    }

    private mutating func member(
        _ name: UnsafeRawBufferPointer,
        _ parser: inout JSONLineParser
    ) throws(LineDamage) {
        switch true {
        case Self.same(name, "revision"): revision = try parser.number()
        case Self.same(name, "time"): time = try moment(&parser, "time")
        case Self.same(name, "key"): try parser.string(into: &key)
        case Self.same(name, "value"): try parser.string(into: &value)
        case Self.same(name, "type"): kind = try type(&parser)
        case Self.same(name, "operation"): operation = try operation(&parser)
        case Self.same(name, "headers"): try readHeaders(&parser)
        case Self.same(name, "key_base64"): try parser.base64(into: &key)
        case Self.same(name, "value_base64"): try parser.base64(into: &value)
        case Self.same(name, "headers_base64"):
            try parser.base64(into: &headers)
            hasHeaders = true
        default: try rareMember(name, &parser)
        }
    }

    /// What stands in lines of which there are few; names that are not known are passed over.
    private mutating func rareMember(
        _ bytes: UnsafeRawBufferPointer,
        _ parser: inout JSONLineParser
    ) throws(LineDamage) {
        let name = bytes.count <= 32 ? String(decoding: bytes, as: UTF8.self) : ""
        if Self.textNames.contains(name) {
            texts[name] = try parser.text()
        } else if Self.momentNames.contains(name) {
            moments[name] = try moment(&parser, name)
        } else if Self.numberNames.contains(name) {
            numbers[name] = try parser.number()
        } else if name == "ranges" {
            try readRanges(&parser)
        } else if name == "filter" {
            texts[name] = name
            try parser.skipValue()
        } else {
            try parser.skipValue()
        }
    }

    private static func same(_ name: UnsafeRawBufferPointer, _ other: StaticString) -> Bool {
        name.isSame(as: UnsafeRawBufferPointer(start: other.utf8Start, count: other.utf8CodeUnitCount))
    }

    private mutating func type(_ parser: inout JSONLineParser) throws(LineDamage) -> Kind {
        let raw = try parser.rawString()
        if Self.same(raw, "entry") { return .entry }
        let name = String(decoding: raw.prefix(32), as: UTF8.self)
        guard let kind = Kind(rawValue: name) else {
            throw LineDamage("its type \"\(Key(name))\" is unknown", hint: "a newer cistern may have written it")
        }
        return kind
    }

    private func operation(_ parser: inout JSONLineParser) throws(LineDamage) -> Operation {
        let raw = try parser.rawString()
        if Self.same(raw, "put") { return .put }
        if Self.same(raw, "delete") { return .delete }
        if Self.same(raw, "purge") { return .purge }
        throw LineDamage("its operation is none of put, delete and purge")
    }

    private mutating func moment(_ parser: inout JSONLineParser, _ name: String) throws(LineDamage) -> Timestamp {
        guard try parser.kind() == .string else { return Timestamp(nanoseconds: try parser.signed()) }
        guard let moment = times.parse(try parser.rawString()) else {
            throw LineDamage(
                "\(name) is no time",
                hint: "write RFC 3339, such as 2026-11-21T03:00:00.123456789Z, or nanoseconds since 1970"
            )
        }
        return moment
    }

    private mutating func readHeaders(_ parser: inout JSONLineParser) throws(LineDamage) {
        headers.removeAll(keepingCapacity: true)
        hasHeaders = true
        try parser.array { (parser) throws(LineDamage) in
            var name: [UInt8] = []
            var value: [UInt8] = []
            try parser.object { (member, parser) throws(LineDamage) in
                if Self.same(member, "name") {
                    try parser.string(into: &name)
                } else if Self.same(member, "value") {
                    try parser.string(into: &value)
                } else {
                    try parser.skipValue()
                }
            }
            guard name.withUnsafeBytes(HeaderLines.isName), value.withUnsafeBytes(HeaderLines.isValue) else {
                throw LineDamage("a header's name or value cannot stand in a header", hint: "give headers_base64")
            }
            HeaderLines.append(name, value, to: &headers)
        }
        if !headers.isEmpty { headers.append(contentsOf: [13, 10]) }
    }

    private mutating func readRanges(_ parser: inout JSONLineParser) throws(LineDamage) {
        ranges = []
        try parser.array { (parser) throws(LineDamage) in
            var ends: [Revision] = []
            try parser.array { (parser) throws(LineDamage) in
                guard ends.count < 2 else { throw LineDamage("a range has two ends") }
                ends.append(try Self.checked(try parser.number(), "a range"))
            }
            guard ends.count == 2, ends[0] <= ends[1], ends[0] > ranges.last?.upperBound ?? 0 else {
                throw LineDamage("its ranges do not ascend")
            }
            ranges.append(ends[0]...ends[1])
        }
    }

    private mutating func checkEntry() throws(LineDamage) {
        guard revision != nil, time != nil, let operation, !key.isEmpty else {
            throw LineDamage("an entry needs revision, time, operation and key")
        }
        if !hasHeaders {
            switch operation {
            case .put: break
            case .delete: headers = Array("NATS/1.0\r\nKV-Operation: DEL\r\n\r\n".utf8)
            case .purge: headers = Array("NATS/1.0\r\nKV-Operation: PURGE\r\nNats-Rollup: sub\r\n\r\n".utf8)
            }
        }
        guard headers.withUnsafeBytes({ Operation(headers: $0) }) == operation else {
            throw LineDamage("its operation is not what its headers say", hint: "leave headers out, or make them agree")
        }
    }

    /// Calls `body` with the entry.
    func withEntry<Result>(_ body: (EntryView) throws -> Result) rethrows -> Result {
        try key.withUnsafeBytes { key in
            try headers.withUnsafeBytes { headers in
                try value.withUnsafeBytes { value in
                    try body(
                        EntryView(
                            revision: revision ?? 0,
                            time: time ?? Timestamp(nanoseconds: 0),
                            operation: operation ?? .put,
                            key: key,
                            headers: headers,
                            value: value
                        )
                    )
                }
            }
        }
    }
}

extension InterchangeLine {
    func text(_ name: String) throws(LineDamage) -> String {
        guard let text = texts[name] else { throw LineDamage("it has no \"\(name)\"") }
        return text
    }

    func optionalText(_ name: String) -> String? { texts[name] }

    func number(_ name: String) throws(LineDamage) -> UInt64 {
        guard let number = numbers[name] else { throw LineDamage("it has no \"\(name)\"") }
        return number
    }

    func optionalNumber(_ name: String) -> UInt64? { numbers[name] }

    func moment(_ name: String) throws(LineDamage) -> Timestamp {
        guard let moment = moments[name] else { throw LineDamage("it has no \"\(name)\"") }
        return moment
    }

    func optionalMoment(_ name: String) -> Timestamp? { moments[name] }

    /// A revision that an archive can hold.
    func storedRevision(_ name: String) throws(LineDamage) -> Revision {
        try Self.checked(try number(name), name)
    }

    static func checked(_ revision: Revision, _ name: String) throws(LineDamage) -> Revision {
        guard revision <= UInt64(Int64.max) else { throw LineDamage("\(name) is beyond what an archive holds") }
        return revision
    }
}
