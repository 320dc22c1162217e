import AsyncHTTPClient
import Daemon
import Foundation
import KVModel
import NIOSSL
import TestSupport
import Testing

@Suite("HTTP interface")
struct HTTPInterfaceTests {
    private static let proof = [("X-Cistern-Request", "1")]

    @Test("The API says and does what its description says")
    func api() async throws {
        let daemon = StandInDaemon()
        let face = try await RunningFace(daemon)
        let description = try APIDescription(try await face.ask("/api/v1/openapi.json").json())
        #expect(description.mistakes() == [])
        let strange = "new%20%3Cjob%3E%20%26%20co"
        let calls: [(method: String, path: String, template: String, status: Int)] = [
            ("GET", "/api/v1/status", "/api/v1/status", 200),
            ("GET", "/api/v1/jobs", "/api/v1/jobs", 200),
            ("GET", "/api/v1/jobs/orders", "/api/v1/jobs/{name}", 200),
            ("GET", "/api/v1/jobs/\(strange)", "/api/v1/jobs/{name}", 200),
            ("GET", "/api/v1/jobs/none", "/api/v1/jobs/{name}", 404),
            ("GET", "/api/v1/jobs/orders/runs?limit=3", "/api/v1/jobs/{name}/runs", 200),
            ("GET", "/api/v1/jobs/none/runs", "/api/v1/jobs/{name}/runs", 404),
            ("GET", "/api/v1/runs?limit=500", "/api/v1/runs", 200),
            ("GET", "/api/v1/runs?limit=501", "/api/v1/runs", 400),
            ("GET", "/api/v1/runs?before=x", "/api/v1/runs", 400),
            ("POST", "/api/v1/jobs/\(strange)/run", "/api/v1/jobs/{name}/run", 202),
            ("POST", "/api/v1/jobs/verify/run", "/api/v1/jobs/{name}/run", 409),
            ("POST", "/api/v1/jobs/none/run", "/api/v1/jobs/{name}/run", 404),
            ("POST", "/api/v1/jobs/nightly/pause", "/api/v1/jobs/{name}/pause", 200),
            ("POST", "/api/v1/jobs/none/pause", "/api/v1/jobs/{name}/pause", 404),
            ("POST", "/api/v1/jobs/nightly/resume", "/api/v1/jobs/{name}/resume", 200),
            ("GET", "/readyz", "/readyz", 200),
        ]
        for call in calls {
            let answer = try await face.ask(
                call.path,
                method: call.method,
                headers: call.method == "POST" ? Self.proof : []
            )
            #expect(answer.status == call.status, "\(call.path): \(answer.text)")
            #expect(answer.headers["content-type"] == "application/json")
            let mistakes = description.mistakes(
                of: try answer.json(),
                method: call.method.lowercased(),
                path: call.template,
                status: call.status
            )
            #expect(mistakes == [], "\(call.method) \(call.path)")
        }
        #expect(await daemon.told == ["run new <job> & co", "pause nightly", "resume nightly"])
        try await face.stop()
        #expect(face.log.complaints == [])
    }

    @Test("The description is valid by the reference validator", .enabled(if: isLongRun))
    func validDescription() async throws {
        let face = try await RunningFace(StandInDaemon())
        let folder = try TemporaryDirectory("openapi")
        let document = try await face.ask("/api/v1/openapi.json").text
        try await face.stop()
        try Data(document.utf8).write(to: URL(fileURLWithPath: folder.file("openapi.json")))
        var plan = ChildProcess.Plan(program: "/bin/sh")
        plan.arguments = [
            "-c",
            "python3 -m venv v && v/bin/pip -q install openapi-spec-validator && v/bin/openapi-spec-validator *.json",
        ]
        plan.directory = folder.path
        plan.output = folder.file("said")
        plan.errors = folder.file("said")
        let exit = try await ChildProcess(plan).waitForExit()
        let said = try String(contentsOfFile: folder.file("said"), encoding: .utf8)
        #expect(exit.code == 0 && said.contains("OK"), "\(said)")
    }

