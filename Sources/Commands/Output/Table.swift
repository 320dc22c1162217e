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
        var layout = TableLayout(columns)
        for row in rows { layout.fit(row) }
        return [layout.heading(isColored: isColored)] + rows.map(layout.line)
    }
}

/// How wide the columns of a table are: for a table of so many rows that they are made twice, not held.
struct TableLayout: Sendable {
    private let columns: [Table.Column]
    private var widths: [Int]

    /// Columns as wide as their titles.
    init(_ columns: [Table.Column]) {
        self.columns = columns
        widths = columns.map(\.title.count)
    }

    /// Makes room for the cells of a row.
    mutating func fit(_ cells: [String]) {
        for (index, cell) in cells.prefix(widths.count).enumerated() {
            widths[index] = max(widths[index], cell.columnWidth)
        }
    }

    /// The titles.
    func heading(isColored: Bool) -> String {
        TextStyle.bold.applied(to: line(columns.map { $0.title.uppercased() }), isOn: isColored)
    }

    /// A row that was made room for; its cells are safe for a terminal.
    func line(_ cells: [String]) -> String {
        var text = ""
        for (index, cell) in cells.prefix(widths.count).enumerated() {
            let padding = String(repeating: " ", count: max(0, widths[index] - cell.columnWidth))
            text += columns[index].isNumber ? padding + cell : cell + padding
            if index < cells.count - 1 { text += "  " }
        }
        while text.utf8.last == 32 { text.removeLast() }
        return text
    }
}

extension String {
    /// How many characters an escaped text has; most are ASCII, where those need not be looked for.
    fileprivate var columnWidth: Int { utf8.allSatisfy { $0 < 128 } ? utf8.count : count }
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
