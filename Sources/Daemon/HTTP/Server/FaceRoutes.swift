import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdCore
import Logging

/// Which path leads to what.
struct FaceRoutes: Sendable {
    typealias Handler = @Sendable (Request, FaceContext) async throws -> Response

    let control: any DaemonControl
    let rule: AccessRule
    let cookie: String
    let limits: FaceLimits
    let logger: Logger

    /// What needs no token.
    static let openPaths: Set<String> = ["/healthz", "/readyz", "/login"]

    /// Whether a path's answers are for programs: its failures are JSON then.
    static func isForPrograms(_ path: String) -> Bool {
        path.hasPrefix("/api") || ["/metrics", "/healthz", "/readyz"].contains(path)
    }

    /// The router with all paths.
    func router() -> Router<FaceContext> {
        let router = Router(context: FaceContext.self, options: .autoGenerateHeadEndpoints)
        router.add(middleware: AnswerMiddleware(logger: logger))
        // First the bounds, for strangers as well: what a refusal left unread of a body would be waited for without any.
        router.add(middleware: BodyMiddleware(limits: limits))
        router.add(middleware: AccessMiddleware(rule: rule, cookie: cookie))
        addPages(to: router)
        addAPI(to: router)
        serve("/metrics", [.get: metrics], by: router)
        serve("/healthz", [.get: { _, _ in FaceResponse.text("ok\n", type: "text/plain") }], by: router)
        serve("/readyz", [.get: readiness], by: router)
        return router
    }

    /// Adds a path with the methods that it knows; the others are answered with 405.
    func serve(_ path: RouterPath, _ handlers: [HTTPRequest.Method: Handler], by router: Router<FaceContext>) {
        let known = handlers.keys.map(\.rawValue).sorted().joined(separator: ", ")
        let allow = handlers[.get] == nil ? known : known.replacing("GET", with: "GET, HEAD")
        for (method, handler) in handlers { router.on(path, method: method, use: handler) }
        for method in [HTTPRequest.Method.get, .post, .put, .patch, .delete, .options]
        where handlers[method] == nil {
            router.on(path, method: method) { request, _ -> Response in
                var error = FaceError(
                    .methodNotAllowed,
                    "method_not_allowed",
                    "\(request.uri.path) does not know \(method)",
                    "use \(allow)"
                )
                error.allow = allow
                throw error
            }
        }
    }

    /// The job that the request's path names.
    func jobName(_ context: FaceContext) throws -> String {
        let name = try context.parameters.require("name")
        guard let decoded = name.removingPercentEncoding, !decoded.isEmpty else { throw FaceError.unknownJob(name) }
        return decoded
    }

    /// Does something with a job.
    func act(_ verb: String, on job: String) async throws {
        switch verb {
        case "run": try await control.runNow(job)
        case "pause": try await control.pause(job)
        default: try await control.resume(job)
        }
        logger.info("\(verb) of job \(job) asked for over HTTP")
    }

    /// Runs, and what `before` must say to go on; nil at the end.
    func runs(of job: String?, _ request: Request, limit: Int) async throws -> (runs: [RunRecord], next: Int64?) {
        let before = try number("before", of: request, in: 1...Int64.max)
        // One more than is shown tells whether there are more.
        var runs = try await control.runs(of: job, before: before, limit: limit + 1)
        guard runs.count > limit else { return (runs, nil) }
        runs.removeLast(runs.count - limit)
        return (runs, runs.last?.id)
    }

    /// A number of the query; nil if it says none.
    func number(_ name: String, of request: Request, in range: ClosedRange<Int64>) throws -> Int64? {
        guard let text = request.uri.queryParameters[name[...]] else { return nil }
        guard let number = Int64(text), range.contains(number) else {
            let most = range.upperBound == .max ? "" : " to \(range.upperBound)"
            throw FaceError(
                .badRequest,
                "bad_query",
                "\(name) is \(text)",
                "give a number from \(range.lowerBound)\(most)"
            )
        }
        return number
    }

    private func metrics(_ request: Request, _ context: FaceContext) async throws -> Response {
        let isReady = await control.readiness() == .ready
        return FaceResponse.text(
            try await control.view().metrics(isReady: isReady),
            type: "text/plain; version=0.0.4; charset=utf-8"
        )
    }

    private func readiness(_ request: Request, _ context: FaceContext) async throws -> Response {
        struct Document: Encodable {
            var ready: Bool
            var reasons: [String]
        }
        switch await control.readiness() {
        case .ready:
            return try FaceResponse.json(Document(ready: true, reasons: []))
        case .notReady(let reasons):
            // Everybody may ask; what stands behind the daemon is for those alone who may look at it.
            let mayKnow = rule.knows(AccessMiddleware.asked(by: request, cookie: cookie))
            let shown = mayKnow ? reasons : ["the reasons are shown to those who bear the token"]
            return try FaceResponse.json(Document(ready: false, reasons: shown), status: .serviceUnavailable)
        }
    }
}
