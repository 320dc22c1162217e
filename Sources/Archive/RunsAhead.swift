import Dispatch
import Synchronization

/// Reads the runs of a state ahead of whoever takes them, values unpacked, on a queue of its own.
///
/// Unpacking and what is done with the entries so go on side by side; at most two runs are ahead.
public final class RunsAhead: Sendable {
    private struct Reading {
        var cursor: StateCursor
        var runs: [Result<DecodedRun?, any Error>] = []
    }

    private static let runsAhead = 2

    private let reading: Mutex<Reading>
    private let queue = DispatchQueue(label: "runs ahead")
    private let filled = DispatchSemaphore(value: 0)

    /// Begins to read.
    public init(_ cursor: StateCursor) {
        reading = Mutex(Reading(cursor: cursor))
        for _ in 0..<Self.runsAhead { readOne() }
    }

    /// The next run; nil after the last.
    ///
    /// Blocks the thread until it is there.
    public func next() throws -> DecodedRun? {
        filled.wait()
        let run = reading.withLock { $0.runs.removeFirst() }
        readOne()
        return try run.get()
    }

    private func readOne() {
        queue.async { [self] in
            var cursor = reading.withLock { $0.cursor }
            let run = Result {
                var run = try cursor.next()
                try run?.unpack()
                return run
            }
            reading.withLock { reading in
                reading.cursor = cursor
                reading.runs.append(run)
            }
            filled.signal()
        }
    }
}
