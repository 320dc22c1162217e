import JetStream
import KVModel
import KeyValue
import Replication

/// What is said of a bucket.
enum BucketText {
    /// All that `info` says.
    static func lines(_ bucket: Bucket, _ console: Console) -> [String] {
        let (configuration, state) = (bucket.configuration, bucket.info.state)
        var fields = FieldList()
        fields.add("Bucket name", bucket.name.rawValue)
        fields.add("Description", configuration.description.isEmpty ? nil : configuration.description)
        fields.add("Created", bucket.info.created)
        fields.add("History kept", SettingsText.history(configuration.history))
        fields.add("Entries stored", NumberText.count(state.messages))
        fields.add("Keys, deleted ones too", BucketDocument.keys(bucket.info).map { NumberText.count($0) })
        fields.add("Revisions", state.messages == 0 ? "none" : "\(state.firstSequence) to \(state.lastSequence)")
        fields.add("Bucket size", NumberText.bytes(state.bytes))
        fields.add("Maximum bucket size", NumberText.bytes(configuration.maximumBytes))
        fields.add("Maximum value size", NumberText.bytes(configuration.maximumValueSize))
        fields.add("Maximum age", configuration.ttl == 0 ? "unlimited" : SettingsText.ttl(configuration.ttl))
        if configuration.limitMarkerTTL > 0 {
            fields.add("Limit markers", SettingsText.ttl(configuration.limitMarkerTTL))
        }
        fields.add("Storage", configuration.storage)
        fields.add("Compressed", configuration.isCompressed ? "yes" : "no")
        fields.add("Replicas", String(configuration.replicas))
        fields.add("JetStream stream", bucket.info.name)
        for (name, value) in configuration.withoutServerMetadata.metadata.sorted(by: { $0.key < $1.key }) {
            fields.add("Metadata \(name)", value)
        }
        if configuration.isMirror { fields.add("Mirror of", origin(configuration)) }
        if let marker = RestoreMarker(configuration) {
            fields.add("Unfinished", "a restore of \(marker.source) that did not finish; run it again")
        }
        return [console.styled("Information for Key-Value bucket \(bucket.name)".escapedForTerminal, .bold), ""]
            + fields.lines(indent: 2)
    }

    private static func origin(_ configuration: BucketConfiguration) -> String {
        let stream = configuration.stream["mirror"]?["name"]?.string ?? "?"
        return BucketName(streamName: stream)?.rawValue ?? stream
    }
}
