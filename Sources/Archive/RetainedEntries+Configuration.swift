import Foundation
import KVModel

extension RetainedEntries.Policy {
    /// The policy of a stream configuration as the server's JSON has it.
    init(json: String) throws(ArchiveError) {
        let value: JSONValue
        do {
            value = try JSONDecoder().decode(JSONValue.self, from: Data(json.utf8))
        } catch {
            throw ArchiveError(.corrupt("a configuration is not JSON"), cause: error)
        }
        self.init(
            history: Int(value["max_msgs_per_subject"]?.integer ?? 0),
            maximumAge: value["max_age"]?.integer ?? 0,
            allowsEntryTTL: value["allow_msg_ttl"]?.bool ?? false
        )
    }
}

extension RetainedEntries.Rollup {
    /// What a header block makes the server drop: servers act on `Nats-Rollup`, whatever the operation.
    init(headers: UnsafeRawBufferPointer) {
        self = .nothing
        guard !headers.isEmpty, let value = HeaderBlock.value(of: "Nats-Rollup", in: headers) else { return }
        if value.elementsEqual("sub".utf8) { self = .key }
        if value.elementsEqual("all".utf8) { self = .everything }
    }
}
