import Foundation
import KVModel
import TestSupport
import Testing

@testable import Daemon

@Suite("HTTP page")
struct HTTPPageTests {
    /// Continuous integration must have the browser; a developer's machine may be without.
    private static let mustCheck =
        FileManager.default.isExecutableFile(atPath: Browser.program)
        || ProcessInfo.processInfo.environment["CI"] != nil

    /// Where pictures stay, for somebody who wants to look at them.
    private static let kept = ProcessInfo.processInfo.environment["CISTERN_SCREENSHOTS"]

    private static let firstJob = "document.querySelector('.jobs > .job')"
    private static let focus = "document.activeElement"

    @Test("A person with a real browser, a keyboard or a phone", .enabled(if: mustCheck), .timeLimit(.minutes(2)))
    func inChromium() async throws {
        let daemon = StandInDaemon()
        let face = try await RunningFace(daemon)
        let browser = try Browser()
        do {
            let page = try await BrowserPage(browser)
            let pictures = try TemporaryDirectory("pictures")
            let url = "http://127.0.0.1:\(face.port)/"
            try await page.resize(width: 1200, height: 900)
            try await page.open(url)
            try await Self.firstSight(page, Self.kept ?? pictures.path)
            try await Self.keyboard(page, daemon)
            try await Self.pause(page, daemon)
            let next = try await Self.restart(page, daemon, face)
            try await Self.phone(page, url, Self.kept ?? pictures.path)
            try await Self.withoutScript(page, url, daemon)
            #expect(Self.complaints(browser) == [])
            #expect(Self.foreignRequests(browser, url) == [])
            try await next.stop()
            #expect(next.log.complaints == [])
        } catch {
            try await browser.end()
            throw error
        }
        try await browser.end()
    }

    private static func firstSight(_ page: BrowserPage, _ folder: String) async throws {
        #expect(try await page.value("\(firstJob).id") == "job-to-west")
        #expect(try await page.value("\(firstJob).innerText.includes('Failed 3 times in a row')") == true)
        #expect(try await page.value("document.title") == "(1 failing) cistern – cistern-1")
        #expect(try await page.value("document.querySelectorAll('.jobs > .job').length") == 7)
        #expect(try await page.value("document.querySelectorAll('#job-orders .chart svg path.line').length") == 2)
        // The style is there: its digest is the one that the policy allows.
        #expect(try await page.value("getComputedStyle(\(firstJob)).borderLeftWidth") == "4px")
        let wide = "document.documentElement.scrollWidth > innerWidth"
        #expect(try await page.value(wide) == false)
        #expect(try await page.screenshot(to: folder + "/status.png", isWhole: kept != nil) > 20_000)
        try await page.send(
            "Emulation.setEmulatedMedia",
            ["features": [["name": "prefers-color-scheme", "value": "dark"]]]
        )
        #expect(try await page.value("getComputedStyle(document.body).backgroundColor") == "rgb(16, 21, 27)")
        if kept != nil { _ = try await page.screenshot(to: folder + "/status-dark.png", isWhole: true) }
        try await page.send("Emulation.setEmulatedMedia", ["features": []])
    }

    private static func keyboard(_ page: BrowserPage, _ daemon: StandInDaemon) async throws {
        try await page.press("Tab", code: 9)
        #expect(try await page.value("\(focus).className") == "skip")
        #expect(try await page.value("\(focus).getBoundingClientRect().top >= 0") == true)
        let wanted = "\(focus).getAttribute('aria-label') === 'Run to-west now'"
        var presses = 0
        while try await page.value(wanted) != true, presses < 8 {
            try await page.press("Tab", code: 9)
            presses += 1
        }
        #expect(try await page.value(wanted) == true)
        #expect(try await page.value("getComputedStyle(\(focus)).outlineStyle") == "solid")
        #expect(try await page.value("\(focus).nodeName") == "BUTTON")
        try await page.value("window.unchanged = true; document.querySelector('#job-to-west details').open = true")
        try await page.press("Enter", code: 13)
        try await page.wait(for: "document.querySelector('#job-to-west .badge').innerText === 'ok'")
        #expect(await daemon.told == ["run to-west"])
        try await page.wait(for: "document.getElementById('news').innerText === 'A run of to-west was asked for.'")
        // The page is the same one: what was open is open, what had the focus has it, though the job has moved.
        #expect(try await page.value("window.unchanged") == true)
        #expect(try await page.value(wanted) == true)
        #expect(try await page.value("document.querySelector('#job-to-west details').open") == true)
        #expect(try await page.value("\(firstJob).id") == "job-orders")
        #expect(try await page.value("document.title") == "cistern – cistern-1")
    }