    @Test("Runs come page by page, each once")
    func paging() async throws {
        let face = try await RunningFace(StandInDaemon())
        var ids: [Int64] = []
        var path: String? = "/api/v1/jobs/nightly/runs?limit=7"
        while let asked = path {
            let list = try await face.ask(asked).json()
            ids += (list["runs"]?.array ?? []).compactMap { $0["id"]?.integer }
            path = list["next"]?.integer.map { "/api/v1/jobs/nightly/runs?limit=7&before=\($0)" }
        }
        #expect(ids == (0..<24).map { Int64(1000 - $0) })
        let page = try await face.ask("/jobs/nightly?before=990")
        #expect(page.text.contains("complete to revision 2873101"))
        #expect(!page.text.contains("complete to revision 2884101</td>"))
        try await face.stop()
    }

    @Test("Times of the API are RFC 3339, numbers are numbers")
    func values() async throws {
        let daemon = StandInDaemon()
        await daemon.change {
            $0.started = 1_700_000_000_123_000_000
            $0.buckets[0].ttl = 1_500_000_000
        }
        let face = try await RunningFace(daemon)
        let status = try await face.ask("/api/v1/status").json()
        #expect(status["started"]?.string == "2023-11-14T22:13:20.123Z")
        #expect(status["buckets"]?.array?[0]["ttl_seconds"] == .number(1.5))
        #expect(status["jobs"]?.array?[2]["state"] == "failing")
        #expect(status["jobs"]?.array?[5]["last_run"] == nil)
        #expect(status["counts"]?["failing"]?.integer == 1)
        try await face.stop()
    }

    @Test("What is not there is told as JSON to programs, as a page to people")
    func refusals() async throws {
        let face = try await RunningFace(StandInDaemon())
        let missing = try await face.ask("/api/v1/nothing")
        #expect(missing.status == 404)
        #expect(try missing.json()["error"]?["code"] == "not_found")
        let method = try await face.ask("/api/v1/jobs/nightly/run")
        #expect(method.status == 405)
        #expect(method.headers["allow"] == "POST")
        #expect(try await face.ask("/", method: "DELETE", headers: Self.proof).headers["allow"] == "GET, HEAD")
        let page = try await face.ask("/nothing")
        #expect(page.status == 404)
        #expect(page.text.contains("<h1>Not Found</h1>"))
        let head = try await face.ask("/api/v1/status", method: "HEAD")
        #expect(head.status == 200 && head.text.isEmpty)
        try await face.stop()
    }

