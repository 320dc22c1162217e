import Foundation
import TestSupport
import Testing

@Suite("cistern doctor", .serialized)
struct DoctorTests {
    /// The newest and the oldest server; all of them in the long form.
    private static let versions = ServerBinary.all.filter { binary in
        isLongRun || binary == ServerBinary.all.first || binary == ServerBinary.all.last
    }

    private func doctor(_ arguments: [String]) async throws -> CisternProcess.Result {
        try await CisternProcess.run(["doctor"] + arguments, timeout: .seconds(60))
    }

    /// The states of what was looked at.
    private func states(_ result: CisternProcess.Result) throws -> [String: String] {
        let fields = try #require(try JSONSerialization.jsonObject(with: Data(result.output)) as? [String: Any])
        let findings = try #require(fields["findings"] as? [[String: Any]])
        var states: [String: String] = [:]
        for finding in findings {
            states[try #require(finding["about"] as? String)] = try #require(finding["state"] as? String)
        }
        return states
    }

    private static let work = [
        "backup", "restore by replay", "restore exact", "migrate", "mirror from here", "mirror to here", "leases",
    ]

    @Test("A server that allows everything", arguments: versions)
    func plain(binary: ServerBinary) async throws {
        let server = try await ServerProcess.start(binary)
        defer { server.close() }
        let before = try await server.withClient { try $0.api("INFO")["streams"] as? Int }
        let text = try await doctor(["-s", server.url])
        #expect(text.code == 0, "\(text)")
        #expect(text.outputText.contains("nats-server \(binary.version)"), "\(text)")
        #expect(text.errorText.isEmpty, "\(text)")
        let json = try await doctor(["-s", server.url, "--json"])
        let states = try states(json)
        for kind in Self.work {
            let isLimited = kind == "restore exact" && !binary.isAtLeast("2.12")
            #expect(states[kind] == (isLimited ? "limited" : "ok"), "\(kind): \(json)")
        }
        #expect(states["entry TTL, markers"] == (binary.isAtLeast("2.11") ? "ok" : "limited"), "\(json)")
        #expect(states["several filters"] == (binary.isAtLeast("2.10") ? "ok" : "limited"), "\(json)")
        let after = try await server.withClient { try $0.api("INFO")["streams"] as? Int }
        #expect(before == 0 && after == 0)
    }

    @Test("No server, and a server without JetStream")
    func without() async throws {
        let absent = try await doctor(["-s", "nats://127.0.0.1:\(try FreePort.next())"])
        #expect(absent.code == 69, "\(absent)")
        #expect(
            absent.outputText.contains("not possible") && absent.outputText.contains("nothing listens"),
            "\(absent)"
        )
        let server = try await ServerProcess.start(options: .init(jetStream: false))
        defer { server.close() }
        let plain = try await doctor(["-s", server.url])
        #expect(plain.code == 1, "\(plain)")
        #expect(plain.outputText.contains("JetStream") && plain.outputText.contains("start it with -js"), "\(plain)")
    }

