import Foundation
import KVModel
import Yams

/// Reads the nodes of a configuration file, and gathers what is wrong with them: no mistake ends the search.
final class ConfigurationReader {
    /// The file's path, as messages name it.
    let file: String
    /// The folder that relative paths begin in.
    let folder: String
    /// The variables that `${NAME}` stands for.
    let environment: [String: String]
    /// Whether other users can read the file, and with it the secrets that stand in it.
    let isOpenToOthers: Bool
    /// The names under `clusters`, whether what they stand for is right or not.
    var clusterNames: [String] = []
    /// The names under `archives`.
    var archiveNames: [String] = []
    /// The mirrors and comparisons so far.
    var mirrors: [MirrorPath] = []
    /// The jobs so far that write an archive all the time, by archive.
    var holders: [String: String] = [:]
    private let document: YAMLDocument
    private var found: [ConfigurationMistake] = []

    /// A reader of a document.
    init(_ document: YAMLDocument, file: String, isOpenToOthers: Bool, environment: [String: String]) {
        self.document = document
        self.file = file
        self.environment = environment
        self.isOpenToOthers = isOpenToOthers
        folder = URL(fileURLWithPath: file).standardizedFileURL.deletingLastPathComponent().path
    }

    /// What was found, in the file's order; what was found twice, because an alias repeats it, once.
    var mistakes: [ConfigurationMistake] {
        var seen: Set<ConfigurationMistake> = []
        return found.sorted { ($0.line, $0.column) < ($1.line, $1.column) }.filter { seen.insert($0).inserted }
    }

    /// Notes a mistake.
    func mistake(_ place: TextPlace, _ text: String, _ hint: String) {
        note(place, text, hint, isWarning: false)
    }

    /// Notes what somebody should look at, and what is no mistake.
    func warn(_ place: TextPlace, _ text: String, _ hint: String) {
        note(place, text, hint, isWarning: true)
    }

    private func note(_ place: TextPlace, _ text: String, _ hint: String, isWarning: Bool) {
        found.append(
            ConfigurationMistake(
                file: file,
                line: place.line,
                column: place.column,
                text: text,
                hint: hint,
                isWarning: isWarning
            )
        )
    }
}

/// A value of a configuration file, with the key that it stands behind.
struct ConfigurationValue {
    /// The key; for an entry of a list the list's.
    let name: String
    /// Where the key stands.
    let keyPlace: TextPlace
    let node: Node

    /// Where the value stands.
    var place: TextPlace { node.mark.map { TextPlace($0) } ?? keyPlace }

    /// Whether nothing is said: `key:`, `key: ~` or `key: null`.
    var isEmpty: Bool {
        guard let scalar = node.scalar, scalar.style == .plain else { return false }
        return ["", "~", "null", "Null", "NULL"].contains(scalar.string)
    }

    /// Whether it is a mapping.
    var isMapping: Bool { node.mapping != nil }

    /// What stands there, if it is a text; variables are not replaced.
    var writtenText: String? { node.scalar?.string }

    /// What stands behind a key of it, if it is a mapping with that key.
    func value(of key: String) -> ConfigurationValue? {
        node.mapping?.first { $0.key.scalar?.string == key }.map { found in
            let place = found.key.mark.map { TextPlace($0) } ?? self.place
            return ConfigurationValue(name: key, keyPlace: place, node: found.value)
        }
    }

    /// What kind of value it is, in words.
    var kind: String {
        switch node {
        case .mapping: "a mapping"
        case .sequence: "a list"
        case .scalar, .alias: isEmpty ? "nothing" : "a text"
        }
    }
}

/// A mapping of a configuration file whose keys are known.
struct ConfigurationSection {
    /// What messages call it, such as `job nightly`.
    let title: String
    /// Where its key stands.
    let place: TextPlace
    fileprivate let values: [String: ConfigurationValue]
    /// Keys that may be meant by others that do not exist; of those nobody says that they are missing.
    fileprivate let misspelt: Set<String>
    /// Whether every key is known.
    let isWhole: Bool

    /// The value behind a key; nil if the key is not there.
    subscript(key: String) -> ConfigurationValue? { values[key] }

    /// Whether a key is there, or may be meant by one that is misspelt.
    func mayHave(_ key: String) -> Bool { values[key] != nil || misspelt.contains(key) }

    /// The keys of these that are there.
    func present(_ keys: [String]) -> [String] { keys.filter { values[$0] != nil } }
}

