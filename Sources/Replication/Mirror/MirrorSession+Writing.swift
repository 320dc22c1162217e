import JetStream
import KVModel
import KeyValue
import NATSClient

extension MirrorSession {
    /// Sends what may be sent.
    mutating func pump(_ group: inout DiscardingTaskGroup) async throws {
        while looks < Self.looksInFlight, let look = window.nextLook() {
            looks += 1
            let (target, inbox) = (target, inbox)
            if options.preservesRevisions {
                group.addTask { await MirrorReading.lookAtEnd(look.key, of: target, into: inbox) }
            } else {
                let name = options.mapping.map(key(at: look.place))
                group.addTask {
                    await MirrorReading.look(look.key, name, at: look.sequence, in: target, into: inbox)
                }
            }
        }
        guard target.context.connection.isConnected else { return }
        var batch = publisher.makeBatch()
        var writes: [(UInt64, MirrorWindow<WatchBatch>.Write, Int)] = []
        while sent.count + writes.count < Self.writesInFlight, sentBytes + batch.byteCount < Self.bytesInFlight,
            let write = window.nextWrite()
        {
            guard let bytes = try encode(write, into: &batch) else { continue }
            writes.append((numbers, write, bytes))
            if batch.byteCount >= 1 << 17 {
                try await send(batch, writes)
                batch = publisher.makeBatch()
                writes.removeAll(keepingCapacity: true)
            }
        }
        try await send(batch, writes)
        inbox.release(window.release())
    }

    /// Encodes a write; answers how large the entry is, nil if it is left out.
    private mutating func encode(
        _ write: MirrorWindow<WatchBatch>.Write,
        into batch: inout NumberedPublisher.Batch
    ) throws -> Int? {
        guard !options.preservesRevisions || write.expected + 1 == write.item.revision else {
            throw MirrorFailure.revisionsDiffer(
                target,
                write.item.revision,
                "the target goes on at \(write.expected + 1)"
            )
        }
        numbers += 1
        var bytes = 0
        let outcome = window.batch(of: write.place).withEntry(at: write.item.index) { entry in
            bytes = entry.key.count + entry.headers.count + entry.value.count
            return encoder.append(
                entry,
                number: numbers,
                expecting: write.expected,
                copies: write.copies,
                to: &batch
            )
        }
        switch outcome {
        case .added:
            return bytes
        case .tooLarge:
            throw MirrorFailure.tooLarge(key(at: write.place), target)
        case .expired, nil:
            window.leaveOut(write)
            return nil
        }
    }

    private mutating func send(
        _ batch: NumberedPublisher.Batch,
        _ writes: [(UInt64, MirrorWindow<WatchBatch>.Write, Int)]
    ) async throws {
        guard !writes.isEmpty else { return }
        guard let epoch = try await publisher.send(batch) else {
            for (_, write, _) in writes { window.contested(write, later: true) }
            return
        }
        let now = clock.now
        for (number, write, bytes) in writes {
            sent[number] = Sent(write: write, bytes: bytes, epoch: epoch, time: now)
            sentBytes += bytes
        }
    }

    func key(at place: MirrorWindow<WatchBatch>.Place) -> Key {
        window.batch(of: place).withEntry(at: window.item(place).index) { Key(bytes: Array($0.key)) } ?? Key("")
    }
}
