import JetStream
import KVModel
import KeyValue
import TestSupport
import Testing

@Suite("Consumers of which nothing is heard", .serialized)
struct SilenceTests {
    /// Deletes the only consumer of a stream: the server tells its reader nothing of it.
    private func deleteConsumer(of stream: String, _ server: ServerProcess) async throws {
        try await server.withClient { client in
            let names = try client.api("CONSUMER.NAMES.\(stream)")["consumers"] as? [String] ?? []
            #expect(names.count == 1)
            for name in names { try client.api("CONSUMER.DELETE.\(stream).\(name)") }
        }
    }

    @Test("A dead consumer is noticed by a reader that never waits long", arguments: ServerBinary.all)
    func shortWaits(binary: ServerBinary) async throws {
        try await withBuckets(binary) { buckets, server in
            let bucket = try await buckets.create(BucketConfiguration(name: try BucketName("app")))
            try await bucket.put("before", [])
            var options = OrderedConsumer.Options()
            options.heartbeat = .seconds(1)
            let consumer = try await OrderedConsumer(bucket.context, stream: bucket.name.streamName, options: options)
            let first = try #require(try await consumer.next(timeout: .seconds(20)))
            #expect(first.deliveries.map(\.metadata.streamSequence) == [1])
            try await deleteConsumer(of: bucket.name.streamName, server)
            let revision = try await bucket.put("after", [])
            try await eventually("the entry behind the consumer's end") {
                guard let batch = try await consumer.next(timeout: .milliseconds(250)) else { return false }
                return batch.deliveries.last?.metadata.streamSequence == revision
            }
            #expect(await consumer.restarts > 0)
            await consumer.stop()
        }
    }

    @Test("The time in which nobody reads is no silence of the server")
    func slowReader() async throws {
        try await withBuckets { buckets, _ in
            let bucket = try await buckets.create(BucketConfiguration(name: try BucketName("app")))
            try await bucket.put("before", [])
            var options = OrderedConsumer.Options()
            options.heartbeat = .seconds(1)
            let consumer = try await OrderedConsumer(bucket.context, stream: bucket.name.streamName, options: options)
            _ = try #require(try await consumer.next(timeout: .seconds(20)))
            // Each heartbeat that waits makes the queue longer: five of them take longer than silence may.
            var lengths: Set<Int> = []
            while lengths.count < 6 {
                lengths.insert(await consumer.queuedBytes)
                try await Task.sleep(for: .milliseconds(20))
            }
            #expect(try await consumer.next(timeout: .milliseconds(250)) == nil)
            #expect(await consumer.restarts == 0)
            await consumer.stop()
        }
    }
}
