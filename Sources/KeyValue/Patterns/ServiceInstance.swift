import Foundation
import KVModel

/// One running copy of a service, as a registry shows it.
public struct ServiceInstance: Sendable, Hashable, Identifiable {
    /// What it is a copy of, such as `billing` or `billing.europe`.
    public let service: String
    /// What tells it from other copies of the service.
    public let id: String
    /// Where it is reached; whatever its clients understand, such as `10.0.0.7:8080` or a subject.
    public let address: String
    /// What else they should know: a version, a zone, a weight.
    public let metadata: [String: String]

    /// An instance of a service.
    ///
    /// Both names are of letters, digits, `-`, `_`, `/` and `=`; a service may have dots inside, an `id` not. Throws
    /// `invalidKey` for others.
    public init(
        service: String,
        id: String = Self.randomID(),
        address: String,
        metadata: [String: String] = [:]
    ) throws {
        guard Key(service).isLegal, Key(id).isLegal, !id.contains(".") else {
            throw KeyValueError(code: .invalidKey, bucket: nil, key: Key("\(service).\(id)"))
        }
        self.service = service
        self.id = id
        self.address = address
        self.metadata = metadata
    }

    /// An id that nobody else has.
    public static func randomID() -> String {
        (0..<2).map { _ in String(UInt64.random(in: .min ... .max), radix: 36) }.joined()
    }

    /// The key that it stands in.
    var key: Key { Key("\(service).\(id)") }

    /// What the key holds.
    private struct Card: Codable {
        var address: String
        var metadata: [String: String]?
        /// Who wrote it: an instance that was started again under its old id is another one.
        var session: String?
    }

    /// The value of its key, written by a session.
    func value(session: String) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let card = Card(address: address, metadata: metadata.isEmpty ? nil : metadata, session: session)
        return Array(try encoder.encode(card))
    }

    /// The session that wrote an entry; nil if none did.
    static func session(of entry: KeyValueEntry) -> String? {
        guard entry.operation == .put else { return nil }
        do { return try entry.json(Card.self).session } catch { return nil }
    }

    /// The instance that an entry stands for; nil if it is none.
    init?(_ entry: KeyValueEntry) {
        guard entry.operation == .put, let key = String(validating: entry.key.bytes, as: UTF8.self),
            let dot = key.lastIndex(of: ".")
        else { return nil }
        do {
            let card = try entry.json(Card.self)
            try self.init(
                service: String(key[..<dot]),
                id: String(key[key.index(after: dot)...]),
                address: card.address,
                metadata: card.metadata ?? [:]
            )
        } catch {
            return nil
        }
    }
}
