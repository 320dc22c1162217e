/// Measurements as a line over time.
struct Chart {
    /// A measurement; nil where nothing was measured: the line has a gap there.
    struct Point {
        var time: Int64
        var value: Double?
    }

    /// What is drawn.
    var name: String
    /// The newest value, as a person reads it.
    var newest: String
    /// A value, as a person reads it.
    var text: (Double) -> String
    var points: [Point]

    private static let width = 240.0
    private static let height = 40.0
    /// More points than this are joined, each by its highest value.
    private static let mostPoints = 120

    /// The drawing; nil if there is nothing to draw.
    var html: HTML? {
        guard let first = points.first?.time, let last = points.last?.time, last > first,
            let highest = points.compactMap(\.value).max()
        else { return nil }
        let runs = Self.runs(Self.joined(points)).map { run in
            run.map { point in
                (
                    x: Double(point.time - first) / Double(last - first) * Self.width,
                    y: Self.height - 1 - point.value / max(highest, .leastNormalMagnitude) * (Self.height - 3)
                )
            }
        }
        let span = TimeText.span(last - first)
        let lines = runs.map { Self.line($0) }.joined()
        let areas = runs.map { run -> String in
            guard let start = run.first, let end = run.last else { return "" }
            let bottom = Self.number(Self.height)
            return "\(Self.line(run))L\(Self.number(end.x)) \(bottom)L\(Self.number(start.x)) \(bottom)Z"
        }.joined()
        return """
            <figure class="chart"><figcaption><span>\(name)</span> <b>\(newest)</b> \
            <span class="most">max \(text(highest)), \(span)</span></figcaption>\
            <svg viewBox="0 0 240 40" preserveAspectRatio="none" role="img" \
            aria-label="\(name) over \(span): now \(newest), at most \(text(highest))">\
            <path class="area" d="\(areas)"/><path class="line" d="\(lines)"/></svg></figure>
            """
    }

    private static func joined(_ points: [Point]) -> [Point] {
        guard points.count > mostPoints else { return points }
        let size = (points.count + mostPoints - 1) / mostPoints
        return stride(from: 0, to: points.count, by: size).map { start in
            let part = points[start..<min(start + size, points.count)]
            return Point(time: part[start].time, value: part.compactMap(\.value).max())
        }
    }

    /// The stretches without a gap.
    private static func runs(_ points: [Point]) -> [[(time: Int64, value: Double)]] {
        var result: [[(time: Int64, value: Double)]] = [[]]
        for point in points {
            if let value = point.value, value.isFinite {
                result[result.count - 1].append((point.time, max(0, value)))
            } else if result.last?.isEmpty == false {
                result.append([])
            }
        }
        return result.filter { !$0.isEmpty }
    }

    private static func line(_ run: [(x: Double, y: Double)]) -> String {
        var text = ""
        for point in run { text += (text.isEmpty ? "M" : "L") + "\(number(point.x)) \(number(point.y))" }
        // A single point would be invisible.
        return run.count == 1 ? text + "h1" : text
    }

    private static func number(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return tenths % 10 == 0 ? String(tenths / 10) : "\(Double(tenths) / 10)"
    }
}

/// The newest runs of a job as bars, oldest first: as high as they were long, coloured by what came of them.
struct RunStrip {
    /// Newest first.
    var runs: [RunRecord]

    /// The drawing; nil without runs that came to their end.
    var html: HTML? {
        let ended = runs.filter { $0.finished != nil }
        guard let longest = ended.compactMap(\.duration).max() else { return nil }
        let bars = ended.reversed().enumerated().map { position, run -> HTML in
            let share = Double(run.duration ?? 0) / Double(max(1, longest))
            let height = 6 + Int((share * 16).rounded())
            return """
                <rect class="\(run.outcome.rawValue)" x="\(position * 8)" y="\(22 - height)" width="6" \
                height="\(height)" rx="1"><title>\(TimeText.clock(run.started)) UTC: \(run.outcome.rawValue), \
                \(TimeText.span(run.duration ?? 0))</title></rect>
                """
        }
        let failed = ended.count { $0.outcome == .failed }
        let width = max(ended.count, 20) * 8
        return """
            <figure class="strip"><figcaption><span>Last \(ended.count) run\(ended.count == 1 ? "" : "s")</span> \
            <b>\(failed == 0 ? "none failed" : "\(failed) failed")</b> \
            <span class="most">longest \(TimeText.span(longest))</span></figcaption>\
            <svg viewBox="0 0 \(width) 22" preserveAspectRatio="xMinYMid meet" role="img" \
            aria-label="The last \(ended.count) runs: \(failed) failed">\(bars)</svg></figure>
            """
    }
}
