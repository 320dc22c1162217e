import Foundation
import Synchronization

/// A time zone's offsets from Greenwich, found once and kept: asking Foundation costs more than all the rest.
final class ZoneOffsets: Sendable {
    /// Seconds since 1970 that have the same offset.
    struct Span: Sendable, Hashable {
        var start: Int64
        /// The first second after it, which need not have another offset.
        var end: Int64
        /// What the zone's clocks are ahead of Greenwich, in seconds.
        var offset: Int64
    }

    private static let zones = Mutex<[TimeZone: ZoneOffsets]>([:])

    /// No transitions are nearer to each other than this.
    private static let step: Int64 = 86_400
    /// How much is looked at at once.
    private static let chunkLength = 400 * step

    private let zone: TimeZone
    private let chunks = Mutex<[Int64: [Span]]>([:])

    private init(_ zone: TimeZone) {
        self.zone = zone
    }

    /// The offsets of a zone.
    static func of(_ zone: TimeZone) -> ZoneOffsets {
        zones.withLock { zones in
            if let known = zones[zone] { return known }
            let offsets = ZoneOffsets(zone)
            zones[zone] = offsets
            return offsets
        }
    }

    /// The span that a second since 1970 lies in.
    func span(at second: Int64) -> Span {
        let number = second.dividedDown(by: Self.chunkLength)
        let spans = chunks.withLock { chunks in
            if let known = chunks[number] { return known }
            let spans = look(from: number * Self.chunkLength, to: (number + 1) * Self.chunkLength)
            chunks[number] = spans
            return spans
        }
        return spans.first { second < $0.end } ?? Span(start: second, end: second + 1, offset: offset(at: second))
    }

    /// When the zone's clock first shows a local time, or first has passed it.
    ///
    /// Of a local time that occurs twice it is the first, of one that does not exist the first moment after the gap.
    /// Both are in seconds since 1970, the local one as if the zone's clocks were Greenwich's.
    func first(reaching local: Int64) -> Int64 {
        // No zone ever was so far from Greenwich.
        var span = span(at: local - 2 * Self.step)
        while span.end + span.offset <= local { span = self.span(at: span.end) }
        return max(span.start, local - span.offset)
    }

    /// The latest local time that the zone's clock has shown up to a moment.
    func latest(until second: Int64) -> Int64 {
        var result = Int64.min
        var span = span(at: second - 2 * Self.step)
        while true {
            result = max(result, min(second, span.end - 1) + span.offset)
            guard span.end <= second else { return result }
            span = self.span(at: span.end)
        }
    }

    private func offset(at second: Int64) -> Int64 {
        Int64(zone.secondsFromGMT(for: Date(timeIntervalSince1970: TimeInterval(second))))
    }

    private func look(from start: Int64, to end: Int64) -> [Span] {
        var spans: [Span] = []
        var current = Span(start: start, end: end, offset: offset(at: start))
        for sample in stride(from: start + Self.step, through: end, by: Int(Self.step)) {
            let last = sample - 1
            let reached = offset(at: last)
            while current.offset != reached {
                // Halves what lies between the old offset and another.
                var same = max(current.start, last - Self.step)
                var changed = last
                while same + 1 < changed {
                    let middle = same + (changed - same) / 2
                    if offset(at: middle) == current.offset { same = middle } else { changed = middle }
                }
                current.end = changed
                spans.append(current)
                current = Span(start: changed, end: end, offset: offset(at: changed))
            }
        }
        current.end = end
        spans.append(current)
        return spans
    }
}
