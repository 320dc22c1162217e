import HTTPTypes
import Hummingbird
import HummingbirdCore
import KVModel
import Logging
import NIOCore

extension FaceRoutes {
    /// How many runs a page of a job's runs has.
    private static let runsAPage = 40

    /// Adds what people look at.
    func addPages(to router: Router<FaceContext>) {
        serve("/", [.get: statusPage], by: router)
        serve("/jobs/:name", [.get: jobPage], by: router)
        for verb in ["run", "pause", "resume"] {
            serve(
                RouterPath("/jobs/:name/\(verb)"),
                [
                    .post: { _, context in
                        let name = try jobName(context)
                        try await act(verb, on: name)
                        return FaceResponse.seeOther("/#job-" + PageText.encoded(name))
                    }
                ],
                by: router
            )
        }
        serve(
            "/login",
            [.get: { _, _ in FaceResponse.page(MessagePage.signIn(wasWrong: false)) }, .post: signIn],
            by: router
        )
        serve("/logout", [.post: { _, _ in session("", seconds: 0) }], by: router)
    }

    private func statusPage(_ request: Request, _ context: FaceContext) async throws -> Response {
        let page = StatusPage(view: try await control.view())
        return answer(request, page.main, title: page.title, daemon: page.view.name)
    }

    private func jobPage(_ request: Request, _ context: FaceContext) async throws -> Response {
        let view = try await control.view()
        let name = try jobName(context)
        guard let job = view.jobs.first(where: { $0.name == name }) else {
            throw FaceError(.notFound, "unknown_job", "there is no job \(name)", "the status page lists the jobs")
        }
        let (runs, next) = try await runs(of: name, request, limit: Self.runsAPage)
        let page = JobPage(view: view, job: job, runs: runs, next: next)
        return answer(request, page.main, title: page.title, daemon: view.name)
    }

    /// A page; its main part alone if that is what an open page asks for.
    private func answer(_ request: Request, _ main: HTML, title: String, daemon: String) -> Response {
        if request.uri.queryParameters["part"] == "main" { return FaceResponse.page(main) }
        let frame = PageFrame(title: title, daemon: daemon, isLive: true, canSignOut: rule.token != nil)
        return FaceResponse.page(frame.page(main))
    }

    private func signIn(_ request: Request, _ context: FaceContext) async throws -> Response {
        struct Form: Decodable {
            var token: String
        }
        let form: Form
        do {
            let body = try await request.body.collect(upTo: limits.body)
            form = try URLEncodedFormDecoder().decode(Form.self, from: String(buffer: body))
        } catch is DecodingError {
            throw FaceError(.badRequest, "bad_form", "the form has no token", "sign in on the page")
        }
        guard let token = rule.token else { return FaceResponse.seeOther("/") }
        guard token.accepts(token: form.token) else {
            logger.warning(
                "a sign-in with a wrong token",
                metadata: ["from": "\(context.channel.remoteAddress as Any)"]
            )
            // Guesses are slow, even though a token is too long to be guessed.
            try await Task.sleep(for: .milliseconds(300))
            return FaceResponse.page(MessagePage.signIn(wasWrong: true), status: .unauthorized)
        }
        return session(token.session(now: Timestamp.wallClock().nanoseconds), seconds: TokenGate.sessionSeconds)
    }

    private func session(_ value: String, seconds: Int64) -> Response {
        var response = FaceResponse.seeOther("/")
        response.headers[.setCookie] =
            "\(cookie)=\(value); Path=/; Max-Age=\(seconds); HttpOnly; SameSite=Strict"
            + (rule.isSecure ? "; Secure" : "")
        return response
    }
}
