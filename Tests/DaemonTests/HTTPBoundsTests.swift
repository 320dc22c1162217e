import Foundation
import Logging
import NIOCore
import ServiceLifecycle
import Synchronization
import TestSupport
import Testing

@testable import Daemon

@Suite("HTTP bounds")
struct HTTPBoundsTests {
    /// Connections that stay open while the face stops.
    private static let kept = Mutex<[RawConnection]>([])

    /// Serves with short bounds while `body` runs, then stops; says how long the stop took.
    private static func withFace(
        _ daemon: StandInDaemon = StandInDaemon(),
        _ change: (inout FaceLimits) -> Void = { _ in },
        body: @Sendable (Int) async throws -> Void
    ) async throws -> (stop: Duration, complaints: [String]) {
        var settings = HTTPSettings()
        settings.port = try FreePort.next()
        var limits = FaceLimits()
        change(&limits)
        let log = CapturedLog()
        let logger = Logger(label: "face") { _ in log }
        let face = try HTTPFace(settings, control: daemon, limits: limits, logger: logger)
        let group = ServiceGroup(configuration: .init(services: [face], logger: logger))
        async let ended: Void = group.run()
        try await eventually("the face") { log.lines.contains { $0.contains("listening") } }
        try await body(settings.port)
        let clock = ContinuousClock()
        let start = clock.now
        await group.triggerGracefulShutdown()
        try await ended
        return (clock.now - start, log.complaints)
    }

    @Test("A head that does not come, or comes too slowly, ends the connection")
    func slowHead() async throws {
        _ = try await Self.withFace {
            $0.idle = .milliseconds(300)
        } body: { port in
            let silent = try RawConnection(port: port)
            let slow = try RawConnection(port: port)
            slow.send("GET / HTTP/1.1\r\nHost: local")
            #expect(try await silent.readToEnd(seconds: 30) == "")
            #expect(try await slow.readToEnd(seconds: 30)?.isEmpty == true)
        }
    }

    @Test("A body that does not come ends the connection, one that is too large is refused")
    func bodies() async throws {
        let head = "POST /login HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n"
        _ = try await Self.withFace {
            $0.receive = .milliseconds(300)
        } body: { port in
            let slow = try RawConnection(port: port)
            slow.send(head + "Content-Length: 10\r\n\r\ntok")
            let answer = try #require(try await slow.readToEnd(seconds: 30))
            #expect(!answer.contains("200 OK"))
            let announced = try RawConnection(port: port)
            announced.send(head + "Content-Length: 100000\r\n\r\n")
            #expect(try await announced.readToEnd(seconds: 30)?.contains("413 ") == true)
            let chunked = try RawConnection(port: port)
            let chunk = String(repeating: "x", count: 20_000)
            chunked.send(head + "Transfer-Encoding: chunked\r\n\r\n4e20\r\n\(chunk)\r\n")
            #expect(try await chunked.readToEnd(seconds: 30)?.contains("413 ") == true)
            let long = try RawConnection(port: port)
            long.send("GET /" + String(repeating: "x", count: 100_000) + " HTTP/1.1\r\nHost: localhost\r\n\r\n")
            #expect(try await long.readToEnd(seconds: 30)?.contains("200 OK") == false)
        }
    }

    @Test("The bounds of a body hold for a request that is refused as well")
    func refusedBodies() async throws {
        _ = try await Self.withFace {
            $0.receive = .milliseconds(300)
            // As if every part that drips in renewed it.
            $0.idle = .minutes(10)
        } body: { port in
            for head in [
                "POST /jobs/nightly/run HTTP/1.1\r\nHost: evil.example\r\n",
                "POST /nowhere HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n",
            ] {
                let slow = try RawConnection(port: port)
                slow.send(head + "Content-Length: 10\r\n\r\ntok")
                // The end of the connection is what counts: without the bound there would be an answer and no end.
                #expect(try await slow.readToEnd(seconds: 30) != nil)
                let large = try RawConnection(port: port)
                large.send(head + "Content-Length: 1000000000\r\n\r\nx")
                #expect(try await large.readToEnd(seconds: 30) != nil)
            }
        }
    }

    @Test("Who takes nothing of an answer is dropped")
    func slowReader() async throws {
        let daemon = StandInDaemon()
        await daemon.change { view in
            view.jobs[0].summary = String(repeating: "a long summary ", count: 500_000)
        }
        _ = try await Self.withFace(daemon) {
            $0.send = .milliseconds(300)
        } body: { port in
            let connection = try RawConnection(port: port, receiveBuffer: 4096)
            connection.send("GET /api/v1/jobs/nightly HTTP/1.1\r\nHost: localhost\r\n\r\n")
            // Nothing is read for longer than the bound; then only what the buffers held is left.
            try await eventually("the answer") { await daemon.views > 0 }
            try await Task.sleep(for: .seconds(1.5))
            let text = try #require(try await connection.readToEnd(seconds: 30))
            #expect(text.utf8.count < 7_500_000)
        }
    }

    @Test("More connections than the bound wait until one ends")
    func connections() async throws {
        _ = try await Self.withFace {
            $0.connections = 2
            $0.idle = .seconds(1)
        } body: { port in
            // One turn of the event loop may take a few more than the bound, but not all of these.
            let held = try (0..<10).map { _ in try RawConnection(port: port) }
            let last = try RawConnection(port: port)
            last.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            #expect(try await last.readToEnd(seconds: 0.3) == nil)
            #expect(try await last.readToEnd(seconds: 30)?.contains("ok\n") == true)
            withExtendedLifetime(held) {}
        }
    }

    @Test("A stop ends within a second, without a word, whatever goes on")
    func stop() async throws {
        let daemon = StandInDaemon()
        let (time, complaints) = try await Self.withFace(daemon) { port in
            let pages = try (0..<8).map { _ in try RawConnection(port: port) }
            for page in pages { page.send("GET /?part=main HTTP/1.1\r\nHost: localhost\r\n\r\n") }
            let half = try RawConnection(port: port)
            half.send(
                "POST /login HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nContent-Length: 9\r\n\r\n"
            )
            try await eventually("the pages were asked for") { await daemon.views >= 8 }
            await daemon.answer(after: .seconds(120))
            pages[0].send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            try await eventually("a page that takes long") { await daemon.views >= 9 }
            Self.kept.withLock { $0 += pages + [half] }
        }
        // Far from the two minutes of the page, with room for a busy machine.
        #expect(time < .seconds(20))
        #expect(complaints == [])
        Self.kept.withLock { $0 = [] }
    }

    @Test("A port that is taken is told with what to do")
    func taken() async throws {
        let face = try await RunningFace(StandInDaemon())
        var settings = HTTPSettings()
        settings.port = face.port
        let second = try HTTPFace(
            settings,
            control: StandInDaemon(),
            logger: Logger(label: "second") { _ in CapturedLog() }
        )
        let error = await #expect(throws: DaemonError.self) { try await second.run() }
        #expect(error?.code == .http)
        #expect(error?.text.contains("127.0.0.1:\(face.port)") == true)
        try await face.stop()
    }
}
