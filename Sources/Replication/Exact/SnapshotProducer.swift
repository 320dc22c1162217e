import Archive
import Dispatch
import Foundation
import KVModel
import StreamSnapshot
import Synchronization

/// Turns a state into the chunks of a snapshot, on a thread of its own, a bounded number of them ahead of whoever
/// takes them.
///
/// Unpacking and hashing so go on while the server works, and never block a thread that others wait for.
final class SnapshotProducer: Sendable {
    /// What to make.
    struct Order: Sendable {
        var state: BucketState
        var selection: ExactSelection
        var description: SnapshotDescription
        var form: SnapshotWriter.Form
        /// What the subjects of entries begin with.
        var subjectPrefix: String
        /// The names that keys get.
        var mapping: KeyMapping
        /// The subject of a last message that is put where the last revision has no entry; nil for none.
        var lastSubject: String?
        var chunkBytes: Int
    }

    /// A chunk, and how many entries have gone into the snapshot by then.
    struct Chunk: Sendable {
        let bytes: [UInt8]
        let entries: UInt64
    }

    /// The chunks, in order; each one taken makes room for another with `took`.
    let chunks: AsyncThrowingStream<Chunk, any Error>
    private let continuation: AsyncThrowingStream<Chunk, any Error>.Continuation
    private let order: Order
    private let room = DispatchSemaphore(value: 0)
    private let isStopped = Atomic(false)
    private let written = Mutex(SnapshotTotals())

    private static let chunksAhead = 8

    /// Thrown to end the thread once nobody wants more.
    private struct Stopped: Error {}

    init(_ order: Order) {
        self.order = order
        (chunks, continuation) = AsyncThrowingStream.makeStream()
    }

    /// Begins.
    func start() {
        for _ in 0..<Self.chunksAhead { room.signal() }
        Thread.detachNewThread { [self] in
            do {
                try produce()
                continuation.finish()
            } catch {
                continuation.finish(throwing: error)
            }
        }
    }

    /// A chunk was taken.
    func took() {
        room.signal()
    }

    /// Ends the thread; to be called whether or not all was taken.
    func stop() {
        isStopped.store(true, ordering: .relaxed)
        room.signal()
    }

    /// What the whole snapshot holds, once the last chunk was taken.
    var totals: SnapshotTotals { written.withLock { $0 } }

    private func produce() throws {
        var writer = try SnapshotWriter(order.description, form: order.form)
        var selection = order.selection
        var target = TargetSubject(prefix: order.subjectPrefix, mapping: order.mapping)
        let runs = RunsAhead(order.state.makeCursor())
        defer { runs.finish() }
        while let run = try runs.next() {
            try run.forEachEntry { entry in
                guard selection.judge(entry) == .taken else { return }
                try target.withSubject(of: entry.key) { subject in
                    try writer.append(
                        SnapshotEntry(
                            sequence: entry.revision,
                            time: entry.time,
                            subject: subject,
                            headers: entry.headers,
                            value: entry.value
                        )
                    )
                }
                try drain(&writer)
            }
        }
        let totals = writer.totals
        try appendLast(&writer)
        try writer.finish()
        written.withLock { $0 = totals }
        try drain(&writer)
    }

    private func appendLast(_ writer: inout SnapshotWriter) throws {
        guard let name = order.lastSubject, writer.totals.lastMessage < order.description.lastSequence else { return }
        let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
        var subject = name
        try subject.withUTF8 { bytes in
            try writer.append(
                SnapshotEntry(
                    sequence: order.description.lastSequence,
                    time: Timestamp.wallClock(),
                    subject: UnsafeRawBufferPointer(bytes),
                    headers: nothing,
                    value: nothing
                )
            )
        }
    }

    private func drain(_ writer: inout SnapshotWriter) throws {
        while let bytes = writer.nextChunk(order.chunkBytes) {
            room.wait()
            guard !isStopped.load(ordering: .relaxed) else { throw Stopped() }
            continuation.yield(Chunk(bytes: bytes, entries: writer.totals.messages))
        }
    }
}