    private static let users = #"""
        authorization { users: [
          { user: "reader", password: "p", permissions: {
            publish: ["$JS.API.INFO", "$JS.API.STREAM.LIST", "$JS.API.STREAM.INFO.*", "$JS.API.STREAM.MSG.GET.*",
              "$JS.API.CONSUMER.CREATE.>", "$JS.FC.>"], subscribe: "_INBOX.>" } }
          { user: "unlisted", password: "p", permissions: { publish: { deny: "$JS.API.STREAM.LIST" } } }
          { user: "replayer", password: "p", permissions: { publish: { deny: "$JS.SNAPSHOT.>" } } }
          { user: "deaf", password: "p", permissions: { subscribe: { deny: "_INBOX.>" } } }
          { user: "blind", password: "p", permissions: { publish: { deny: "$JS.API.INFO" } } }
        ] }
        """#

    @Test("Users who may not do everything are told what they may")
    func permissions() async throws {
        let server = try await ServerProcess.start(options: .init(configuration: Self.users))
        defer { server.close() }
        func ask(_ user: String, _ more: String...) async throws -> CisternProcess.Result {
            try await doctor(["-s", server.url, "--user", user, "--password", "p"] + more)
        }
        let reader = try await ask("reader", "--json")
        #expect(reader.code == 1, "\(reader)")
        let states = try states(reader)
        for kind in Self.work {
            let isReading = ["backup", "mirror from here"].contains(kind)
            #expect(states[kind] == (isReading ? "ok" : "impossible"), "\(kind): \(reader)")
        }
        #expect(reader.outputText.contains("may not publish to $JS.API.STREAM.CREATE.*, $KV.*.>"), "\(reader)")
        let unlisted = try await ask("unlisted", "--json")
        #expect(unlisted.code == 1, "\(unlisted)")
        #expect(try self.states(unlisted)["backup"] == "limited", "\(unlisted)")
        #expect(try self.states(unlisted)["migrate"] == "impossible", "\(unlisted)")
        #expect(try self.states(unlisted)["restore exact"] == "ok", "\(unlisted)")
        let replayer = try await ask("replayer", "--json")
        #expect(replayer.code == 1, "\(replayer)")
        #expect(try self.states(replayer)["restore exact"] == "impossible", "\(replayer)")
        #expect(try self.states(replayer)["restore by replay"] == "ok", "\(replayer)")
        let deaf = try await ask("deaf")
        #expect(deaf.code == 1 && deaf.outputText.contains("may not subscribe to _INBOX.>"), "\(deaf)")
        let blind = try await ask("blind", "--json")
        #expect(blind.code == 0, "\(blind)")
        #expect(try self.states(blind)["account"] == "limited", "\(blind)")
    }

    /// A user for each kind of work, with the permissions that the doctor asks for and no others.
    private static func users(_ work: [String: String]) -> String {
        let all = "{ user: \"all\", password: \"p\" }"
        let reading = """
            "$JS.API.INFO", "$JS.API.STREAM.INFO.*", "$JS.API.STREAM.MSG.GET.*", "$JS.API.CONSUMER.CREATE.>", "$JS.FC.>"
            """
        let users = work.map { name, more in
            "{ user: \(name), password: p, permissions: { publish: [\(reading)\(more)], subscribe: \"_INBOX.>\" } }"
        }
        return "authorization { users: [ \(([all] + users).joined(separator: "\n")) ] }"
    }

    @Test("Who may do what the doctor asks for can do the work", arguments: versions)
    func sufficient(binary: ServerBinary) async throws {
        let change = ", \"$JS.API.STREAM.UPDATE.*\", \"$JS.API.STREAM.DELETE.*\""
        let write = ", \"$JS.API.STREAM.CREATE.*\", \"$KV.*.>\""
        let upload = ", \"$JS.API.STREAM.RESTORE.*\", \"$JS.SNAPSHOT.RESTORE.*.*\", \"$JS.API.STREAM.MSG.DELETE.*\""
        let users = Self.users([
            "backup": "", "replay": change + write,
            "exact": change + upload,
            "migrate": change + write + upload + ", \"$JS.API.STREAM.LIST\", \"$KV.*.barrier\"",
        ])
        let server = try await ServerProcess.start(binary, options: .init(configuration: users))
        let folder = try TemporaryDirectory("doctor")
        defer {
            server.close()
            folder.remove()
        }
        try await server.withClient(user: "all", password: "p") { client in
            try client.createBucket("src", history: 3)
            for number in 1...20 { try client.put("src", "key.\(number % 7)", "value \(number)") }
        }
        let archive = folder.file("a.cistern")
        func run(_ user: String, _ about: String, _ arguments: [String]) async throws {
            let login = ["-s", server.url, "--user", user, "--password", "p"]
            let state = try states(try await doctor(login + ["--json"]))[about]
            #expect(state == "ok" || state == "limited", "\(user)")
            let result = try await CisternProcess.run(arguments + login, timeout: .seconds(60))
            #expect(result.code == 0, "\(user): \(result)")
        }
        try await run("backup", "backup", ["backup", "src", "--archive", archive, "--verify"])
        try await run("replay", "restore by replay", ["restore", archive, "--as", "one", "--mode", "replay"])
        try await run("exact", "restore exact", ["restore", archive, "--as", "two", "--mode", "exact"])
        let migration = ["migrate", "src", "--set", "storage=memory", "--yes", "--archive", folder.file("m.cistern")]
        try await run("migrate", "migrate", migration)
    }

    @Test("An account's limits")
    func limits() async throws {
        let accounts = #"""
            accounts { A {
              jetstream { max_mem: 0, max_file: 10MB, max_streams: 1, max_bytes_required: true }
              users: [ { user: "a", password: "p" } ]
            } }
            """#
        let server = try await ServerProcess.start(options: .init(configuration: accounts))
        defer { server.close() }
        let arguments = ["-s", server.url, "--user", "a", "--password", "p"]
        let empty = try await doctor(arguments + ["--json", "--write-test"])
        #expect(empty.code == 0, "\(empty)")
        let states = try states(empty)
        #expect(states["bucket size"] == "limited" && states["write test"] == "ok", "\(empty)")
        #expect(states["buckets"] == "ok", "\(empty)")
        #expect(empty.outputText.contains(#""max_streams":1"#), "\(empty)")
        try await server.withClient(user: "a", password: "p") { client in
            try client.createBucket("only", more: #""max_bytes":1048576"#)
        }
        let full = try await doctor(arguments)
        #expect(full.code == 1, "\(full)")
        #expect(full.outputText.contains("1 of 1: no bucket can be made"), "\(full)")
    }

    @Test("The write test removes what a killed one left, and nothing else", arguments: versions)
    func writeTest(binary: ServerBinary) async throws {
        let server = try await ServerProcess.start(binary)
        defer { server.close() }
        let mark = "made by cistern doctor --write-test, and deleted again"
        try await server.withClient { client in
            try client.createBucket("cistern-doctor-scratch", more: #""description":"\#(mark)""#)
            try client.createBucket("other")
        }
        let tested = try await doctor(["-s", server.url, "--write-test", "--json"])
        #expect(tested.code == 0, "\(tested)")
        #expect(try states(tested)["write test"] == "ok", "\(tested)")
        let left = try await server.withClient { try $0.api("INFO")["streams"] as? Int }
        #expect(left == 1)
        try await server.withClient { try $0.createBucket("cistern-doctor-scratch") }
        let refused = try await doctor(["-s", server.url, "--write-test"])
        #expect(refused.code == 1, "\(refused)")
        #expect(refused.outputText.contains("was not made by a test"), "\(refused)")
        let kept = try await server.withClient { try $0.api("INFO")["streams"] as? Int }
        #expect(kept == 2)
    }

    @Test("The clusters of a configuration file")
    func clusters() async throws {
        let server = try await ServerProcess.start()
        let folder = try TemporaryDirectory("doctor")
        defer {
            server.close()
            folder.remove()
        }
        let file = folder.file("cistern.yaml")
        let text = """
            clusters:
              east: { servers: ["\(server.url)"] }
              west: { servers: ["nats://127.0.0.1:\(try FreePort.next())"], timeout: 2s }
            jobs: {}
            """
        try text.write(toFile: file, atomically: true, encoding: .utf8)
        let both = try await doctor(["--config", file])
        #expect(both.code == 69, "\(both)")
        #expect(both.outputText.contains("cluster east:") && both.outputText.contains("cluster west:"), "\(both)")
        let east = try await doctor(["east", "--config", file, "--json"])
        #expect(east.code == 0, "\(east)")
        #expect(east.outputText.contains(#""cluster":"east""#) && east.outputText.contains(#""sound":true"#), "\(east)")
        let typo = try await doctor(["eats", "--config", file])
        #expect(typo.code == 64 && typo.errorText.contains("did you mean east?"), "\(typo)")
    }
}
