import Foundation

/// Where a field of a context has its value: in itself, in a file, in a variable, or in itself as Base64.
///
/// The schemes are those of the `nats` command line: `file://PATH`, `env://NAME` and `data:;base64,TEXT`; those that
/// ask other programs (`op://`, `nsc://`) are refused by name.
enum SecretReference: Equatable {
    /// The text itself.
    case literal(String)
    /// A file, by its path.
    case file(String)
    /// A variable's value.
    case variable(name: String, value: String)
    /// What the address holds.
    case data(String)

    /// What a text without a scheme is.
    enum Bare {
        case literal
        case path
    }

    /// Reads a field; the error names the field, and never repeats its text but for a scheme or a variable's name.
    init(_ text: String, field: String, bare: Bare, environment: [String: String]) throws {
        let scheme = Self.scheme(of: text)
        switch scheme {
        case "file": self = .file(try Self.path(String(text.dropFirst("file://".count)), field, environment))
        case "env":
            let name = String(text.dropFirst("env://".count))
            guard let value = environment[name], !value.isEmpty else {
                throw Self.fault("\(field) is to come from the variable \(name), which is not set", nil)
            }
            self = .variable(name: name, value: value)
        case "data": self = .data(try Self.decoded(text, field))
        case "op", "nsc":
            throw Self.fault(
                "\(field) refers to a secret by \(scheme ?? "")://, which is not supported",
                "Use a file:// or env:// reference."
            )
        default:
            switch bare {
            case .literal: self = .literal(text)
            case .path:
                guard scheme == nil else {
                    throw Self.fault(
                        "\(field) has the scheme \(scheme ?? ""):, which is not known",
                        "Give a path, or a file://, env:// or data: reference."
                    )
                }
                self = .file(try Self.path(text, field, environment))
            }
        }
    }

    /// The value, without the space around one that stands elsewhere; a file is read.
    func text(field: String) throws -> String {
        switch self {
        case .literal(let text): text
        case .variable(_, let value): value.trimmingCharacters(in: .whitespacesAndNewlines)
        case .data(let text): text.trimmingCharacters(in: .whitespacesAndNewlines)
        case .file(let path):
            try Authentication.contents(of: path, kind: "file of \(field)")
                .trimmingCharacters(in: .whitespacesAndNewlines)
        }
    }

    /// The path of a field that can be nothing else than a file.
    static func path(_ text: String, field: String, environment: [String: String]) throws -> String {
        switch scheme(of: text) {
        case nil: return try path(text, field, environment)
        case "file": return try path(String(text.dropFirst("file://".count)), field, environment)
        case let scheme?:
            throw fault("\(field) has the scheme \(scheme):, which is not supported", "Give the path of a PEM file.")
        }
    }

    /// The scheme, in small letters: `data:` or what stands before `://`.
    private static func scheme(of text: String) -> String? {
        let name = text.prefix { $0.isASCII && ($0.isLetter || $0.isNumber || "+-.".contains($0)) }.lowercased()
        let rest = text.dropFirst(name.count)
        guard name.count > 1, name.first?.isLetter == true else { return nil }
        return rest.hasPrefix("://") || (name == "data" && rest.hasPrefix(":")) ? name : nil
    }

    private static func decoded(_ text: String, _ field: String) throws -> String {
        let parts = text.split(separator: ",", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0].split(separator: ":").last?.split(separator: ";").contains("base64") == true,
            let data = Data(base64Encoded: String(parts[1])),
            let decoded = String(bytes: data, encoding: .utf8)
        else {
            throw fault("\(field) is a data: reference that cannot be read", "Write it as data:;base64,TEXT.")
        }
        return decoded
    }

    /// A path with `~`, `$NAME` and `${NAME}` replaced.
    private static func path(_ text: String, _ field: String, _ environment: [String: String]) throws -> String {
        var rest = text[...]
        var path = ""
        if rest == "~" || rest.hasPrefix("~/") {
            path = environment["HOME"] ?? NSHomeDirectory()
            rest.removeFirst()
        }
        while let dollar = rest.firstIndex(of: "$") {
            path += rest[..<dollar]
            rest = rest[dollar...].dropFirst()
            let isBraced = rest.first == "{"
            let name = rest.drop { $0 == "{" && isBraced }
                .prefix { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
            let end = isBraced ? rest.firstIndex(of: "}").map { rest.index(after: $0) } : name.endIndex
            guard !name.isEmpty, let end else {
                path += "$"
                continue
            }
            guard let value = environment[String(name)] else {
                throw fault("the path of \(field) names the variable \(name), which is not set", nil)
            }
            path += value
            rest = rest[end...]
        }
        return path + rest
    }

    private static func fault(_ cause: String, _ hint: String?) -> NATSError {
        NATSError(.invalidConfiguration, cause: "a context's \(cause)", hint: hint)
    }
}
