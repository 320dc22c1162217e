import JetStream
import KVModel
import KeyValue
import Synchronization
import TestSupport
import Testing

@testable import Daemon

@Suite("What daemons tell each other", .serialized)
struct SharedMemoryTests {
    @Test("Changes of several daemons are all kept, and seen by those who follow", arguments: ["2.15.1", "2.9.10"])
    func sharing(version: String) async throws {
        let rig = try await LeaseRig(.named(version), jobs: 1)
        defer { rig.server.close() }
        try await rig.withBuckets { buckets in
            let memories = ["a", "b", "c"].map {
                SharedMemory(buckets: { buckets }, settings: rig.settings, daemon: $0)
            }
            #expect(try await memories[0].get("job 0") == JobMemory())
            #expect(try await memories[1].all() == [:])
            let seen = Mutex<[String: JobMemory]>([:])
            let following = Task {
                try await memories[2].follow { job, memory in seen.withLock { $0[job] = memory } }
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for memory in memories {
                    group.addTask {
                        for number in 1...10 {
                            try await memory.update("job 0") { memory in
                                memory.failures += 1
                                memory.handled(due: Int64(number))
                            }
                        }
                    }
                }
                try await group.waitForAll()
            }
            try await memories[0].update("job 1") { $0.isPaused = true }
            let first = try await memories[1].get("job 0")
            #expect(first.failures == 30 && first.lastDue == 10)
            let second = try await memories[1].get("job 1")
            #expect(second.isPaused == true && second.daemon == "a")
            #expect(try await memories[2].all() == ["job 0": first, "job 1": second])
            try await eventually("it to be seen") { seen.withLock { $0 } == ["job 0": first, "job 1": second] }
            following.cancel()
            _ = await following.result
            // Neither a daemon that is stopped nor a deleted bucket keeps the others from going on.
            let name = try BucketName(rig.settings.bucket + "-jobs")
            #expect(try await buckets.bucket(name).configuration.ttl == 0)
            try await buckets.delete(name)
            try await memories[1].update("job 1") { $0.notified = .failed }
            #expect(try await memories[0].get("job 1").notified == .failed)
            try await buckets.bucket(name).put(LeaseKey.job("job 1"), [1, 2])
            await #expect {
                try await memories[0].get("job 1")
            } throws: {
                ($0 as? DaemonError)?.code == .leases
            }
        }
    }
}
