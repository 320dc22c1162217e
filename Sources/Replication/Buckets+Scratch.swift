import JetStream
public import KVModel
public import KeyValue

extension Buckets {
    /// Deletes a bucket that was made only to be looked at, and what a restore into it left beside it; answers whether
    /// there was anything.
    ///
    /// `isOurs` is asked of each configuration: what is somebody else's is left alone, and `.targetExists` is thrown.
    public func deleteScratch(_ name: BucketName, isOurs: (BucketConfiguration) -> Bool) async throws -> Bool {
        var found = false
        for stream in [RestoreFence.stagingName(of: name), name.streamName] {
            do {
                let info = try await context.streamInfo(stream)
                guard isOurs(BucketConfiguration(stream: info.configuration)) else {
                    throw ReplicationError(
                        .targetExists,
                        bucket: name.rawValue,
                        text: "the stream \(stream) exists, and is no scratch bucket of this job",
                        hint: "choose another prefix for scratch buckets, or delete it if nobody needs it"
                    )
                }
                try await context.deleteStream(stream)
                found = true
            } catch let error as JetStreamError where error.code == .streamNotFound {
                // There is none, or somebody else was quicker.
            }
        }
        return found
    }
}
