import Archive
import ArgumentParser
import KVModel

/// What every command takes that reads one bucket of an archive at a point.
struct ReadingOptions: ParsableArguments, Sendable {
    @OptionGroup(title: "Bucket")
    var incarnation: IncarnationOptions

    @OptionGroup(title: "Point")
    var point: PointOptions

    @OptionGroup(title: "Encryption")
    var keys: KeyOptions

    @OptionGroup(title: "Output")
    var output: OutputOptions
}

/// A command that reads one bucket of an archive at a point.
protocol ReadingCommand: CisternCommand {
    var reading: ReadingOptions { get }
}

extension ReadingCommand {
    var incarnation: IncarnationOptions { reading.incarnation }
    var point: PointOptions { reading.point }
    var keys: KeyOptions { reading.keys }
    var output: OutputOptions { reading.output }
}
