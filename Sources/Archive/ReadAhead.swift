import Dispatch
import Synchronization

/// Reads ahead of whoever takes what is read, two at a time, on a queue of its own.
///
/// Unpacking, and what is done with what was unpacked, so go on side by side. Who has enough says so with `finish`: what is
/// still being read would hold the archive.
final class ReadAhead<Source: Sendable, Element: Sendable>: Sendable {
    private struct Reading {
        var source: Source
        var read: [Result<Element?, any Error>] = []
    }

    private let reading: Mutex<Reading>
    private let advance: @Sendable (inout Source) throws -> Element?
    private let queue = DispatchQueue(label: "read ahead")
    private let filled = DispatchSemaphore(value: 0)

    /// Begins to read; `advance` gives the next of a source, nil after the last.
    init(_ source: Source, _ advance: @escaping @Sendable (inout Source) throws -> Element?) {
        reading = Mutex(Reading(source: source))
        self.advance = advance
        for _ in 0..<2 { readOne() }
    }

    /// The next; nil after the last.
    ///
    /// Blocks the thread until it is there.
    func next() throws -> Element? {
        filled.wait()
        let next = reading.withLock { $0.read.removeFirst() }
        readOne()
        return try next.get()
    }

    /// Waits until nothing is read any more.
    func finish() {
        queue.sync {}
    }

    private func readOne() {
        queue.async { [self] in
            var source = reading.withLock { $0.source }
            let next = Result { try advance(&source) }
            reading.withLock { reading in
                reading.source = source
                reading.read.append(next)
            }
            filled.signal()
        }
    }
}

/// The runs of a state, values unpacked, read ahead.
public struct RunsAhead: Sendable {
    private let runs: ReadAhead<StateCursor, DecodedRun>

    /// Begins to read.
    public init(_ cursor: StateCursor) {
        runs = ReadAhead(cursor) { cursor in
            var run = try cursor.next()
            try run?.unpack()
            return run
        }
    }

    /// The next run; nil after the last.
    ///
    /// Blocks the thread until it is there.
    public func next() throws -> DecodedRun? { try runs.next() }

    /// Waits until nothing is read any more; to be called whether or not all was taken.
    public func finish() { runs.finish() }
}
