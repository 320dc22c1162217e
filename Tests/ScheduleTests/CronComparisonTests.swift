import Foundation
import Schedule
import Testing

/// Answers what `scripts/check-cron` asks, which knows what another implementation answers.
@Suite struct CronComparisonTests {
    private static let path = ProcessInfo.processInfo.environment["CISTERN_CRON_CASES"]

    @Test("Answers to the cases of a file", .enabled(if: path != nil))
    func answers() throws {
        let path = try #require(Self.path)
        var answers: [String] = []
        // Each line: an expression, a time zone, seconds since 1970.
        for line in try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n") {
            let parts = line.split(separator: "\t").map(String.init)
            let zone = try #require(TimeZone(identifier: parts[1]))
            let time = try #require(Int64(parts[2])) * 1_000_000_000
            do throws(ScheduleError) {
                let next = try CronExpression(parts[0]).next(after: time, in: zone)
                answers.append(next.map { "\($0 / 1_000_000_000)" } ?? "none")
            } catch .neverComes {
                answers.append("none")
            } catch {
                answers.append("refused: \(error)")
            }
        }
        try answers.joined(separator: "\n").write(toFile: path + ".answers", atomically: true, encoding: .utf8)
    }
}
