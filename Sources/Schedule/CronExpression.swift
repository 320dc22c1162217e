/// A cron expression.
public struct CronExpression: Sendable, Hashable {
    /// As it was written.
    public let text: String
}
