import HTTPTypes
import Hummingbird
import HummingbirdCore
import KVModel
import Logging
import NIOCore

/// Gives every failure its answer, and every answer the headers that all have.
struct AnswerMiddleware: RouterMiddleware {
    let logger: Logger

    func handle(
        _ request: Request,
        context: FaceContext,
        next: (Request, FaceContext) async throws -> Response
    ) async throws -> Response {
        var response: Response
        do {
            response = try await next(request, context)
        } catch {
            response = try answer(to: request, failure: failure(error, request: request))
        }
        response.headers[.xContentTypeOptions] = "nosniff"
        response.headers[.cacheControl] = "no-store"
        return response
    }

    private func failure(_ error: any Error, request: Request) -> FaceError {
        switch error {
        case let error as FaceError: return error
        case let error as DaemonError:
            let failure = FaceError(error)
            if failure.status == .internalServerError { report(error, request) }
            return failure
        case let error as HTTPError where error.status == .notFound:
            return FaceError(.notFound, "not_found", "there is nothing at \(request.uri.path)", "begin at /")
        case let error as HTTPError where error.status == .contentTooLarge:
            return .bodyTooLarge
        case let error as HTTPError:
            return FaceError(error.status, "bad_request", error.body ?? error.status.reasonPhrase)
        case is CancellationError:
            return FaceError(.serviceUnavailable, "stopping", "the daemon is stopping", "ask again in a moment")
        default:
            report(error, request)
            return FaceError(
                .internalServerError,
                "internal",
                "the daemon could not answer",
                "its log says why"
            )
        }
    }

    private func report(_ error: any Error, _ request: Request) {
        logger.error("\(request.method) \(request.uri.path) failed: \(error)")
    }

    private func answer(to request: Request, failure: FaceError) throws -> Response {
        let asksForPage = !FaceRoutes.isForPrograms(request.uri.path) && request.uri.queryParameters["part"] == nil
        if failure.code == "token_needed", asksForPage, request.method == .get {
            return FaceResponse.seeOther("/login")
        }
        var response =
            asksForPage
            ? FaceResponse.page(MessagePage.failure(failure), status: failure.status)
            : try FaceResponse.failure(failure)
        if failure.status == .unauthorized { response.headers[.wwwAuthenticate] = "Bearer realm=\"cistern\"" }
        if let allow = failure.allow { response.headers[.allow] = allow }
        return response
    }
}

/// Lets through what the `AccessRule` allows.
struct AccessMiddleware: RouterMiddleware {
    let rule: AccessRule
    let cookie: String

    func handle(
        _ request: Request,
        context: FaceContext,
        next: (Request, FaceContext) async throws -> Response
    ) async throws -> Response {
        if let refusal = rule.refusal(of: Self.asked(by: request, cookie: cookie)) { throw refusal }
        return try await next(request, context)
    }

    /// What counts of a request.
    static func asked(by request: Request, cookie: String) -> AccessRule.Asked {
        AccessRule.Asked(
            changes: request.method != .get && request.method != .head,
            isOpen: FaceRoutes.openPaths.contains(request.uri.path),
            authority: request.head.authority,
            origin: request.headers[.origin],
            fetchSite: request.headers.value(of: "Sec-Fetch-Site"),
            hasProof: request.headers.value(of: AccessRule.proofHeader) != nil,
            authorization: request.headers[.authorization],
            session: request.cookies[cookie]?.value,
            now: Timestamp.wallClock().nanoseconds
        )
    }
}

/// Takes a request's body before anything is done with it: within its bounds of size and time.
struct BodyMiddleware: RouterMiddleware {
    let limits: FaceLimits

    func handle(
        _ request: Request,
        context: FaceContext,
        next: (Request, FaceContext) async throws -> Response
    ) async throws -> Response {
        let channel = context.channel
        let deadline = channel.eventLoop.scheduleTask(in: limits.receive) { channel.close(promise: nil) }
        defer { deadline.cancel() }
        var request = request
        if let length = request.headers[.contentLength].flatMap({ Int($0) }), length > limits.body {
            return try refusal(closing: channel)
        }
        do {
            _ = try await request.collectBody(upTo: limits.body)
        } catch is NIOTooManyBytesError {
            return try refusal(closing: channel)
        } catch {
            throw FaceError(.badRequest, "body_incomplete", "the request's body did not come to its end")
        }
        deadline.cancel()
        return try await next(request, context)
    }

    /// The connection ends with the answer: the rest of the body is not worth reading.
    private func refusal(closing channel: any Channel) throws -> Response {
        var response = try FaceResponse.failure(.bodyTooLarge)
        response.headers[.connection] = "close"
        let body = response.body
        response.body = ResponseBody(contentLength: body.contentLength) { writer in
            try await body.write(writer)
            channel.close(promise: nil)
        }
        return response
    }
}

extension FaceError {
    fileprivate static let bodyTooLarge = FaceError(
        .contentTooLarge,
        "body_too_large",
        "the request's body is too large",
        "send none: no request needs one"
    )
}

extension HTTPFields {
    /// The first value of a field by its name.
    fileprivate func value(of name: String) -> String? {
        HTTPField.Name(name).flatMap { self[$0] }
    }
}