    @Test("Pages load nothing from elsewhere and escape what they show")
    func pages() async throws {
        let daemon = StandInDaemon()
        await daemon.change {
            $0.jobs[2].lastRun?.error = "</p><script>alert(1)</script>"
            $0.jobs[2].recentRuns[0].error = "<img src=x onerror=alert(1)>"
            $0.name = "\"><b>"
        }
        let face = try await RunningFace(daemon)
        let page = try await face.ask("/")
        let policy = try #require(page.headers["content-security-policy"])
        #expect(policy.hasPrefix("default-src 'none'; script-src 'sha256-"))
        #expect(!policy.contains("unsafe"))
        #expect(page.headers["x-content-type-options"] == "nosniff")
        #expect(page.headers["cache-control"] == "no-store")
        #expect(page.text.components(separatedBy: "<script").count == 2)
        #expect(!page.text.contains("<img"))
        #expect(!page.text.contains(" style=") && !page.text.contains(" onclick="))
        for word in ["src=\"", "url(", "@import", "href=\"http", "//cdn"] { #expect(!page.text.contains(word)) }
        #expect(page.text.contains("&lt;/p&gt;&lt;script&gt;"))
        #expect(page.text.contains("<h3 id=\"job-new%20%3Cjob%3E%20%26%20co-name\">"))
        let failing = try #require(page.text.range(of: "id=\"job-to-west\""))
        let running = try #require(page.text.range(of: "id=\"job-orders\""))
        let well = try #require(page.text.range(of: "id=\"job-nightly\""))
        #expect(failing.lowerBound < running.lowerBound && running.lowerBound < well.lowerBound)
        let part = try await face.ask("/?part=main")
        #expect(part.text.hasPrefix("<main id=\"main\"") && part.text.hasSuffix("</main>"))
        try await face.stop()
    }

    @Test("Forms work without a script, and say where they lead")
    func forms() async throws {
        let daemon = StandInDaemon()
        let face = try await RunningFace(daemon)
        let client = HTTPClient(configuration: .init(redirectConfiguration: .disallow))
        let own = [("Origin", "http://127.0.0.1:\(face.port)"), ("Content-Type", "application/x-www-form-urlencoded")]
        let answer = try await face.ask("/jobs/nightly/pause", method: "POST", headers: own, body: "", client: client)
        #expect(answer.status == 303)
        #expect(answer.headers["location"] == "/#job-nightly")
        let refused = try await face.ask("/jobs/verify/run", method: "POST", headers: own, body: "", client: client)
        #expect(refused.status == 409)
        #expect(refused.text.contains("held by cistern-2; ask that daemon"))
        #expect(await daemon.told == ["pause nightly"])
        try await client.shutdown()
        try await face.stop()
    }

    @Test("Health is for everybody, readiness says why not")
    func health() async throws {
        let daemon = StandInDaemon()
        let face = try await RunningFace(daemon) { $0.token = Secret("0123456789abcdef") }
        #expect(try await face.ask("/healthz").text == "ok\n")
        #expect(try await face.ask("/readyz").status == 200)
        await daemon.set(.notReady(["the cluster west was never reached"]))
        let stranger = try await face.ask("/readyz")
        #expect(stranger.status == 503)
        #expect(!stranger.text.contains("west"))
        let known = try await face.ask("/readyz", headers: [("Authorization", "Bearer 0123456789abcdef")])
        #expect(try known.json()["reasons"] == ["the cluster west was never reached"])
        #expect(try await face.ask("/metrics").status == 401)
        let metrics = try await face.ask("/metrics", headers: [("Authorization", "Bearer 0123456789abcdef")])
        #expect(metrics.text.contains("\ncistern_ready 0\n"))
        try await face.stop()
    }

    @Test("With TLS and a token the page asks for the token, and keeps a session")
    func signIn() async throws {
        let folder = try TemporaryDirectory("face")
        let arguments =
            ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
            + ["-keyout", folder.file("key.pem"), "-out", folder.file("cert.pem")]
        #expect(try await ChildProcess.run("/usr/bin/openssl", arguments) == 0)
        let token = "a token with + and & and ü"
        let face = try await RunningFace(StandInDaemon()) {
            $0.host = "0.0.0.0"
            $0.token = Secret(token)
            $0.certificate = folder.file("cert.pem")
            $0.key = folder.file("key.pem")
        }
        var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
        configuration.tlsConfiguration = .clientDefault
        configuration.tlsConfiguration?.certificateVerification = .none
        let client = HTTPClient(configuration: configuration)
        let stranger = try await face.ask("/", client: client)
        #expect(stranger.status == 303 && stranger.headers["location"] == "/login")
        #expect(try await face.ask("/?part=main", client: client).status == 401)
        #expect(try await face.ask("/api/v1/status", client: client).headers["www-authenticate"] != nil)
        #expect(try await face.ask("/login", client: client).text.contains("type=\"password\""))

        let own = [("Origin", "https://127.0.0.1:\(face.port)"), ("Content-Type", "application/x-www-form-urlencoded")]
        let wrong = try await face.ask("/login", method: "POST", headers: own, body: "token=guess", client: client)
        #expect(wrong.status == 401 && wrong.headers["set-cookie"] == nil)
        let encoded = "a+token+with+%2B+and+%26+and+%C3%BC"
        let foreign = try await face.ask(
            "/login",
            method: "POST",
            headers: [("Origin", "https://evil.example")],
            body: "token=\(encoded)",
            client: client
        )
        #expect(foreign.status == 403)
        let right = try await face.ask("/login", method: "POST", headers: own, body: "token=\(encoded)", client: client)
        #expect(right.status == 303)
        let cookie = try #require(right.headers["set-cookie"])
        for word in ["HttpOnly", "SameSite=Strict", "Secure", "Path=/"] { #expect(cookie.contains(word)) }
        #expect(!cookie.contains("token"))
        let session = [("Cookie", String(cookie.prefix { $0 != ";" }))]
        #expect(try await face.ask("/", headers: session, client: client).text.contains("Sign out"))
        let run = try await face.ask("/jobs/nightly/run", method: "POST", headers: session + own, client: client)
        #expect(run.status == 303)
        let ended = try await face.ask("/logout", method: "POST", headers: session + own, client: client)
        #expect(ended.headers["set-cookie"]?.contains("Max-Age=0") == true)
        // Connections with TLS that are kept open do not hold up the stop.
        #expect(try await face.stop() < .seconds(4))
        try await client.shutdown()
        #expect(face.log.complaints == ["a sign-in with a wrong token"])
    }
}
