import ArgumentParser
import KVModel

/// Changed settings of a bucket; the same for every command that writes one.
struct SettingOptions: ParsableArguments, Sendable {
    @Option(
        name: .customLong("set"),
        help: ArgumentHelp("Change a setting; may be repeated.", valueName: "field=value")
    )
    var settings: [String] = []

    /// Refuses what no bucket can be set to.
    func validate() throws {
        var probe = BucketConfiguration(name: BucketName(unchecked: "probe"))
        for setting in settings {
            do { try probe.set(setting) } catch { throw ValidationError("--set: \(error)") }
        }
    }
}
