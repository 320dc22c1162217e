import JetStream
import KVModel
import KeyValue

extension Buckets {
    /// For how long a server may take to remove the files of deleted buckets.
    private static let removalPatience = Duration.seconds(10)

    /// Makes a bucket that holds nothing.
    ///
    /// A server that deletes a stream twice before it has removed the files of the first time leaves those of the
    /// second where they are, and the next stream of the name begins with them (seen on 2.10 to 2.15). What was
    /// made is the caller's own: it is deleted until it comes empty.
    func createEmpty(_ configuration: BucketConfiguration) async throws -> Bucket {
        let deadline = ContinuousClock.now + Self.removalPatience
        while true {
            let bucket = try await createStream(of: configuration)
            guard Self.holdsDeleted(bucket.info) else { return bucket }
            try await delete(bucket.name)
            guard ContinuousClock.now < deadline else {
                throw ReplicationError(
                    .targetBusy,
                    bucket: bucket.name.rawValue,
                    text: "the server has not removed \(bucket.info.state.messages) entries of the deleted bucket of "
                        + "this name, and gives them to a new one",
                    hint: "the bucket was not made; restart the server, which removes them, and run the same again"
                )
            }
            try await Task.sleep(for: .milliseconds(200))
        }
    }

    /// Whether a stream that was just made begins with a message from before.
    private static func holdsDeleted(_ info: StreamInfo) -> Bool {
        guard info.state.messages > 0, let created = Timestamp(rfc3339: info.created),
            let first = info.reply["state"]?["first_ts"]?.string.flatMap({ Timestamp(rfc3339: $0) })
        else { return false }
        return first < created
    }
}
