import KVModel
import KeyValue
import Replication

extension Mirroring {
    /// Compares both buckets, and repairs the target.
    func reconcile() async throws -> RunResult {
        throw CancellationError()
    }

    /// Does so from time to time, while the mirror is at work.
    func reconcile(every interval: Duration, while isLive: Flag) async {
    }
}