extension ConfigurationReader {
    /// The top of the file; nil, and a mistake, if it is no mapping.
    func top(keys: [String]) -> ConfigurationSection? {
        let example = "write clusters:, archives: and jobs:"
        guard let root = document.root else {
            mistake(.start, "the file is empty", example)
            return nil
        }
        let value = ConfigurationValue(name: "the file", keyPlace: .start, node: root)
        guard !value.isEmpty else {
            mistake(.start, "the file is empty", example)
            return nil
        }
        return section(value, "a configuration", keys: keys, example: example)
    }

    /// A mapping whose keys are of a known set.
    func section(
        _ value: ConfigurationValue,
        _ title: String,
        keys: [String],
        example: String
    ) -> ConfigurationSection? {
        guard let entries = entries(value, as: title, example: example) else { return nil }
        var values: [String: ConfigurationValue] = [:]
        var misspelt: Set<String> = []
        var isWhole = true
        for entry in entries {
            if keys.contains(entry.name) {
                values[entry.name] = entry
                continue
            }
            isWhole = false
            if let meant = Spelling.closest(to: entry.name, among: keys) { misspelt.insert(meant) }
            if entry.name == "<<" {
                mistake(entry.keyPlace, "mappings are not merged by <<", "write the keys out")
            } else {
                mistake(
                    entry.keyPlace,
                    "\"\(Self.shortened(entry.name))\" is no key of \(title)",
                    Self.suggestion(entry.name, keys, otherwise: "its keys are \(keys.joined(separator: ", "))")
                )
            }
        }
        return ConfigurationSection(
            title: title,
            place: value.keyPlace,
            values: values,
            misspelt: misspelt,
            isWhole: isWhole
        )
    }

    /// A mapping whose keys are names that somebody chose, in the file's order.
    func entries(_ value: ConfigurationValue, as title: String, example: String) -> [ConfigurationValue]? {
        guard hasKnownTag(value) else { return nil }
        guard let mapping = value.node.mapping else {
            mistake(value.place, "\(title) must be a mapping, not \(value.kind)", example)
            return nil
        }
        var entries: [ConfigurationValue] = []
        for (key, node) in mapping {
            let place = key.mark.map { TextPlace($0) } ?? value.place
            guard let name = document.name(of: key) else {
                mistake(place, "a key of \(title) is no plain text", "write KEY: VALUE")
                continue
            }
            if let first = entries.first(where: { $0.name == name }) {
                mistake(
                    place,
                    "\"\(Self.shortened(name))\" stands twice, first in line \(first.keyPlace.line)",
                    "leave one of the two out"
                )
                continue
            }
            entries.append(ConfigurationValue(name: name, keyPlace: place, node: node))
        }
        return entries
    }

    /// The entries of a list; a lone text is a list of itself.
    func list(_ value: ConfigurationValue, example: String) -> [ConfigurationValue] {
        guard hasKnownTag(value) else { return [] }
        if let sequence = value.node.sequence {
            if sequence.isEmpty {
                mistake(value.place, "\(value.name) is an empty list", "write for example \(example)")
            }
            return sequence.map { ConfigurationValue(name: value.name, keyPlace: value.keyPlace, node: $0) }
        }
        guard value.node.scalar != nil, !value.isEmpty else {
            mistake(value.place, "\(value.name) must be a list, not \(value.kind)", "write for example \(example)")
            return []
        }
        return [value]
    }

    /// Whether a value has no tag, or one of YAML's own.
    func hasKnownTag(_ value: ConfigurationValue) -> Bool {
        let tag = value.node.tag.rawValue
        guard !tag.isEmpty, tag != "!", !tag.hasPrefix("tag:yaml.org,2002:") else { return true }
        mistake(value.place, "the tag \(Self.shortened(tag)) means nothing here", "leave it out")
        return false
    }

    /// The key of a section, or a mistake that it is missing.
    func required(_ key: String, of section: ConfigurationSection, example: String) -> ConfigurationValue? {
        if let value = section[key] { return value }
        if !section.mayHave(key) {
            mistake(section.place, "\(section.title) has no \(key)", "write for example \(example)")
        }
        return nil
    }

    /// What somebody may have meant, or else all that could be meant.
    static func suggestion(_ word: String, _ known: [String], otherwise: String) -> String {
        Spelling.closest(to: word, among: known).map { "did you mean \($0)?" } ?? otherwise
    }

    /// A text that fits into a message.
    static func shortened(_ text: String) -> String {
        text.count > 80 ? "\(text.prefix(79))…" : text
    }
}
