import Foundation
import KVModel

/// JSON as bytes, for the small documents inside snapshots.
enum JSONText {
    /// Larger documents are refused.
    static let maximumBytes = 4 << 20

    /// Reads a document; `place` names it in the error.
    static func decode(_ bytes: [UInt8], _ place: String) throws(StreamSnapshotError) -> JSONValue {
        do {
            return try JSONDecoder().decode(JSONValue.self, from: Data(bytes))
        } catch {
            throw StreamSnapshotError(.corrupt, at: place, "it is not JSON")
        }
    }

    /// Writes a document with sorted members.
    static func encode(_ value: JSONValue, pretty: Bool = false) throws(StreamSnapshotError) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        if pretty { encoder.outputFormatting.insert(.prettyPrinted) }
        do {
            return Array(try encoder.encode(value))
        } catch {
            throw StreamSnapshotError(.invalid, at: "configuration", "it cannot be written as JSON")
        }
    }
}
