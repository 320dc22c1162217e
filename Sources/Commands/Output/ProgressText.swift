/// The text of a progress line: what has been done, how fast, and how long it will still take.
struct ProgressText: Sendable {
    /// What is being done, such as `orders: reading`.
    var activity: String
    /// Entries done.
    var entries: UInt64 = 0
    /// Entries there are in all, if that is known.
    var total: UInt64?
    /// Bytes done, if they count.
    var bytes: UInt64?
    /// What else there is to say, such as a lost connection.
    var remark: String?

    /// The line after so much time, cut to a width.
    func line(elapsed: Duration, width: Int) -> String {
        var parts: [String] = []
        if let total, total > 0 {
            let percent = min(100, Double(entries) / Double(total) * 100)
            parts.append("\(NumberText.count(entries)) of \(NumberText.count(total)) entries (\(Int(percent))%)")
        } else {
            parts.append(NumberText.count(entries, "entry"))
        }
        if let bytes { parts.append(NumberText.bytes(bytes)) }
        let rate = NumberText.rate(entries, over: elapsed)
        if !rate.isEmpty { parts.append(rate) }
        if let left = timeLeft(after: elapsed) { parts.append("\(NumberText.duration(left)) left") }
        if let remark { parts.append(remark) }
        let text = "\(activity.escapedForTerminal)  \(parts.joined(separator: "  "))"
        return text.count > width ? String(text.prefix(max(0, width - 1))) + "…" : text
    }

    /// How long the rest will take at the speed so far; nil before anything can be told.
    func timeLeft(after elapsed: Duration) -> Duration? {
        guard let total, entries > 0, total > entries, elapsed > .seconds(1) else { return nil }
        let seconds = elapsed.inSeconds * Double(total - entries) / Double(entries)
        return seconds < 1e9 ? .seconds(seconds.rounded(.up)) : nil
    }
}
