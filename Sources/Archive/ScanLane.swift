import Dispatch
import KVModel
import Synchronization

/// A state, or a part of one, that is found on a queue of its own while segments are unpacked, and beside other parts.
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
        try withScan { $0.finish(asOf: time) }
    }

    /// Shows the scan as it is when all segments that were given so far were taken.
    func withScan<Result>(_ body: (inout StateScan) throws -> Result) throws -> Result {
        try queue.sync {
            try work.withLock { work in
                if let failure = work.failure { throw failure }
                return try body(&work.scan)
            }
        }
    }
}
