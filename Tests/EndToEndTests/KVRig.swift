import Foundation
import TestSupport
import Testing

extension Rig {
    /// Runs `cistern kv` and gives its standard output.
    @discardableResult
    func kv(
        _ arguments: [String],
        code: Int32 = 0,
        input: String? = nil,
        _ location: SourceLocation = #_sourceLocation
    ) async throws -> String {
        try await kvResult(arguments, code: code, input: input, location).outputText
    }

    /// Runs `cistern kv`, expects an exit code, and gives all that it said.
    @discardableResult
    func kvResult(
        _ arguments: [String],
        code: Int32 = 0,
        input: String? = nil,
        _ location: SourceLocation = #_sourceLocation
    ) async throws -> CisternProcess.Result {
        let result = try await CisternProcess.run(
            ["kv"] + arguments + ["-s", server.url],
            input: input.map { Array($0.utf8) },
            timeout: .seconds(60)
        )
        #expect(result.code == code, "kv \(arguments.joined(separator: " ")): \(result)", sourceLocation: location)
        return result
    }

    /// Runs `cistern kv --json` and gives its documents, one a line.
    func kvDocuments(
        _ arguments: [String],
        input: String? = nil,
        _ location: SourceLocation = #_sourceLocation
    ) async throws -> [JSON] {
        let text = try await kv(arguments + ["--json"], input: input, location)
        return try text.split(separator: "\n").map { try JSONDecoder().decode(JSON.self, from: Data($0.utf8)) }
    }

    /// Runs `cistern kv --json` and gives its one document.
    func kvDocument(
        _ arguments: [String],
        input: String? = nil,
        _ location: SourceLocation = #_sourceLocation
    ) async throws -> JSON {
        let documents = try await kvDocuments(arguments, input: input, location)
        #expect(documents.count == 1, sourceLocation: location)
        return try #require(documents.first, sourceLocation: location)
    }

    /// Runs `cistern kv` on a terminal and gives what stood on it.
    func kvTerminal(
        _ arguments: [String],
        code: Int32 = 0,
        answers: [Terminal.Answer] = [],
        _ location: SourceLocation = #_sourceLocation
    ) async throws -> String {
        let result = try await Terminal.run(["kv"] + arguments + ["-s", server.url], answers: answers)
        #expect(result.code == code, "kv \(arguments.joined(separator: " ")): \(result)", sourceLocation: location)
        return result.outputText
    }
}

/// A JSON value, to be compared and looked into.
enum JSON: Decodable, Equatable {
    case null
    case bool(Bool)
    case number(Double)
    case text(String)
    case list([JSON])
    case object([String: JSON])

    init(from decoder: any Decoder) throws {
        let value = try decoder.singleValueContainer()
        if value.decodeNil() {
            self = .null
        } else if let bool = try? value.decode(Bool.self) {
            self = .bool(bool)
        } else if let number = try? value.decode(Double.self) {
            self = .number(number)
        } else if let text = try? value.decode(String.self) {
            self = .text(text)
        } else if let list = try? value.decode([JSON].self) {
            self = .list(list)
        } else {
            self = .object(try value.decode([String: JSON].self))
        }
    }

    subscript(name: String) -> JSON? {
        if case .object(let members) = self { members[name] } else { nil }
    }

    subscript(index: Int) -> JSON? {
        if case .list(let elements) = self, elements.indices.contains(index) { elements[index] } else { nil }
    }
}

extension JSON: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
    ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    init(stringLiteral value: String) { self = .text(value) }
    init(integerLiteral value: Int) { self = .number(Double(value)) }
    init(booleanLiteral value: Bool) { self = .bool(value) }
    init(arrayLiteral elements: JSON...) { self = .list(elements) }
    init(dictionaryLiteral elements: (String, JSON)...) { self = .object(Dictionary(elements) { $1 }) }
}