    private static func pause(_ page: BrowserPage, _ daemon: StandInDaemon) async throws {
        let button = "document.querySelector('#job-nightly .actions form:nth-child(2) button')"
        try await page.value("\(button).click()")
        try await page.wait(for: "\(button).innerText === 'Resume'")
        #expect(try await page.value("document.querySelector('#job-nightly .badge').innerText") == "paused")
        #expect(try await page.value("\(button).getAttribute('aria-label')") == "Resume nightly")
        #expect(await daemon.told.last == "pause nightly")
        // A job that another daemon holds: what it says is shown.
        try await page.value("document.querySelector('#job-verify .actions button').click()")
        try await page.wait(for: "document.getElementById('news').innerText.includes('held by cistern-2')")
    }

    private static func restart(
        _ page: BrowserPage,
        _ daemon: StandInDaemon,
        _ face: RunningFace
    ) async throws -> RunningFace {
        #expect(try await face.stop() < .seconds(4))
        #expect(face.log.complaints == [])
        try await page.wait(for: "document.getElementById('connection').innerText === 'Connection lost, retrying…'")
        await daemon.change { $0.jobs[0].summary = "something new" }
        let next = try await RunningFace(daemon, port: face.port)
        try await page.wait(for: "document.querySelector('#job-nightly .what').innerText === 'something new'")
        #expect(try await page.value("document.getElementById('connection').innerText") == "")
        #expect(try await page.value("window.unchanged") == true)
        await daemon.change { $0.version = "1.5.0" }
        // A newer daemon brings a newer page.
        try await page.wait(for: "window.unchanged === undefined && document.readyState === 'complete'")
        return next
    }

    private static func phone(_ page: BrowserPage, _ url: String, _ folder: String) async throws {
        try await page.resize(width: 360, height: 740, isPhone: true)
        for (path, name) in [("", "phone"), ("jobs/orders", "phone-job")] {
            try await page.open(url + path)
            #expect(try await page.value("innerWidth") == 360)
            #expect(try await page.value("document.documentElement.scrollWidth <= 360") == true)
            let outside = "[...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > 361)"
            #expect(try await page.value("\(outside).map(e => e.outerHTML.slice(0, 80)).join()") == "")
            let small = "[...document.querySelectorAll('button')].filter(e => e.getBoundingClientRect().height < 40)"
            #expect(try await page.value("\(small).length") == 0)
            #expect(try await page.screenshot(to: folder + "/\(name).png", isWhole: kept != nil) > 5_000)
        }
        try await page.resize(width: 1200, height: 900)
        try await page.open(url + "jobs/orders")
        #expect(try await page.value("document.querySelectorAll('main > section tbody tr').length") == 24)
        if kept != nil { _ = try await page.screenshot(to: folder + "/job.png", isWhole: true) }
    }

    private static func withoutScript(_ page: BrowserPage, _ url: String, _ daemon: StandInDaemon) async throws {
        try await page.send("Emulation.setScriptExecutionDisabled", ["value": true])
        try await page.open(url)
        let document = try await page.send("DOM.getDocument")
        let button = try await page.send(
            "DOM.querySelector",
            [
                "nodeId": document["root"]?["nodeId"] ?? .null,
                "selector": "#job-nightly .actions form:nth-child(2) button",
            ]
        )
        try await page.send("DOM.focus", ["nodeId": button["nodeId"] ?? .null])
        try await page.press("Enter", code: 13)
        try await eventually("the form") { await daemon.told.last == "resume nightly" }
        try await page.wait(for: "location.hash === '#job-nightly'")
    }

