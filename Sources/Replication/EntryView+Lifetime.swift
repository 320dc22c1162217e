import Archive
import Foundation
import KVModel

extension EntryView {
    /// The entry's own TTL, where the bucket that it comes from heeds such.
    ///
    /// Servers before 2.11 store `Nats-TTL` without effect: such an entry lives on, and so must its copies.
    func lifetime(isHeeded: Bool) -> EntryLifetime? {
        isHeeded && !headers.isEmpty ? EntryLifetime(headers: headers) : nil
    }
}

extension BucketState {
    /// Whether the bucket heeded the TTLs that its entries have; not known of one without a configuration, whose entries
    /// stay.
    var heedsEntryTTL: Bool {
        get throws {
            guard let record = configuration else { return false }
            let stream = try JSONDecoder().decode(JSONValue.self, from: Data(record.json.utf8))
            return BucketConfiguration(stream: stream).allowsEntryTTL
        }
    }
}
