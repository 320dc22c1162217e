import Foundation
import Synchronization

/// Peak resident memory of a child, as exactly as Linux tells it.
///
/// The kernel counts the parent's memory at the moment of the start into the child's `ru_maxrss`. So that figure is
/// exact only if it exceeds what the parent had; below that, the child's own high-water mark is taken, sampled while
/// it runs.
final class PeakMemory: Sendable {
    private let pid: Int32
    private let parent: Int
    private let sampled = Mutex(0)

    /// Watches the child `pid`; made right after its start.
    init(pid: Int32) {
        self.pid = pid
        parent = Self.highWaterMark(of: "self")
    }

    /// Looks once.
    func sample() {
        let found = Self.highWaterMark(of: "\(pid)")
        sampled.withLock { $0 = max($0, found) }
    }

    /// The best figure, given the `ru_maxrss` (in bytes) with which the child ended.
    func peak(reported: Int) -> Int {
        reported > parent ? reported : min(sampled.withLock { $0 }, reported)
    }

    private static func highWaterMark(of process: String) -> Int {
        guard let status = try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8),
            let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmHWM:") }),
            let kibibytes = line.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first.flatMap({
                Int($0)
            })
        else { return 0 }
        return kibibytes * 1024
    }
}
