/// The headers of a message: an ordered list in which a name may occur more than once.
///
/// A name is looked up as it is written, and without regard to case if that finds nothing: the server writes
/// canonical names, clients of other languages do not always.
public struct Headers: Sendable, Equatable, ExpressibleByDictionaryLiteral {
    /// One line of the block.
    public struct Field: Sendable, Equatable {
        /// The name, as written.
        public let name: String

        /// The value, without surrounding blanks.
        public let value: String
    }

    /// The lines, in order.
    public private(set) var fields: [Field]

    /// The status code of the first line, such as 503.
    public let status: Int?

    /// The words after the status code.
    public let statusDescription: String?

    /// Makes a list of headers, empty unless told otherwise.
    public init(_ fields: [(name: String, value: String)] = []) {
        self.init(fields: fields.map { Field(name: $0.name, value: $0.value) })
    }

    /// Makes headers from a literal, whose order is kept.
    public init(dictionaryLiteral elements: (String, String)...) {
        self.init(fields: elements.map { Field(name: $0.0, value: $0.1) })
    }

    init(fields: [Field], status: Int? = nil, statusDescription: String? = nil) {
        self.fields = fields
        self.status = status
        self.statusDescription = statusDescription
    }

    /// Whether there is no header; a status line may still be there.
    public var isEmpty: Bool { fields.isEmpty }

    /// The first value of a name; setting replaces every value of it, and nil removes them.
    public subscript(name: String) -> String? {
        get { matching(name).first?.value }
        set {
            if let newValue { set(name, to: newValue) } else { remove(name) }
        }
    }

    /// Every value of a name, in order.
    public func values(for name: String) -> [String] {
        matching(name).map(\.value)
    }

    /// Adds a value after those that are there.
    public mutating func append(_ name: String, _ value: String) {
        fields.append(Field(name: name, value: value))
    }

    /// Makes a value the only one of its name.
    public mutating func set(_ name: String, to value: String) {
        remove(name)
        append(name, value)
    }

    /// Removes every value of a name, in any case.
    public mutating func remove(_ name: String) {
        let wanted = name.lowercased()
        fields.removeAll { $0.name.lowercased() == wanted }
    }

    /// Why these headers cannot be written, or nil if they can.
    public var fault: ProtocolError? {
        for field in fields {
            let nameIsSound =
                !field.name.isEmpty && field.name.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7F && $0 != UInt8(ascii: ":") }
            guard nameIsSound, field.value.utf8.allSatisfy({ $0 != 0x0D && $0 != 0x0A }) else {
                return ProtocolError(
                    .invalidHeader,
                    cause: "the header \"\(field.name.prefix(64))\" has an illegal name or a line break in its value"
                )
            }
        }
        return nil
    }

    private func matching(_ name: String) -> [Field] {
        let exact = fields.filter { $0.name == name }
        guard exact.isEmpty else { return exact }
        let wanted = name.lowercased()
        return fields.filter { $0.name.lowercased() == wanted }
    }
}
