extension BucketConfiguration {
    /// The shortest time that servers keep an entry for.
    static let shortestTTL: Int64 = 100_000_000
    /// The shortest time that servers keep markers for, and the shortest lifetime of a single entry.
    static let shortestMarkerTTL: Int64 = 1_000_000_000

    /// Throws what every server would refuse, or take for something that is no bucket (ADR-8, ADR-48, ADR-57).
    ///
    /// Says nothing about what depends on the server: its version, its limits and what else it holds.
    public func validate() throws(ModelError) {
        guard name != nil else { throw .invalidBucketName(nameText) }
        guard (1...64).contains(history) else {
            throw .invalidSetting("history", value: "\(history)", reason: "a bucket keeps 1 to 64 entries of a key")
        }
        guard (1...5).contains(replicas) else {
            throw .invalidSetting("replicas", value: "\(replicas)", reason: "it must be a whole number from 1 to 5")
        }
        guard Storage(rawValue: storage) != nil else {
            throw .invalidSetting("storage", value: storage, reason: "storage is file or memory")
        }
        try validateTimes()
        guard maximumValueSize <= Int64(Int32.max) else {
            throw .invalidSetting("max-value-size", value: "\(maximumValueSize)", reason: "servers take at most 2 GiB")
        }
        try validateOrigins()
        if let republish, republish.destination.isEmpty {
            throw .invalidSetting("republish.destination", value: "", reason: "say under which subjects")
        }
    }

    private var nameText: String {
        let text = stream["name"]?.string ?? ""
        return text.hasPrefix("KV_") ? String(text.dropFirst(3)) : text
    }

    private func validateTimes() throws(ModelError) {
        guard ttl == 0 || ttl >= Self.shortestTTL else {
            throw .invalidSetting("ttl", value: Self.text(ttl), reason: "servers take 0 (none) or at least 100ms")
        }
        let marker = limitMarkerTTL
        guard marker == 0 || marker >= Self.shortestMarkerTTL else {
            throw .invalidSetting(
                "limit-marker-ttl",
                value: Self.text(marker),
                reason: "servers take 0 (none) or at least 1s"
            )
        }
        guard marker == 0 || !isMirror else {
            throw .invalidSetting(
                "limit-marker-ttl",
                value: Self.text(marker),
                reason: "a mirror makes no markers, it has those of the bucket that it mirrors"
            )
        }
    }

    private func validateOrigins() throws(ModelError) {
        if isMirror, stream["sources"]?.array?.isEmpty == false {
            throw .invalidSetting("sources", value: "", reason: "a mirror takes the entries of one bucket and no other")
        }
        for (field, origins) in [("mirror", [mirror].compactMap { $0 }), ("sources", sources)] {
            for origin in origins {
                guard !origin.name.isEmpty else {
                    throw .invalidSetting(field, value: "", reason: "it must name a bucket")
                }
                let json = origin.json
                guard json["filter_subject"] == nil || origin.transforms.isEmpty else {
                    throw .invalidSetting(field, value: origin.name, reason: "give keys or transforms, not both")
                }
                guard origin.startSequence == nil || origin.startTime == nil else {
                    throw .invalidSetting(field, value: origin.name, reason: "give a start sequence or time, not both")
                }
                guard origin.deliverPrefix == nil || origin.externalAPI != nil else {
                    throw .invalidSetting(field, value: origin.name, reason: "a deliver prefix needs an external API")
                }
            }
        }
    }

    private static func text(_ nanoseconds: Int64) -> String {
        DurationText.text(nanoseconds: nanoseconds)
    }
}
