import Dispatch
import Foundation
import Synchronization

/// The columns of a segment as they are stored, checked against the segment's row, and all it takes to unpack them.
struct PackedColumns: Sendable {
    let row: SegmentRow
    let incarnation: Incarnation
    let body: Data
    /// Nil if they are not encrypted.
    let cipher: SegmentCipher?

    /// Unpacks them.
    func unpack() throws -> DecodedSegment {
        try row.naming(incarnation) {
            let segment = try DecodedSegment(body: try cipher.open(body, .body))
            // Both are what was written; whether the writer told the truth is another question.
            guard segment.count == row.header.count, segment.revisions.first == row.header.firstRevision,
                segment.revisions.last == row.header.lastRevision
            else { throw SegmentDamage("its row and its body differ") }
            return segment
        }
    }
}

/// Unpacks segments on a queue of its own, in the order in which they come, and gives each to several lanes.
///
/// Reading, unpacking and finding go on side by side; whoever reads waits when the others are behind.
final class SegmentFeed: Sendable {
    private static let segmentsAhead = 2

    private let lanes: [ScanLane]
    private let failure = Mutex<(any Error)?>(nil)
    private let queue = DispatchQueue(label: "segment feed")
    private let room = DispatchSemaphore(value: segmentsAhead)

    init(_ lanes: [ScanLane]) {
        self.lanes = lanes
    }

    /// Takes the next segment.
    func add(_ packed: PackedColumns) {
        room.wait()
        queue.async { [self] in
            defer { room.signal() }
            guard failure.withLock({ $0 == nil }) else { return }
            do {
                let segment = try packed.unpack()
                let hashes = segment.keyHashes()
                for lane in lanes { lane.add(packed.row, segment, hashes: hashes) }
            } catch {
                failure.withLock { $0 = error }
            }
        }
    }

    /// Waits until all segments are unpacked and with the lanes.
    func flush() throws {
        try queue.sync { try failure.withLock { if let error = $0 { throw error } } }
    }
}
