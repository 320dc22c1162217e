import Foundation
import Logging

/// Where a command says what it has to say: results to standard output, everything else to standard error.
///
/// One place decides what is shown and how: `--json` turns reports into documents, `-q` silences all but errors and
/// data that was asked for, colours and the progress line appear on terminals only.
struct Console: Sendable {
    /// How the user wants it.
    let options: OutputOptions.Values
    /// The variables that the program was started with.
    let environment: [String: String]
    /// The progress line.
    let progress: ProgressLine
    private let results: ResultStream
    private let errors: ErrorStream
    private let colorsResults: Bool
    private let colorsErrors: Bool
    /// Whether results go to a terminal.
    let isTerminal: Bool

    /// A console on the process's own streams.
    init(options: OutputOptions.Values, environment: [String: String]) {
        self.options = options
        self.environment = environment
        isTerminal = isatty(STDOUT_FILENO) == 1
        let errorsAreTerminal = isatty(STDERR_FILENO) == 1
        colorsResults = options.colors.colors(isTerminal: isTerminal, environment: environment)
        colorsErrors = options.colors.colors(isTerminal: errorsAreTerminal, environment: environment)
        results = ResultStream()
        let showsProgress = errorsAreTerminal && !options.isQuiet && environment["TERM"] != "dumb"
        errors = ErrorStream(showsProgress: showsProgress, width: Self.terminalWidth(environment))
        progress = ProgressLine(errors)
    }

    /// Whether results are JSON documents.
    var isJSON: Bool { options.isJSON }

    /// Whether somebody can be asked.
    var canAsk: Bool { isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1 }

    /// A logger that writes to standard error.
    func logger(_ label: String = "cistern") -> Logger {
        let (level, format, errors) = (options.logLevel, options.logFormat, errors)
        return Logger(label: label) { _ in
            StandardErrorLogHandler(logLevel: level, format: format, stream: errors)
        }
    }

    /// A text in a style, where results are coloured.
    func styled(_ text: String, _ style: TextStyle) -> String {
        style.applied(to: text, isOn: colorsResults)
    }

    /// Says what was done; silent with `-q` and with `--json`.
    func report(_ lines: [String]) throws {
        guard !options.isQuiet, !isJSON else { return }
        try data(lines)
    }

    /// Says what was done on one line.
    func report(_ line: String) throws {
        try report([line])
    }

    /// Writes lines that were asked for.
    func data(_ lines: [String]) throws {
        for line in lines { try results.writeLine(line) }
    }

    /// Writes a line that was asked for.
    func data(line: String) throws {
        try results.writeLine(line)
    }

    /// Writes a table of any number of rows: they are made twice, to find the columns' widths and to write them.
    func data<Rows: Sequence>(
        _ columns: [Table.Column],
        of rows: Rows,
        cells: (Rows.Element) -> [String]
    ) throws {
        var layout = TableLayout(columns)
        for row in rows { layout.fit(cells(row).map(\.escapedForTerminal)) }
        try data(line: layout.heading(isColored: colorsResults))
        for row in rows { try data(line: layout.line(cells(row).map(\.escapedForTerminal))) }
    }

    /// Writes a table that was asked for.
    func data(_ table: Table) throws {
        try data(lines(table))
    }

    /// The lines of a table, as results are coloured.
    func lines(_ table: Table) -> [String] {
        table.lines(isColored: colorsResults)
    }

    /// Writes bytes that were asked for, as they are.
    func data(bytes: some Collection<UInt8>) throws {
        try results.write(bytes)
    }

    /// Writes a JSON document on a line of its own.
    func document(_ document: some Encodable) throws {
        try results.write(try JSONDocument.line(document))
    }

    /// Writes out all results so far.
    func flush() throws {
        try results.flush()
    }

    /// Says something beside the results; silent with `-q`.
    func note(_ text: String) {
        guard !options.isQuiet else { return }
        errors.writeLine(text)
    }

    /// Says something to whoever is asked something; never silent.
    func say(_ text: String) {
        errors.writeLine(text.escapedForTerminal)
    }

    /// Warns beside the results; silent with `-q`.
    func warn(_ text: String) {
        guard !options.isQuiet else { return }
        let word = TextStyle.yellow.applied(to: "warning:", isOn: colorsErrors)
        errors.writeLine("cistern: \(word) \(text)")
    }

    /// Says what failed; never silent.
    func fail(_ failure: Failure) {
        progress.clear()
        let word = TextStyle.red.applied(to: "error:", isOn: colorsErrors)
        errors.writeLine("cistern: \(word) \(failure.message.escapedForTerminal)")
        if let hint = failure.hint {
            let word = TextStyle.bold.applied(to: "hint:", isOn: colorsErrors)
            errors.writeLine("\(word) \(hint.escapedForTerminal)")
        }
    }

    /// Asks a question that is answered with yes or no; no is the default.
    func confirm(_ question: String) throws -> Bool {
        try flush()
        progress.clear()
        errors.writeLine(question.escapedForTerminal + " [y/N]")
        let answer = readLine(strippingNewline: true)?.lowercased() ?? ""
        return answer == "y" || answer == "yes"
    }

    private static func terminalWidth(_ environment: [String: String]) -> Int {
        var size = winsize()
        if ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 { return Int(size.ws_col) }
        return environment["COLUMNS"].flatMap(Int.init) ?? 80
    }
}
