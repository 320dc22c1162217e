import JetStream
import KVModel
import KeyValue

/// What the removal of deleted keys would remove now.
struct CompactionForecast: Sendable, Hashable {
    /// How many deleted keys there are.
    let keys: Int
    /// How many entries of theirs would go.
    let entries: UInt64

    /// Reads a bucket's headers, values left out.
    init(_ bucket: Bucket, olderThan age: Duration) async throws {
        var options = WatchOptions()
        options.headersOnly = true
        options.start = .lastPerSubject
        var markers: [Key: Timestamp] = [:]
        try await bucket.readAll(options) { entry in
            markers[Key(bytes: Array(entry.key))] = entry.operation == .put ? nil : entry.time
        }
        keys = markers.count
        guard !markers.isEmpty else {
            entries = 0
            return
        }
        options.start = .all
        var held: [Key: UInt64] = [:]
        try await bucket.readAll(options) { entry in
            let key = Key(bytes: Array(entry.key))
            if markers[key] != nil { held[key, default: 0] += 1 }
        }
        let now = bucket.info.serverTime ?? .wallClock()
        let limit = age > .zero ? now.nanoseconds - Int64(min(age.inSeconds, 9e9) * 1e9) : Int64.max
        entries = held.reduce(0) { sum, key in
            let isOld = markers[key.key].map { $0.nanoseconds < limit } ?? false
            return sum + (isOld ? key.value : key.value - 1)
        }
    }
}
