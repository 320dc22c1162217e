import Archive
import Foundation
import TestSupport
import Testing

/// What would be refused after the old bucket's end is found before anything is fenced.
@Suite("Migrations that cannot be", .serialized)
struct MigrationRefusalTests {
    /// A change that is refused, and what the answer says.
    private struct Refusal: CustomStringConvertible {
        var settings: [String]
        var text: String
        /// Whose limits it meets; nil for the account without any.
        var account: String?
        var since = "2.9"
        var description: String { "\(account ?? "-"): \(settings)" }

        init(_ settings: [String], _ text: String, account: String? = nil, since: String = "2.9") {
            self.settings = settings
            self.text = text
            self.account = account
            self.since = since
        }
    }

    private static let refusals = [
        Refusal(["storage=memory", "replicas=3"], "replicas"),
        Refusal(["storage=memory", "max-bytes=20KiB"], "max_bytes"),
        Refusal(["storage=memory", "max-value-size=100"], "max_msg_size"),
        Refusal(["storage=memory", "republish.source=$KV.b.>", "republish.destination=$KV.b.x.>"], "republish"),
        Refusal(["storage=memory"], "insufficient memory", account: "little"),
        Refusal(["storage=memory", "max-bytes=1MiB"], "insufficient memory", account: "little"),
        Refusal(["storage=memory"], "maximum number of streams", account: "few"),
        Refusal(["storage=memory"], "max bytes", account: "bounded"),
        Refusal(["storage=memory", "max-bytes=1MiB"], "max stream bytes", account: "bounded", since: "2.10"),
        Refusal(["storage=memory"], "$JS.API.STREAM.RESTORE.KV_b", account: "asking", since: "2.12"),
        Refusal(["storage=memory"], "$JS.SNAPSHOT.RESTORE.KV_b.", account: "sending", since: "2.12"),
    ]

    private static let accounts = """
        accounts {
            main { jetstream: enabled, users: [{ user: main, password: pw }] }
            little { jetstream: { max_mem: 50KB, max_file: 100MB }, users: [{ user: little, password: pw }] }
            few { jetstream: { max_mem: 50MB, max_file: 100MB, max_streams: 1 }, users: [{ user: few, password: pw }] }
            bounded {
                jetstream: { max_mem: 50MB, max_file: 100MB, memory_max_stream_bytes: 500KB, max_bytes_required: true }
                users: [{ user: bounded, password: pw }]
            }
            asking {
                jetstream: enabled
                users: [{ user: asking, password: pw, permissions: { publish: { deny: "$JS.API.STREAM.RESTORE.>" } } }]
            }
            sending {
                jetstream: enabled
                users: [{ user: sending, password: pw, permissions: { publish: { deny: "$JS.SNAPSHOT.RESTORE.>" } } }]
            }
        }
        """

    @Test("The server's and the account's limits", arguments: ServerBinary.all)
    func limits(binary: ServerBinary) async throws {
        let server = try await ServerProcess.start(binary, options: .init(configuration: Self.accounts))
        defer { server.close() }
        for user in Set(Self.refusals.map { $0.account ?? "main" }) {
            try await server.withClient(user: user, password: "pw") { client in
                try client.createBucket("b", more: user == "bounded" ? #""max_bytes":10000000"# : "")
                try client.fill("b", count: 200, keys: 200, size: 500, seed: 4)
            }
        }
        for refusal in Self.refusals where binary.isAtLeast(refusal.since) {
            try await expectNothing(of: refusal, on: server, user: refusal.account ?? "main")
        }
    }

    @Test(
        "The cluster's size and places",
        arguments: isLongRun ? ServerBinary.all : ServerBinary.all.filter { ["2.15.1"].contains($0.version) }
    )
    func cluster(binary: ServerBinary) async throws {
        let cluster = try await ServerCluster.start(binary)
        defer { cluster.close() }
        try await cluster.nodes[0].withClient { client in
            try client.createBucket("b")
            try client.fill("b", count: 200, keys: 200, size: 500, seed: 4)
        }
        for settings in [["replicas=5"], ["placement.tags=nowhere"], ["replicas=3", "placement.tags=site:2"]] {
            let refusal = Refusal(["storage=memory"] + settings, "no suitable peers")
            try await expectNothing(of: refusal, on: cluster.nodes[0], user: nil)
        }
    }

    private func expectNothing(of refusal: Refusal, on server: ServerProcess, user: String?) async throws {
        let folder = try TemporaryDirectory("refusal")
        defer { folder.remove() }
        let archive = folder.file("a.cistern")
        let url = "nats://\(user.map { "\($0):pw@" } ?? "")127.0.0.1:\(server.port)"
        let before = try await streams(server, user)
        var arguments = ["migrate", "b", "--archive", archive, "--yes", "-s", url]
        for setting in refusal.settings { arguments += ["--set", setting] }
        let result = try await CisternProcess.run(arguments)
        #expect(result.code == 1, "\(refusal): \(result)")
        #expect(result.errorText.contains(refusal.text), "\(refusal): \(result)")
        #expect(result.errorText.contains("nothing was changed"), "\(refusal): \(result)")
        let after = try await streams(server, user)
        #expect(after == before, "\(refusal): \(before), then \(after)")
        let reader = try ArchiveReader.open(path: archive)
        let steps = try reader.incarnations().flatMap { try reader.migrationRecords(of: $0.id).map(\.step) }
        #expect(Set(steps).isSubset(of: ["trial", "unfence", "rolled-back"]), "\(refusal): \(steps)")
        try await server.withClient(user: user, password: "pw") { _ = try $0.put("b", "more", "x") }
    }

    /// What the server says of every stream.
    private func streams(_ server: ServerProcess, _ user: String?) async throws -> [String] {
        try await server.withClient(user: user, password: "pw") { client in
            let names = try client.api("STREAM.NAMES")["streams"] as? [String] ?? []
            return try names.sorted().map { "\($0): \(try client.streamInfo($0))" }
        }
    }
}
