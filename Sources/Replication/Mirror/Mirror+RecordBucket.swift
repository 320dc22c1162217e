public import KVModel

extension Mirror {
    /// The bucket of a target's cluster that mirrors keep their progress in: nobody's data.
    public static let recordBucket = MirrorRecords.bucketName
}
