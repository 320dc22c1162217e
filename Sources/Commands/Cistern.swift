// Commands is the command line: one file a subcommand, options that several share, and one place each for what is
// written (`Output/Console`), for errors and exit codes (`Output/Failure+Errors`) and for signals (`Running`). It holds
// no logic of backups or buckets: commands parse, call Replication, KeyValue or Archive, and say what came of it. It
// never prints a secret, never overwrites or deletes without being asked by name, and writes results to standard
// output only, everything else to standard error. Start with `CommandLineTool`, then `Archive/BackupCommand`.

import ArgumentParser
import Foundation

/// Where the executable enters.
public enum CommandLineTool {
    /// Runs the command that the process's arguments name, and exits with its code.
    public static func main() async {
        ProcessMemory.keepBlocks()
        let status = await Launcher.run(
            Array(CommandLine.arguments.dropFirst()),
            environment: ProcessInfo.processInfo.environment
        )
        exit(status)
    }
}

/// The root of all commands.
struct Cistern: AsyncParsableCommand {
    /// The program's version.
    static let version = "0.1.0"

    static let configuration = CommandConfiguration(
        commandName: "cistern",
        abstract: "Keep NATS Key-Value buckets safe and movable.",
        discussion: """
            Back a bucket up with its full history, keep the archive current, look into it, and restore it as it was \
            at any point, with the same or with changed settings.

            Examples:
              cistern backup orders --archive orders.cistern
              cistern history orders.cistern customer.42.address
              cistern restore orders.cistern --as orders2 --set history=10
              cistern verify orders.cistern --against orders

            The server is the one of the selected `nats` context, or what -s, --context or NATS_URL say.

            Exit codes:
              0    done
              1    the work failed
              3    a comparison found differences
              64   the command line is wrong, or an encrypted archive's key is missing or wrong
              69   the server cannot be reached or refuses us
              73   the target exists, or would be overwritten
              75   try again later: another run holds the archive or the bucket
              130  stopped by SIGINT, at a checkpoint (143: by SIGTERM)
            """,
        version: version,
        groupedSubcommands: [
            CommandGroup(
                name: "Backup and restore",
                subcommands: [
                    BackupCommand.self, RestoreCommand.self, CopyCommand.self, MirrorCommand.self, MigrateCommand.self,
                    VerifyCommand.self,
                ]
            ),
            CommandGroup(
                name: "Look into an archive",
                subcommands: [
                    ListCommand.self, ShowCommand.self, KeysCommand.self, GetCommand.self, HistoryCommand.self,
                    DiffCommand.self,
                ]
            ),
            CommandGroup(
                name: "Look after an archive",
                subcommands: [
                    TagCommand.self, PruneCommand.self, CompactCommand.self, RepairCommand.self, UnlockCommand.self,
                ]
            ),
            CommandGroup(
                name: "Jobs",
                subcommands: [
                    ServeCommand.self, RunCommand.self, JobsCommand.self, RunsCommand.self, StatusCommand.self,
                    CheckConfigCommand.self, DoctorCommand.self,
                ]
            ),
            CommandGroup(name: "Encryption", subcommands: [KeygenCommand.self, RekeyCommand.self]),
            CommandGroup(name: "In and out", subcommands: [ExportCommand.self, ImportCommand.self]),
            CommandGroup(name: "The buckets themselves", subcommands: [BucketCommand.self]),
        ]
    )
}
