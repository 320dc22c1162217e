import JetStream
import KVModel
public import KeyValue

extension Bucket {
    /// What the archive calls the cluster that the bucket lives in.
    ///
    /// The cluster's name as its servers say it. A single server has no cluster: its domain, else `standalone`; its
    /// own name would change at every start, and its address says only how it was reached.
    public var clusterName: String {
        context.clusterName ?? "standalone"
    }
}

extension Buckets {
    /// What an archive calls the cluster that these buckets live in.
    var clusterName: String { context.clusterName ?? "standalone" }
}
