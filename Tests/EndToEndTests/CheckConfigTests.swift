import Foundation
import TestSupport
import Testing

@Suite("cistern check-config")
struct CheckConfigTests {
    private static let head = """
        clusters:
          east: { servers: [nats://127.0.0.1:4222] }
        archives:
          main: { path: main.cistern }
        jobs:
          nightly:
            backup: { from: east, buckets: [a], to: main }

        """

    private func check(_ text: String, _ arguments: [String] = []) async throws -> CisternProcess.Result {
        let folder = try TemporaryDirectory("check")
        defer { folder.remove() }
        try text.write(toFile: folder.file("cistern.yaml"), atomically: true, encoding: .utf8)
        return try await CisternProcess.run(["check-config", "cistern.yaml"] + arguments, directory: folder.path)
    }

    @Test("A file without mistakes")
    func valid() async throws {
        let result = try await check(Self.head + "    schedule: \"0 3 * * *\"\n    timezone: Asia/Tokyo\n")
        #expect(result.code == 0, "\(result)")
        #expect(result.outputText.hasPrefix("cistern.yaml: 1 job, 1 cluster, 1 archive, valid\n"), "\(result)")
        #expect(result.outputText.contains("backup of a on east to main  0 3 * * *"), "\(result)")
        #expect(result.outputText.contains("T03:00:00+09:00"), "\(result)")
        let json = try await check(Self.head, ["--json"])
        #expect(json.code == 0, "\(json)")
        #expect(json.outputText.contains(#""valid":true"#) && json.outputText.contains(#""kind":"backup""#), "\(json)")
        #expect(try await check(Self.head, ["--quiet"]).output.isEmpty)
    }

    @Test("A file with mistakes ends with exit code 64 and tells them all")
    func mistakes() async throws {
        let text = Self.head + "    schedul: \"0 3 * * *\"\n    retry: { attempts: none }\n"
        let result = try await check(text)
        #expect(result.code == 64, "\(result)")
        #expect(
            result.outputText == """
                cistern.yaml:8:5: "schedul" is no key of job nightly; did you mean schedule?
                cistern.yaml:9:24: attempts must be a whole number from 1 to 1000, not "none"; \
                write for example attempts: 5

                """,
            "\(result)"
        )
        #expect(result.errorText.contains("cistern.yaml has 2 mistakes"), "\(result)")
        let json = try await check(text, ["--json"])
        #expect(json.code == 64, "\(json)")
        #expect(json.outputText.contains(#""valid":false"#) && json.outputText.contains(#""line":9"#), "\(json)")
        let absent = try await CisternProcess.run(["check-config", "/nowhere/cistern.yaml"])
        #expect(absent.code == 64, "\(absent)")
        #expect(absent.outputText.contains("No such file"), "\(absent)")
    }
}
