public import ArgumentParser

/// The `cistern` command line.
public struct Cistern: AsyncParsableCommand {
    public static let configuration = CommandConfiguration(commandName: "cistern", abstract: "Keep NATS Key-Value buckets safe and movable.")
    public init() {}
}
