import Daemon
import Foundation
import Synchronization
import TestSupport
import Testing

@Suite("Notifier")
struct NotifierTests {
    private static let second: Int64 = 1_000_000_000

    private func record(_ outcome: RunRecord.Outcome, job: String = "nightly") -> RunRecord {
        RunRecord(
            id: 7,
            job: job,
            kind: "backup",
            cause: .schedule,
            attempt: 2,
            due: 0,
            started: Self.second,
            finished: 3 * Self.second,
            outcome: outcome,
            revision: outcome == .failed ? nil : 42,
            entries: 10,
            bytes: 200,
            summary: "bucket a backed up",
            error: outcome == .failed ? "no \"luck\"" : nil,
            daemon: "box-1"
        )
    }

    private func settings(
        _ url: String?,
        _ occasions: Set<JobSettings.Notification.Occasion>,
        heartbeat: String? = nil
    )
        -> JobSettings.Notification
    {
        var settings = JobSettings.Notification()
        settings.url = url.map { Secret($0) }
        settings.heartbeat = heartbeat.map { Secret($0) }
        settings.occasions = occasions
        return settings
    }

    private func notifier(_ logs: LogCollector, attempts: Int = 5, timeout: Duration = .seconds(5)) -> Notifier {
        var patience = Notifier.Patience()
        patience.attempts = attempts
        patience.from = .milliseconds(20)
        patience.to = .milliseconds(50)
        patience.timeout = timeout
        return Notifier(version: "1.2.3", patience: patience, logger: logs.logger())
    }

    @Test("Failure, recovery and success are told as the job says")
    func occasions() {
        typealias Occasion = JobSettings.Notification.Occasion
        let all = settings(nil, [.failure, .recovery, .success])
        #expect(all.occasion(.failed, after: .failed) == .failure)
        #expect(all.occasion(.different, after: nil) == .failure)
        #expect(all.occasion(.succeeded, after: .failed) == .recovery)
        #expect(all.occasion(.succeeded, after: .different) == .recovery)
        #expect(all.occasion(.succeeded, after: .succeeded) == .success)
        #expect(all.occasion(.succeeded, after: nil) == .success)
        #expect(all.occasion(.stopped, after: .failed) == nil)
        #expect(settings(nil, [.success]).occasion(.succeeded, after: .failed) == .success)
        #expect(settings(nil, [.failure, .recovery]).occasion(.succeeded, after: .succeeded) == nil)
        #expect(settings(nil, [.recovery]).occasion(.failed, after: .succeeded) == nil)
    }

