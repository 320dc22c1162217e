import ArgumentParser

/// `cistern kv`: the buckets themselves.
struct BucketCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kv",
        abstract: "Look at and change the buckets of a server, as `nats kv` does.",
        discussion: """
            Examples:
              cistern kv add orders --history 5 --ttl 30d
              cistern kv put orders customer.42.name 'Ada Lovelace'
              cistern kv get orders customer.42.name --raw
              cistern kv watch orders 'customer.42.>'
            """,
        subcommands: [
            BucketAddCommand.self, BucketEditCommand.self, BucketPutCommand.self, BucketGetCommand.self,
            BucketCreateCommand.self, BucketUpdateCommand.self, BucketDeleteCommand.self, BucketPurgeCommand.self,
            BucketHistoryCommand.self, BucketRevertCommand.self, BucketInfoCommand.self, BucketWatchCommand.self,
            BucketListCommand.self, BucketCompactCommand.self,
        ]
    )
}
