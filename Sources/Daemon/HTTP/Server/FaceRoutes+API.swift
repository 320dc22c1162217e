import HTTPTypes
import Hummingbird
import HummingbirdCore

extension FaceRoutes {
    /// Adds the paths below `/api/v1`, as `OpenAPIDocument` describes them.
    func addAPI(to router: Router<FaceContext>) {
        serve(
            "/api/v1/status",
            [.get: { _, _ in try FaceResponse.json(StatusDocument(try await control.view())) }],
            by: router
        )
        serve(
            "/api/v1/jobs",
            [
                .get: { _, _ in
                    try FaceResponse.json(JobListDocument(jobs: try await control.view().jobs.map { JobDocument($0) }))
                }
            ],
            by: router
        )
        serve(
            "/api/v1/jobs/:name",
            [.get: { _, context in try FaceResponse.json(JobDocument(try await job(jobName(context)))) }],
            by: router
        )
        serve(
            "/api/v1/jobs/:name/runs",
            [
                .get: { request, context in
                    let name = try await job(jobName(context)).name
                    return try await runList(of: name, request)
                }
            ],
            by: router
        )
        serve("/api/v1/runs", [.get: { request, _ in try await runList(of: nil, request) }], by: router)
        for verb in ["run", "pause", "resume"] {
            serve(
                RouterPath("/api/v1/jobs/:name/\(verb)"),
                [
                    .post: { _, context in
                        let name = try jobName(context)
                        try await act(verb, on: name)
                        return try FaceResponse.json(
                            JobDocument(try await job(name)),
                            status: verb == "run" ? .accepted : .ok
                        )
                    }
                ],
                by: router
            )
        }
        serve(
            "/api/v1/openapi.json",
            [.get: { _, _ in FaceResponse.text(OpenAPIDocument.text, type: "application/json") }],
            by: router
        )
    }

    private func job(_ name: String) async throws -> JobView {
        guard let job = try await control.view().jobs.first(where: { $0.name == name }) else {
            throw FaceError.unknownJob(name)
        }
        return job
    }

    private func runList(of job: String?, _ request: Request) async throws -> Response {
        let limit = try number("limit", of: request, in: 1...500) ?? 50
        let (runs, next) = try await runs(of: job, request, limit: Int(limit))
        return try FaceResponse.json(RunListDocument(runs: runs.map { RunDocument($0) }, next: next))
    }
}
