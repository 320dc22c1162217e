import Yams

/// A YAML text as nodes, each with its place.
///
/// Keys that stand twice in a mapping, where the parser would stop, are all kept: ``name(of:)`` tells each key's name.
struct YAMLDocument {
    /// Why a text is no YAML.
    struct Fault: Error, Equatable {
        var place: TextPlace
        var text: String
        var hint: String
    }

    /// The top of it; nil if the text says nothing.
    let root: Node?
    /// What the first letter of a key was that was replaced to tell it from another one of the same name.
    private let letters: [Unicode.Scalar: Unicode.Scalar]

    /// So many keys may stand twice before the rest is not looked for.
    private static let duplicateLimit = 200

    /// Reads a text.
    init(_ text: String) throws(Fault) {
        var scalars = Array(text.unicodeScalars)
        if scalars.first == "\u{FEFF}" { scalars.removeFirst() }
        let present = Set(scalars)
        var spares = (0xE000...0xF8FF).lazy.compactMap { Unicode.Scalar($0 as Int) }.filter { !present.contains($0) }
            .prefix(Self.duplicateLimit).makeIterator()
        var letters: [Unicode.Scalar: Unicode.Scalar] = [:]
        while true {
            var candidate = ""
            candidate.unicodeScalars.append(contentsOf: scalars)
            do {
                // No tag is guessed from a text: what `on` or `12` mean is decided by who reads it.
                root = try Yams.compose(yaml: candidate, .basic)
                break
            } catch let YamlError.duplicatedKeysInMapping(keys, context) {
                guard let spare = spares.next(), let key = keys.first?.unicodeScalars.first,
                    let index = Self.position(of: key, at: context.mark, in: scalars)
                else { throw Self.duplicate(keys.first ?? "", at: context.mark) }
                letters[spare] = key
                scalars[index] = spare
            } catch let error as YamlError {
                throw Self.fault(error, scalars)
            } catch {
                throw Fault(place: .start, text: "it cannot be read as YAML", hint: "check it with another YAML tool")
            }
        }
        self.letters = letters
    }

    /// The name that a key says; nil if it is no plain text.
    func name(of key: Node) -> String? {
        guard let text = key.scalar?.string else { return nil }
        guard let first = text.unicodeScalars.first, let letter = letters[first] else { return text }
        var name = String(Character(letter))
        name.unicodeScalars.append(contentsOf: text.unicodeScalars.dropFirst())
        return name
    }

    /// Where the first letter of a key stands in the text, if it can be replaced there.
    private static func position(of letter: Unicode.Scalar, at mark: Mark, in scalars: [Unicode.Scalar]) -> Int? {
        let quotes: Set<Unicode.Scalar> = ["\"", "'"]
        guard var index = offset(TextPlace(mark), in: scalars), !quotes.contains(letter), letter != "\\" else {
            return nil
        }
        if quotes.contains(scalars[index]) { index += 1 }
        return index < scalars.count && scalars[index] == letter ? index : nil
    }

    /// The offset of a place; nil if the text ends before.
    private static func offset(_ place: TextPlace, in scalars: [Unicode.Scalar]) -> Int? {
        var (line, index) = (1, 0)
        while line < place.line, index < scalars.count {
            let isReturn = scalars[index] == "\r" && index + 1 < scalars.count && scalars[index + 1] == "\n"
            if Self.breaks.contains(scalars[index]), !isReturn { line += 1 }
            index += 1
        }
        index += place.column - 1
        return line == place.line && index < scalars.count ? index : nil
    }

    private static let breaks: Set<Unicode.Scalar> = ["\n", "\r", "\u{85}", "\u{2028}", "\u{2029}"]

    private static func duplicate(_ key: String, at mark: Mark) -> Fault {
        Fault(place: TextPlace(mark), text: "\"\(key)\" stands twice", hint: "leave one of the two out")
    }
}

extension YAMLDocument {
    private static func fault(_ error: YamlError, _ scalars: [Unicode.Scalar]) -> Fault {
        switch error {
        case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
            .composer(let context, let problem, let mark, _):
            // What is not closed is seen at the end only; where it begins says more.
            let isOpen = openEnds.contains { problem.contains($0) }
            let place = TextPlace(isOpen ? context?.mark ?? mark : mark)
            let (text, hint) = explain(
                problem,
                context?.text ?? "",
                offset(place, in: scalars).map { scalars[$0] }
            )
            return Fault(place: place, text: text, hint: hint)
        case .reader(_, let offset, _, _):
            var place = TextPlace.start
            for scalar in scalars.prefix(offset ?? 0) {
                place =
                    scalar == "\n"
                    ? TextPlace(line: place.line + 1, column: 1)
                    : TextPlace(line: place.line, column: place.column + 1)
            }
            return Fault(
                place: place,
                text: "a control character cannot stand in YAML",
                hint: "take it out, or write it in double quotes as \\x and two hexadecimal digits"
            )
        default:
            return Fault(place: .start, text: "it cannot be read as YAML", hint: "check it with another YAML tool")
        }
    }

    private static let openEnds = ["unexpected end of stream", "expected ',' or", "could not find expected ':'"]

    /// A parser's words in ours.
    private static func explain(
        _ problem: String,
        _ context: String,
        _ scalar: Unicode.Scalar?
    ) -> (text: String, hint: String) {
        if scalar == "\t" || problem.contains("tab character") {
            return ("a tab cannot indent", "indent with spaces")
        }
        if problem.contains("cannot start any token"), let scalar {
            let quoted = scalar == "@" ? "\"@daily\"" : "\"\(scalar)…\""
            return ("no plain text can begin with \(scalar)", "put it into quotes, for example \(quoted)")
        }
        if context.contains("alias") || problem.contains("undefined alias") {
            return ("a plain text that begins with * refers to an anchor, and there is none", "write \"*\" in quotes")
        }
        if context.contains("anchor") {
            return ("a plain text that begins with & names an anchor, and this one has no name", "put it into quotes")
        }
        for (words, text, hint) in explanations where problem.contains(words) { return (text, hint) }
        return ("it is no YAML: \(problem)", "look at this line and the one before it")
    }

    private static let explanations: [(words: String, text: String, hint: String)] = [
        (
            "mapping values are not allowed", "a colon stands where no key can",
            "indent the line like its neighbours, and put a text with a colon and a space in it into quotes"
        ),
        ("could not find expected ':'", "a key without a colon", "write KEY: VALUE"),
        ("did not find expected key", "the indentation fits no mapping", "indent the keys of one mapping alike"),
        ("expected '-' indicator", "the indentation fits no list", "begin each entry of the list with - and a space"),
        ("expected ',' or ']'", "a list in brackets does not end", "write for example [a, b]"),
        ("expected ',' or '}'", "a mapping in braces does not end", "write for example { a: 1, b: 2 }"),
        ("unexpected end of stream", "a quote is not closed", "close it at the end of the text"),
        ("expected <document start>", "a second value begins", "indent it, or give it a key"),
        ("another document", "a second document begins", "take the line --- out: a file holds one document"),
        ("nesting level", "it is nested too deeply", "write it flatter"),
        ("unknown escape character", "there is no such escape in double quotes", "write \\\\ for a backslash"),
    ]
}

extension TextPlace {
    init(_ mark: Mark) {
        self.init(line: mark.line, column: mark.column)
    }
}