    @Test("What is posted has every field, and is tried until it is taken; runs are told in their order")
    func posts() async throws {
        try await WebhookServer.with { server in
            let logs = LogCollector()
            let notifier = notifier(logs)
            server.answer(.status(503), .status(429))
            let settings = settings(
                server.url("/hook/s3cret?token=s3cret", user: "joe:s3cret@"),
                [.failure, .recovery]
            )
            await notifier.tell(record(.failed), settings, after: .succeeded)
            await notifier.tell(record(.succeeded), settings, after: .failed)
            await notifier.tell(record(.succeeded), settings, after: .succeeded)
            await notifier.close(within: .seconds(20))
            let received = server.received
            #expect(received.map(\.path) == Array(repeating: "/hook/s3cret?token=s3cret", count: 4))
            #expect(received.allSatisfy { $0.method == "POST" && $0.headers["content-type"] == "application/json" })
            #expect(received.allSatisfy { $0.headers["user-agent"] == "cistern/1.2.3" })
            #expect(received[0].headers["authorization"] == "Basic " + Data("joe:s3cret".utf8).base64EncodedString())
            #expect(
                received[2].body
                    == #"{"attempt":2,"bytes":200,"cause":"schedule","daemon":"box-1","due":"1970-01-01T00:00:00Z","#
                    + #""entries":10,"error":"no \"luck\"","finished":"1970-01-01T00:00:03Z","job":"nightly","#
                    + #""kind":"backup","occasion":"failure","outcome":"failed","revision":null,"#
                    + #""started":"1970-01-01T00:00:01Z","summary":"bucket a backed up","version":"1.2.3"}"#
            )
            #expect(received[3].body.contains(#""occasion":"recovery""#))
            #expect(received[3].body.contains(#""revision":42"#))
            #expect(logs.lines.contains { $0.contains("not told yet") && $0.contains("HTTP 503") })
            #expect(!logs.lines.joined().contains("s3cret"))
        }
    }

    @Test("Heartbeats are asked for after successes only, with tries of their own")
    func heartbeats() async throws {
        try await WebhookServer.with { server in
            let logs = LogCollector()
            let notifier = notifier(logs)
            server.answer(.status(500))
            let settings = settings(nil, [], heartbeat: server.url("/ping/abc"))
            await notifier.tell(record(.failed), settings, after: nil)
            await notifier.tell(record(.stopped), settings, after: nil)
            await notifier.tell(record(.succeeded), settings, after: nil)
            await notifier.close(within: .seconds(20))
            #expect(server.received.map(\.method) == ["GET", "GET"])
            #expect(server.received.allSatisfy { $0.path == "/ping/abc" && $0.body.isEmpty })
            await notifier.tell(record(.succeeded), settings, after: nil)
            #expect(server.received.count == 2)
        }
    }

    @Test("Whoever tells something learns whether it arrived, or why not")
    func arrivals() async throws {
        try await WebhookServer.with { server in
            let notifier = notifier(LogCollector())
            let said = Mutex<[String]>([])
            func tell(_ outcome: RunRecord.Outcome, _ settings: JobSettings.Notification) async {
                await notifier.tell(record(outcome), settings, after: nil) { failure in
                    said.withLock { $0.append(failure ?? "arrived") }
                }
            }
            server.answer(.status(200), .status(404))
            let settings = settings(server.url("/hook"), [.failure])
            await tell(.failed, settings)
            await tell(.failed, settings)
            try await eventually("both to be known") { said.withLock { $0.count } == 2 }
            #expect(said.withLock { $0 } == ["arrived", "http://127.0.0.1:\(server.port): HTTP 404"])
            // There is nobody to be told of a success.
            await tell(.succeeded, settings)
            #expect(said.withLock { $0.last } == "arrived")
            await notifier.close(within: .seconds(5))
            await tell(.failed, settings)
            #expect(said.withLock { $0.last } == "the daemon stops")
        }
    }

    @Test("Redirections are followed on the same host only; what is refused is not tried again")
    func redirections() async throws {
        try await WebhookServer.with { server in
            try await WebhookServer.with { other in
                let logs = LogCollector()
                let notifier = notifier(logs)
                server.answer(.redirect("/new/s3cret"), .status(200))
                await notifier.tell(record(.failed), settings(server.url("/old"), [.failure]), after: nil)
                try await eventually("the redirection") { server.received.map(\.path) == ["/old", "/new/s3cret"] }
                #expect(server.received[0].body == server.received[1].body)
                server.answer(.redirect(other.url("/elsewhere")), .status(404))
                await notifier.tell(record(.failed), settings(server.url("/away"), [.failure]), after: nil)
                try await eventually("the refusal") { logs.lines.contains { $0.contains("to another host") } }
                await notifier.tell(record(.failed), settings(server.url("/gone"), [.failure]), after: nil)
                await notifier.tell(record(.failed), settings("ftp://x/s3cret", [.failure]), after: nil)
                await notifier.close(within: .seconds(20))
                #expect(server.received.map(\.path) == ["/old", "/new/s3cret", "/away", "/gone"])
                #expect(other.received.isEmpty)
                #expect(logs.warnings.contains { $0.contains("HTTP 404") })
                #expect(logs.warnings.contains { $0.contains("no usable address") })
                #expect(!logs.lines.joined().contains("s3cret"))
            }
        }
    }

    @Test("A dead address holds up nobody, is given up after some tries, and not waited for beyond the limit")
    func deadAddresses() async throws {
        try await WebhookServer.with { server in
            let logs = LogCollector()
            let notifier = notifier(logs, attempts: 3, timeout: .milliseconds(200))
            let dead = "http://127.0.0.1:\(try FreePort.next())/s3cret"
            let started = ContinuousClock.now
            for _ in 0..<3 { await notifier.tell(record(.failed), settings(dead, [.failure]), after: nil) }
            await notifier.tell(record(.failed), settings(server.url("/a"), [.failure]), after: nil)
            #expect(ContinuousClock.now - started < .seconds(1))
            try await eventually("the living one") { server.received.count == 1 }
            try await eventually("the end of the dead one") { await notifier.pending == 0 }
            #expect(logs.warnings.count { $0.contains("given up") && $0.contains("no connection") } == 3)
            server.answer(.silence(.seconds(5)), .status(200))
            await notifier.tell(record(.failed), settings(server.url("/slow"), [.failure]), after: nil)
            // On a busy machine the second may be too late as well.
            try await eventually("a second try") { server.received.count { $0.path == "/slow" } > 1 }
            #expect(logs.lines.contains { $0.contains("no answer in time") })
            let impatient = self.notifier(logs, attempts: 1000)
            await impatient.tell(record(.failed), settings(dead, [.failure]), after: nil)
            await impatient.tell(record(.succeeded), settings(nil, [], heartbeat: dead), after: nil)
            let closing = ContinuousClock.now
            await impatient.close(within: .milliseconds(300))
            #expect(ContinuousClock.now - closing < .seconds(3))
            #expect(logs.warnings.count { $0.contains("not told: the daemon stops") } == 2)
            await notifier.close(within: .seconds(5))
            #expect(!logs.lines.joined().contains("s3cret"))
        }
    }
}
