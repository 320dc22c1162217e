import Archive
import ArgumentParser
import Foundation
import KVModel
import KeyValue
import Replication

/// `cistern diff`: what differs between two points, two archives, or an archive and a live bucket.
struct DiffCommand: CisternCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff",
        abstract: "Show which keys were added, changed and removed between two points, archives or live buckets.",
        discussion: """
            A and B are archives (FILE, or FILE@POINT with a revision, a time or a tag as the point) or live buckets \
            (NAME or CLUSTER/NAME). Left out, B is A's archive at its newest point. A key is changed if its value is; \
            the same value under another revision is no difference. Differences give exit code 3.

            Examples:
              cistern diff orders.cistern@1700
              cistern diff o.cistern --at-tag before --to-at-time 2026-11-21T03:00:00Z
              cistern diff orders.cistern orders --values
              cistern diff monday.cistern tuesday.cistern --bucket sessions --json
              cistern diff east/config west/config
            """
    )

    @Argument(help: ArgumentHelp("An archive, an archive at a point, or a live bucket.", valueName: "A"))
    var first: String

    @Argument(help: ArgumentHelp("What to compare it with (default: the same archive, newest).", valueName: "B"))
    var second: String?

    @OptionGroup(title: "Bucket in the archives")
    var incarnation: IncarnationOptions

    @OptionGroup(title: "Point of A")
    var point: PointOptions

    @OptionGroup(title: "Point of B")
    var target: TargetPointOptions

    @Option(help: "Compare only these keys (NATS wildcards); may be repeated.", transform: PatternArgument.parse)
    var filter: [KeyPattern] = []

    @Flag(help: "Show the values.")
    var values = false

    @OptionGroup(title: "Connection")
    var connection: ConnectionOptions

    @OptionGroup(title: "Encryption")
    var keys: KeyOptions

    @OptionGroup(title: "Output")
    var output: OutputOptions

    /// Bytes of values that are held at once.
    private static let valueBudget = 12 << 20
    /// About the bytes that a difference takes beside its values.
    private static let itemCost = 160

    /// The two sides as the arguments say them.
    var sides: (DiffOperand, DiffOperand) {
        get throws {
            let left = try DiffOperand(first, point: point.point, option: "--at-…")
            guard let second else {
                guard case .archive(let path, _) = left else {
                    throw CommandError(.usage, text: "there is nothing to compare bucket \(first) with", hint: "name B")
                }
                return (left, .archive(path: path, target.point))
            }
            return (left, try DiffOperand(second, point: target.point, option: "--to-at-…"))
        }
    }

    func perform(_ console: Console) async throws -> RunStatus {
        let (left, right) = try sides
        return try await open(left, beside: right, console) { old in
            try await open(right, beside: left, console) { new in
                let known = [old.known, new.known].filter { !$0.isEmpty }
                if !known.isEmpty {
                    let texts = Set(known.map(FilterText.text)).sorted().joined(separator: " and of ")
                    console.warn("an archive holds only a part of its bucket: only keys of \(texts) are compared")
                }
                let (before, after) = try await (old.values(within: known), new.values(within: known))
                return try await show(BucketDifference(from: before, to: after), old, new, console)
            }
        }
    }

    /// Opens a side and gives it to `body`.
    private func open(
        _ operand: DiffOperand,
        beside other: DiffOperand,
        _ console: Console,
        _ body: (DifferenceSide) async throws -> RunStatus
    ) async throws -> RunStatus {
        switch operand {
        case .bucket(let reference):
            return try await connection.withBuckets(of: reference.cluster, console) { buckets in
                guard let name = reference.name else { throw ModelError.invalidBucketName(reference.description) }
                return try await body(.live(try await buckets.bucket(name), filter: filter))
            }
        case .archive(let path, let point):
            let reader = try keys.reader(path, console)
            var wanted = incarnation
            // A bucket of the live one's name is what is meant, where the archive holds one.
            if wanted.bucket == nil, case .bucket(let reference) = other, let name = reference.name,
                try reader.incarnations().contains(where: { $0.bucket == name })
            {
                wanted.bucket = name
            }
            let chosen = try wanted.choose(in: reader)
            let revision = try reader.resolve(point, in: chosen.id)
            return try await body(
                .archived(try reader.state(of: chosen.id, at: revision, filter: filter, historyMode: .latest))
            )
        }
    }

    private func show(
        _ difference: BucketDifference,
        _ old: DifferenceSide,
        _ new: DifferenceSide,
        _ console: Console
    ) async throws -> RunStatus {
        if values {
            var rest = difference.makeIterator()
            while let shown = Self.nextPart(&rest) {
                try write(
                    shown,
                    try await old.bytes(of: Self.states(shown, \.old)),
                    try await new.bytes(of: Self.states(shown, \.new)),
                    console
                )
            }
        } else if !difference.isEmpty {
            try write(difference, [:], [:], console)
        }
        if !console.isJSON {
            var text = "\(NumberText.count(difference.added)) added, \(NumberText.count(difference.changed)) changed, "
            text +=
                "\(NumberText.count(difference.removed)) removed, \(NumberText.count(difference.equal, "key")) equal"
            if difference.rewritten > 0 {
                text += " (\(NumberText.count(difference.rewritten)) under another revision)"
            }
            try console.report(text)
        }
        return difference.isEmpty ? .done : .different
    }

    /// As many of the next differences as have values that may be held at once; nil after the last.
    private static func nextPart(_ rest: inout BucketDifference.Iterator) -> [KeyDifference]? {
        var part: [KeyDifference] = []
        var size = 0
        while size < valueBudget, let item = rest.next() {
            size += itemCost + (item.old?.size ?? 0) + (item.new?.size ?? 0)
            part.append(item)
        }
        return part.isEmpty ? nil : part
    }

    private static func states(
        _ shown: [KeyDifference],
        _ side: KeyPath<KeyDifference, ValueState?>
    ) -> [Key: ValueState] {
        Dictionary(shown.compactMap { item in item[keyPath: side].map { (item.key, $0) } }) { first, _ in first }
    }

    /// Writes differences; the values are those that were asked for.
    private func write(
        _ shown: some Sequence<KeyDifference>,
        _ left: [Key: [UInt8]],
        _ right: [Key: [UInt8]],
        _ console: Console
    ) throws {
        guard !console.isJSON else {
            for item in shown { try console.document(DifferenceDocument(item, left[item.key], right[item.key])) }
            return
        }
        var columns: [Table.Column] = [.text("Change"), .text("Key"), .number("Revision A"), .number("Revision B")]
        if values { columns += [.text("Value A"), .text("Value B")] }
        try console.data(columns, of: shown) { item in
            var cells = [
                item.kind.rawValue, item.key.description, item.old.map { String($0.revision) } ?? "-",
                item.new.map { String($0.revision) } ?? "-",
            ]
            if values {
                cells += [left, right].map { found in found[item.key].map { ValueText.line($0, limit: 40) } ?? "-" }
            }
            return cells
        }
    }
}

