import KVModel

/// An OpenAPI document, and what of it or of an answer does not fit it.
///
/// It knows the words that the document uses, and takes what no schema names for a mistake: the description is whole.
struct APIDescription {
    private let document: JSONValue
    private static let methods = ["get", "put", "post", "delete", "options", "head", "patch", "trace"]

    init(_ document: JSONValue) throws {
        self.document = document
    }

    /// What is wrong with the document itself.
    func mistakes() -> [String] {
        var mistakes: [String] = []
        if document["openapi"]?.string?.hasPrefix("3.1.") != true { mistakes.append("no OpenAPI 3.1") }
        for field in ["title", "version"] where document["info"]?[field]?.string == nil {
            mistakes.append("info has no \(field)")
        }
        var names = Set<String>()
        for (path, item) in document["paths"]?.object ?? [:] {
            for (method, operation) in item.object ?? [:] where Self.methods.contains(method) {
                let place = "\(method) \(path)"
                let name = operation["operationId"]?.string ?? ""
                if name.isEmpty || !names.insert(name).inserted { mistakes.append("\(place): operationId") }
                if operation["responses"]?.object?.isEmpty != false { mistakes.append("\(place): responses") }
                let parameters = (item["parameters"]?.array ?? []) + (operation["parameters"]?.array ?? [])
                let inPath = parameters.map { resolved($0) }.filter { $0["in"] == "path" }.compactMap(
                    \.["name"]?.string
                )
                let wanted = path.split(separator: "/").filter { $0.hasPrefix("{") }.map { $0.dropFirst().dropLast() }
                if Set(inPath) != Set(wanted.map(String.init)) { mistakes.append("\(place): path parameters") }
            }
        }
        if names.isEmpty { mistakes.append("no operations") }
        return mistakes + danglingReferences(in: document)
    }

    /// What of an answer the document does not describe.
    func mistakes(of answer: JSONValue, method: String, path: String, status: Int) -> [String] {
        let responses = document["paths"]?[path]?[method]?["responses"]
        guard let response = responses?[String(status)] else { return ["\(status) is not described"] }
        guard let schema = resolved(response)["content"]?["application/json"]?["schema"] else { return ["no schema"] }
        return check(answer, schema, at: "")
    }

    private func check(_ value: JSONValue, _ schema: JSONValue, at place: String) -> [String] {
        let schema = resolved(schema)
        var mistakes: [String] = []
        if let type = schema["type"]?.string, !fits(value, type) { mistakes.append("\(place) is no \(type)") }
        if let values = schema["enum"]?.array, !values.contains(value) { mistakes.append("\(place) is not listed") }
        if schema["format"] == "date-time", value.string.flatMap({ Timestamp(rfc3339: $0) }) == nil {
            mistakes.append("\(place) is no time")
        }
        if let members = value.object {
            for name in schema["required"]?.array ?? [] where members[name.string ?? ""] == nil {
                mistakes.append("\(place) lacks \(name.string ?? "")")
            }
            for (name, member) in members {
                if let known = schema["properties"]?[name] {
                    mistakes += check(member, known, at: "\(place).\(name)")
                } else {
                    mistakes.append("\(place).\(name) is not described")
                }
            }
        }
        for element in value.array ?? [] {
            mistakes += check(element, schema["items"] ?? .null, at: place + "[]")
        }
        return mistakes
    }

    private func fits(_ value: JSONValue, _ type: String) -> Bool {
        switch type {
        case "object": value.object != nil
        case "array": value.array != nil
        case "string": value.string != nil
        case "boolean": value.bool != nil
        case "integer": value.integer != nil || value.unsigned != nil
        case "number":
            if case .number = value { true } else { value.integer != nil }
        default: false
        }
    }

    private func resolved(_ value: JSONValue) -> JSONValue {
        guard let reference = value["$ref"]?.string else { return value }
        return target(of: reference) ?? .null
    }

    private func target(of reference: String) -> JSONValue? {
        guard reference.hasPrefix("#/") else { return nil }
        var found: JSONValue? = document
        for part in reference.dropFirst(2).split(separator: "/") { found = found?[String(part)] }
        return found
    }

    private func danglingReferences(in value: JSONValue) -> [String] {
        var mistakes: [String] = []
        if let reference = value["$ref"]?.string, target(of: reference) == nil { mistakes.append(reference) }
        for member in value.object?.values.map({ $0 }) ?? [] { mistakes += danglingReferences(in: member) }
        for element in value.array ?? [] { mistakes += danglingReferences(in: element) }
        return mistakes
    }
}
