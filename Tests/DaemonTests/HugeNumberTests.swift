import Testing

@testable import Daemon

/// A server may say whatever number it likes of what is pending.
@Suite("Huge numbers")
struct HugeNumberTests {
    @Test("The lag of several parts is no more than there are numbers")
    func meter() {
        let meter = ProgressMeter()
        meter.update("a", .init(entries: .max, bytes: .max, lagEntries: .max))
        meter.update("b", .init(entries: 1, bytes: 1, lagEntries: 1))
        meter.update("c", .init(entries: 1, bytes: 1))
        #expect(meter.present.lagEntries == .max)
        #expect(meter.present.entries == .max && meter.present.bytes == .max)
        meter.end("a")
        meter.end("b")
        #expect(meter.present.entries == .max && meter.present.bytes == .max)
        #expect(meter.present.lagEntries == nil)
    }

    @Test("A lag of any size is drawn", arguments: [UInt64.max, 1 << 63, (1 << 63) - 1, 0] as [UInt64])
    func page(lag: UInt64) {
        var view = StandInDaemon.example()
        view.jobs[1].progress?.lagEntries = lag
        let now = view.now
        view.jobs[1].samples = (0..<3).map { step in
            .init(
                time: now + Int64(step) * 1_000_000_000,
                lagEntries: lag,
                entriesPerSecond: .greatestFiniteMagnitude
            )
        }
        let page = StatusPage(view: view).main.text
        #expect(page.contains("\(PageText.count(lag)) behind"))
        #expect(page.contains(lag == 0 ? "max 0," : "max 9,223,372,036,854,775,807,"))
    }

    @Test("A number that was drawn is told whole, and as the largest there is beyond that")
    func drawn() {
        #expect(PageText.count(whole: 1_234.4) == "1,234")
        #expect(PageText.count(whole: 0x1p63) == "9,223,372,036,854,775,807")
        #expect(PageText.count(whole: .infinity) == "9,223,372,036,854,775,807")
    }
}