/// One side of `diff` as an argument says it.
enum DiffOperand: Equatable, Sendable {
    /// An archive at a point.
    case archive(path: String, ArchivePoint)
    /// A live bucket.
    case bucket(BucketReference)

    /// Reads `FILE`, `FILE@POINT`, `NAME` or `CLUSTER/NAME`; `point` is what an option says of it.
    init(_ text: String, point: ArchivePoint, option: String) throws {
        let ending = ".cistern"
        if text.hasSuffix(ending) {
            self = .archive(path: text, point)
        } else if let range = text.range(of: ending + "@", options: .backwards) {
            guard point == .newest else {
                throw CommandError(.usage, text: "\(text) says its point already", hint: "leave out @… or \(option)")
            }
            let path = String(text[..<text.index(before: range.upperBound)])
            self = .archive(path: path, try Self.point(String(text[range.upperBound...])))
        } else {
            guard point == .newest else {
                throw CommandError(
                    .usage,
                    text: "\(text) is a live bucket, which has no other points than the present one",
                    hint: "leave out \(option), or name an archive, which ends in .cistern"
                )
            }
            self = .bucket(try BucketReference.parseSingle(text))
        }
    }

    /// A revision, a time or a tag.
    static func point(_ text: String) throws -> ArchivePoint {
        guard !text.isEmpty else {
            throw CommandError(.usage, text: "no point stands behind @", hint: "give a revision, a time or a tag")
        }
        if let revision = Revision(text) { return .revision(revision) }
        if let time = Timestamp(rfc3339: text) { return .time(time) }
        return .tag(text)
    }
}

/// The point of the second archive.
struct TargetPointOptions: ParsableArguments, Sendable {
    @Option(help: "B's state at this revision.")
    var toAtRevision: Revision?

    @Option(help: "B's state at this time (RFC 3339).", transform: PointOptions.time)
    var toAtTime: Timestamp?

    @Option(help: "B's state at the revision with this tag.")
    var toAtTag: String?

    /// Refuses more than one point.
    func validate() throws {
        guard [toAtRevision != nil, toAtTime != nil, toAtTag != nil].count(where: \.self) < 2 else {
            throw ValidationError("Give one of --to-at-revision, --to-at-time and --to-at-tag, not several.")
        }
    }

    /// The point; the newest consistent revision if none was given.
    var point: ArchivePoint {
        if let toAtRevision { return .revision(toAtRevision) }
        if let toAtTime { return .time(toAtTime) }
        if let toAtTag { return .tag(toAtTag) }
        return .newest
    }
}

/// A key that differs, in `--json` output of `diff`.
struct DifferenceDocument: Encodable, Sendable {
    /// One side.
    struct Side: Encodable, Sendable {
        var revision: Revision
        var time: String
        var size: Int
        var value: String?
        var valueBase64: String?

        init(_ state: ValueState, _ value: [UInt8]?) {
            revision = state.revision
            time = state.time.description
            size = state.size
            guard let value else { return }
            let content = TextOrBytes(value)
            self.value = content.text
            valueBase64 = content.base64
        }
    }

    var change: String
    var key: String
    var keyBase64: String?
    var old: Side?
    var new: Side?

    init(_ difference: KeyDifference, _ left: [UInt8]?, _ right: [UInt8]?) {
        change = difference.kind.rawValue
        key = difference.key.description
        keyBase64 = TextOrBytes(difference.key.bytes).base64
        old = difference.old.map { Side($0, left) }
        new = difference.new.map { Side($0, right) }
    }
}
