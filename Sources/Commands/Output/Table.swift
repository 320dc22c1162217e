/// Rows under headings, in aligned columns, with nothing but spaces between them.
struct Table: Sendable {
    /// A column.
    struct Column: Sendable, Hashable {
        /// What stands above it.
        var title: String
        /// Whether its cells are numbers, which stand on the right.
        var isNumber = false

        /// A column of text.
        static func text(_ title: String) -> Column { Column(title: title) }
        /// A column of numbers.
        static func number(_ title: String) -> Column { Column(title: title, isNumber: true) }
    }

    let columns: [Column]
    private(set) var rows: [[String]] = []

    init(_ columns: [Column]) {
        self.columns = columns
    }

    /// Adds a row; missing cells stay empty, cells are made safe for a terminal.
    mutating func add(_ cells: [String]) {
        let padding = Array(repeating: "", count: max(0, columns.count - cells.count))
        rows.append(cells.prefix(columns.count).map(\.escapedForTerminal) + padding)
    }

    /// The lines, headings first; no line ends in spaces.
    func lines(isColored: Bool = false) -> [String] {
        let widths = columns.indices.map { index in
            rows.reduce(columns[index].title.count) { max($0, $1[index].count) }
        }
        let heading = line(columns.map { $0.title.uppercased() }, widths)
        return [TextStyle.bold.applied(to: heading, isOn: isColored)] + rows.map { line($0, widths) }
    }

    private func line(_ cells: [String], _ widths: [Int]) -> String {
        var text = ""
        for (index, cell) in cells.enumerated() {
            let padding = String(repeating: " ", count: max(0, widths[index] - cell.count))
            text += columns[index].isNumber ? padding + cell : cell + padding
            if index < cells.count - 1 { text += "  " }
        }
        while text.last == " " { text.removeLast() }
        return text
    }
}

/// Names and values under each other, the values aligned.
struct FieldList: Sendable {
    private(set) var fields: [(name: String, value: String)] = []

    /// Adds a field; nil values are left out.
    mutating func add(_ name: String, _ value: String?) {
        guard let value else { return }
        fields.append((name, value.escapedForTerminal))
    }

    /// The lines, indented by so many spaces.
    func lines(indent: Int = 0) -> [String] {
        let width = fields.reduce(0) { max($0, $1.name.count) }
        return fields.map { field in
            let padding = String(repeating: " ", count: width - field.name.count)
            return String(repeating: " ", count: indent) + field.name + ":" + padding + " " + field.value
        }
    }
}
