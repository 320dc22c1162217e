import Dispatch
import KVModel
import Synchronization

/// A part of a state that is found beside others, on a queue of its own; all are fed with the same unpacked segments.
///
/// Whoever feeds it waits when it is behind, so that few segments are in memory.
final class ScanLane: Sendable {
    private struct Work {
        var scan: StateScan
        var failure: (any Error)?
    }

    private static let segmentsAhead = 2

    private let work: Mutex<Work>
    private let queue = DispatchQueue(label: "state scan")
    private let room = DispatchSemaphore(value: segmentsAhead)

    init(_ scan: StateScan) {
        work = Mutex(Work(scan: scan))
    }

    /// Takes the next segment.
    func add(_ row: SegmentRow, _ segment: DecodedSegment, hashes: [UInt32]) {
        room.wait()
        queue.async { [self] in
            work.withLock { work in
                guard work.failure == nil else { return }
                do { try work.scan.add(row, segment, hashes: hashes) } catch { work.failure = error }
            }
            room.signal()
        }
    }

    /// Ends the part, when all segments were taken.
    func finish(asOf time: Timestamp?) throws -> ScannedState {
        try queue.sync {
            try work.withLock { work in
                if let failure = work.failure { throw failure }
                return work.scan.finish(asOf: time)
            }
        }
    }
}
