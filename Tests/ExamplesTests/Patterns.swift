import KVModel
import KeyValue

/// The code of the article.
enum Patterns {
    // region
    static func add(_ amount: Int, to key: Key, in bucket: KeyValueBucket) async throws -> Int {
        while true {
            let entry = try await bucket.latest(key, consistency: .leader)
            let sum = (entry?.string.flatMap { Int($0) } ?? 0) + amount
            do {
                try await bucket.update(key, "\(sum)", expecting: entry?.revision ?? 0)
                return sum
            } catch let error as KeyValueError where error.code == .wrongRevision {
                continue
            }
        }
    }
    // end

    static func once(_ bucket: KeyValueBucket) async throws {
        // region
        do {
            try await bucket.create("nightly.2026-11-22", "host-1")
            print("this host does it")
        } catch let error as KeyValueError where error.code == .keyExists {
            print("another host does it")
        }
        // end
    }

    static func share(_ bucket: KeyValueBucket) async throws {
        // region
        let readOnly = bucket.readOnly
        for try await entry in readOnly.watch([try KeyPattern("flags.>")]).entries {
            print(entry.key, entry.string == "on")
            if entry.key == "flags.beta" { break }
        }
        // end
    }
}
