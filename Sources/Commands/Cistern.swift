import ArgumentParser

/// Where the executable enters.
public enum CommandLineTool {
    /// Runs the command that the process's arguments name, and exits with its code.
    public static func main() async {
        await Cistern.main()
    }
}

struct Cistern: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cistern",
        abstract: "Keep NATS Key-Value buckets safe and movable."
    )
}