    /// What the browser complained about: blocked content, uncaught errors, console errors.
    private static func complaints(_ browser: Browser) -> [String] {
        let entries = browser.events("Log.entryAdded").compactMap { $0["entry"] }.filter { $0["level"] == "error" }
        let texts = entries.compactMap(\.["text"]?.string)
        // The lost connection and the refused run are meant to be seen.
        let unexpected = texts.filter { !$0.contains("ERR_CONNECTION_REFUSED") && !$0.contains("409") }
        return unexpected + browser.events("Runtime.exceptionThrown").map { "\($0)" }
    }

    private static func foreignRequests(_ browser: Browser, _ url: String) -> [String] {
        browser.events("Network.requestWillBeSent").compactMap { $0["request"]?["url"]?.string }
            .filter { !$0.hasPrefix(url) && !$0.hasPrefix("data:") }
    }

    @Test("Text can be read on its ground, in light and dark", arguments: [false, true])
    func contrast(isDark: Bool) throws {
        let style = PageStyle.text
        let start = try #require(isDark ? style.range(of: "prefers-color-scheme: dark")?.upperBound : style.startIndex)
        func luminance(_ name: String) throws -> Double {
            let place = try #require(style.range(of: "--\(name): #", range: start..<style.endIndex))
            var digits = Array(style[place.upperBound...].prefix { $0.isHexDigit })
            if digits.count == 3 { digits = digits.flatMap { [$0, $0] } }
            let parts = try stride(from: 0, to: 6, by: 2).map { position in
                Double(try #require(Int(String(digits[position..<position + 2]), radix: 16))) / 255
            }
            let linear = parts.map { $0 <= 0.04045 ? $0 / 12.92 : pow(($0 + 0.055) / 1.055, 2.4) }
            return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
        }
        let pairs = [
            ("text", "bg"), ("text", "card"), ("muted", "bg"), ("muted", "card"), ("muted", "grey-soft"),
            ("accent", "bg"), ("accent", "card"), ("accent", "accent-soft"), ("text", "accent-soft"),
            ("red", "card"), ("red", "bg"), ("red", "red-soft"), ("green", "card"), ("green", "bg"),
            ("green", "green-soft"), ("amber", "card"), ("amber", "bg"), ("amber", "amber-soft"), ("card", "red"),
        ]
        for (front, ground) in pairs {
            let (first, second) = (try luminance(front), try luminance(ground))
            let ratio = (max(first, second) + 0.05) / (min(first, second) + 0.05)
            #expect(ratio >= 4.5, "\(front) on \(ground): \(ratio)")
        }
        let (line, card) = (try luminance("strong-line"), try luminance("card"))
        #expect((max(line, card) + 0.05) / (min(line, card) + 0.05) >= 3)
    }

    @Test("A line of measurements has a gap where nothing was measured, and few points")
    func chart() throws {
        let points = (0..<1000).map { Chart.Point(time: Int64($0), value: $0 == 500 ? nil : Double($0 % 10)) }
        let chart = Chart(name: "Lag", newest: "9", text: { "\(Int($0))" }, points: points)
        let drawing = try #require(chart.html).text
        #expect(drawing.contains("aria-label=\"Lag over 0 ms: now 9, at most 9\""))
        #expect(drawing.components(separatedBy: "L").count < 300)
        let gap = [1.0, nil, 2.0].enumerated().map { Chart.Point(time: Int64($0.offset), value: $0.element) }
        let lines = try #require(Chart(name: "", newest: "", text: { _ in "" }, points: gap).html).text
        #expect(lines.contains("class=\"line\" d=\"M0 20.5h1M240 2h1\""))
        #expect(Chart(name: "", newest: "", text: { _ in "" }, points: []).html == nil)
    }

    private static let times: [(Int64, String)] = [
        (0, "now"), (-3, "3 s ago"), (59, "in 59 s"), (-61, "1 min 1 s ago"), (-1800, "30 min ago"),
        (11_100, "in 3 h 5 min"), (-86_400, "1 d ago"), (-90_000, "1 d 1 h ago"), (3_456_000, "in 40 d"),
    ]

    @Test("Times are told in two units", arguments: times)
    func relative(seconds: Int64, text: String) {
        let now: Int64 = 1_790_000_000_000_000_000
        #expect(TimeText.relative(now + seconds * 1_000_000_000, to: now) == text)
        #expect(TimeText.relative(.min, to: .max) == "1677-09-21 00:12")
    }
}
