import ArgumentParser
import KVModel
import KeyValue
import Replication

/// Changes to a bucket that exists, and how they are made.
struct BucketEditOptions: ParsableArguments, Sendable {
    @OptionGroup
    var settings: BucketSettingOptions

    @Flag(help: "Make a bucket of its own of a mirror (servers from 2.12 on).")
    var noMirror = false

    /// Whether no option is given.
    var isEmpty: Bool { settings.isEmpty && !noMirror }

    /// The configuration with what the options change.
    func configuration(from old: BucketConfiguration) throws(ModelError) -> BucketConfiguration {
        var new = old
        if noMirror { new.mirror = nil }
        try settings.apply(to: &new)
        return new
    }

    /// Changes the bucket in place and shows it; what the server would not change is refused beforehand.
    func perform(_ arguments: BucketArguments, _ console: Console) async throws -> RunStatus {
        try await arguments.withBuckets(console) { buckets in
            var bucket = try await buckets.find(try arguments.name)
            let configuration = try configuration(from: bucket.configuration)
            let changes = SettingChange.between(bucket.configuration, configuration)
            let server = ServerFacts(buckets.context)
            for change in changes { try Self.check(change, to: configuration, arguments, on: server) }
            if changes.isEmpty {
                console.note("bucket \(bucket.name) has these settings already")
            } else {
                bucket = try await buckets.update(configuration).refreshed()
            }
            if console.isJSON {
                try console.document(BucketDocument(bucket))
            } else {
                try console.report(BucketText.lines(bucket, console))
            }
            return .done
        }
    }

    private static func check(
        _ change: SettingChange,
        to configuration: BucketConfiguration,
        _ arguments: BucketArguments,
        on server: ServerFacts
    ) throws {
        let setting = SettingsText.name(change.field)
        let text = "\(setting) of bucket \(arguments.bucket) cannot be changed in place: "
        switch SettingUpdate(change, to: configuration, on: server) {
        case .inPlace:
            return
        case .recreation(let reason):
            throw CommandError(
                .cannotChange,
                text: text + reason,
                hint: "`cistern migrate \(arguments.bucket) --set \(setting)=VALUE --archive FILE` recreates the "
                    + "bucket with it"
            )
        case .ineffective(let reason), .refused(let reason):
            throw CommandError(.cannotChange, text: text + reason, hint: "leave it out; nothing was changed")
        }
    }
}
