import KVModel
import KeyValue

/// The code of the article.
enum Watching {
    static func follow(_ bucket: KeyValueBucket) async throws -> [Key: String] {
        var settings: [Key: String] = [:]
        var isComplete = false
        // region
        for try await event in bucket.watch([try KeyPattern("config.>")]) {
            switch event {
            case .entry(let entry): settings[entry.key] = entry.operation == .put ? entry.string : nil
            case .endOfInitialData: isComplete = true
            case .undecodable(let error): print(error)
            }
            if isComplete, settings["config.stop"] != nil { break }
        }
        // end
        return settings
    }

    static func work(_ bucket: KeyValueBucket) async throws {
        // region
        let options = KeyWatchOptions(start: .updates, ignoresDeletes: true)
        for try await entry in bucket.watch([try KeyPattern("jobs.*")], options: options).entries {
            // Writing to the same bucket in the loop is fine.
            try await bucket.put(Key("done.\(entry.key)"), "\(entry.revision)")
            if entry.key == "jobs.last" { break }
        }
        // end
    }

    static func resume(_ bucket: KeyValueBucket, after revision: Revision) async throws -> Revision {
        var last = revision
        // region
        let options = KeyWatchOptions(start: .revision(last + 1))
        for try await entry in bucket.watch(options: options).entries {
            last = entry.revision
            if entry.key == "end" { break }
        }
        // end
        return last
    }
}
