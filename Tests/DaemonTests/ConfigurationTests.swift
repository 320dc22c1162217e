import Foundation
import KVModel
import Schedule
import TestSupport
import Testing

@testable import Daemon

@Suite("Configuration files")
struct ConfigurationTests {
    /// The example of the documentation, with its files in a folder of ours.
    private static let example = """
        clusters:
          east: { context: east }
          west:
            servers: [nats://west-1:4222, nats://west-2:4222]
            credentials: DIR/etc/west.creds
            tls: { ca: DIR/etc/ca.pem, first: true }
            domain: hub
        archives:
          main: { path: DIR/lib/main.cistern, key: file:DIR/etc/archive.key }
        jobs:
          nightly:
            backup: { from: east, buckets: ["app-*", sessions], to: main }
            schedule: "0 3 * * *"
            timezone: Europe/Berlin
            verify: true
            retain: { within: 30d, daily: 14, weekly: 8 }
            retry: { attempts: 5, from: 10s, to: 5m }
            notify: { on: [failure, recovery], url: https://alerts.example/hook }
          live:
            backup: { from: east, buckets: [orders], to: main, follow: true, commit-every: 1s }
          to-west:
            mirror: { from: east/config, to: west/config, filter: ["user.>"], map: { "user.>": "u.>" } }
            schedule: always
        daemon:
          http: 127.0.0.1:8422
          state: DIR/lib/state.db
          leases: { cluster: east, bucket: cistern-leases }
          concurrency: 4
        """

    @Test("The example of the documentation says exactly what it says")
    func example() throws {
        let rig = try ConfigurationRig()
        let key = try String(contentsOfFile: rig.file("archive.key"), encoding: .utf8)
        try rig.write("etc/archive.key", key)
        try rig.write("etc/ca.pem", "-----BEGIN CERTIFICATE-----\n")
        try rig.write("etc/west.creds", "-----BEGIN NATS USER JWT-----\na.b.c\n------END NATS USER JWT------\n")
        try rig.write("lib/.keep", "")
        let loaded = try rig.load(Self.example.replacing("DIR", with: rig.folder.path))
        #expect(loaded.mistakes.map(rig.plain) == [])
        #expect(loaded.warnings.map(rig.plain) == [])

        var east = ClusterSettings()
        east.context = "east"
        var west = ClusterSettings()
        west.servers = ["nats://west-1:4222", "nats://west-2:4222"]
        west.credentials = rig.file("etc/west.creds")
        west.tls.ca = rig.file("etc/ca.pem")
        west.tls.first = true
        west.domain = "hub"
        var main = ArchiveSettings(path: rig.file("lib/main.cistern"))
        main.keyFile = rig.file("etc/archive.key")
        var daemon = DaemonSettings()
        daemon.http = HTTPSettings()
        daemon.state = rig.file("lib/state.db")
        daemon.leases = LeaseSettings(cluster: "east")
        let expected = DaemonConfiguration(
            path: rig.file("cistern.yaml"),
            clusters: ["east": east, "west": west],
            archives: ["main": main],
            jobs: try Self.exampleJobs(),
            daemon: daemon
        )
        #expect(loaded.configuration == expected)
    }

    private static func exampleJobs() throws -> [JobSettings] {
        var backup = BackupWork(cluster: "east", buckets: ["app-*", "sessions"], archive: "main")
        backup.verifies = true
        backup.retention = RetentionPolicy(within: 30 * 86_400_000_000_000, daily: 14, weekly: 8)
        let berlin = try #require(TimeZone(identifier: "Europe/Berlin"))
        var nightly = JobSettings(
            name: "nightly",
            work: .backup(backup),
            schedule: .cron(try CronExpression("0 3 * * *"), berlin),
            line: 11
        )
        nightly.retry.attempts = 5
        nightly.retry.from = 10_000_000_000
        nightly.retry.to = 300_000_000_000
        var notify = JobSettings.Notification()
        notify.occasions = [.failure, .recovery]
        notify.url = Secret("https://alerts.example/hook")
        nightly.notify = notify
        var live = BackupWork(cluster: "east", buckets: ["orders"], archive: "main")
        live.follows = true
        live.commitEvery = 1_000_000_000
        var mirror = MirrorWork(
            source: BucketLocation(cluster: "east", bucket: try BucketName("config")),
            target: BucketLocation(cluster: "west", bucket: try BucketName("config"))
        )
        mirror.filter = [try KeyPattern("user.>")]
        mirror.mapping = try KeyMapping([.init("user.>=u.>")])
        return [
            nightly, JobSettings(name: "live", work: .backup(live), schedule: .always, line: 19),
            JobSettings(name: "to-west", work: .mirror(mirror), schedule: .always, line: 21),
        ]
    }

    @Test("Every other key means what it says")
    func everyKey() throws {
        let rig = try ConfigurationRig()
        let loaded = try rig.load(
            """
            clusters:
              east:
                servers: nats://127.0.0.1:4222
                user: ${WEST}er
                password: file:secret
                tls: { certificate: ca.pem, key: key.pem }
                api-prefix: JS.hub.API
                inbox-prefix: _INBOX.me
                socks-proxy: socks5://127.0.0.1:1080
                timeout: 3s
                concurrency: 2
                rate: 10MB/s
              west: { servers: ["nats://${WEST}:4222"], token: "${TOKEN}" }
            archives:
              main: { path: main.cistern, passphrase: "a$${b}$1" }
            jobs:
              both:
                mirror:
                  { from: east/a, to: "${WEST}/b", deletes: false, on-recreate: resync, preserve-revisions: yes,
                    reconcile-every: 6h, rate: 1KiB, set: { history: 5, storage: memory } }
                schedule: "@every 90s"
                jitter: 5s
                missed: skip
                overlap: queue
                timeout: 1h
                notify: { heartbeat: "https://h.example/${TOKEN}" }
              scratch: { drill: { from: main, to: west, bucket: a, prefix: t-, set: { history: 1 } } }
              check: { verify: { archive: main, against: east/a }, schedule: "@daily" }
              thin: { prune: { archive: main, buckets: [a], keep: { last: 3, hourly: 1, monthly: 2, tags: yes }, compact: on } }
              repair: { reconcile: { from: east/a, to: west/b, filter: x.> } }
            daemon:
              http: { listen: "0.0.0.0:1", token: file:http.token, tls: { certificate: ca.pem, key: key.pem } }
              leases: { cluster: west, bucket: mine, duration: 2s }
              stop-within: 1m
            """
        )
        #expect(loaded.mistakes.map(rig.plain) == [])
        let configuration = try #require(loaded.configuration)
        let east = try #require(configuration.clusters["east"])
        #expect(east.user == "wester" && east.password == Secret("hunter2") && east.tls.key == rig.file("key.pem"))
        #expect(east.apiPrefix == "JS.hub.API" && east.inboxPrefix == "_INBOX.me" && east.concurrency == 2)
        #expect(east.timeout == 3_000_000_000 && east.bytesPerSecond == 10_000_000)
        #expect(east.socksProxy == "socks5://127.0.0.1:1080")
        #expect(configuration.clusters["west"]?.servers == ["nats://west:4222"])
        #expect(configuration.clusters["west"]?.token == Secret("hunter2"))
        #expect(configuration.archives["main"]?.passphrase == Secret("a${b}$1"))
        let both = configuration.jobs[0]
        guard case .mirror(let mirror) = both.work else { throw ExpectedWork() }
        #expect(!mirror.deletes && mirror.resyncs && mirror.preservesRevisions && mirror.bytesPerSecond == 1024)
        #expect(mirror.reconcileEvery == 21_600_000_000_000 && mirror.settings == ["history=5", "storage=memory"])
        #expect(mirror.target == BucketLocation(cluster: "west", bucket: try BucketName("b")))
        #expect(both.schedule == .every(90_000_000_000) && both.jitter == 5_000_000_000 && both.missed == .skip)
        #expect(both.overlap == .queue && both.timeout == 3_600_000_000_000)
        #expect(both.notify?.heartbeat == Secret("https://h.example/hunter2") && both.notify?.url == nil)
        guard case .drill(let drill) = configuration.jobs[1].work else { throw ExpectedWork() }
        #expect(drill.cluster == "west" && drill.bucket?.rawValue == "a" && drill.prefix == "t-")
        #expect(configuration.jobs[1].schedule == .manual)
        guard case .verify(let verify) = configuration.jobs[2].work else { throw ExpectedWork() }
        #expect(verify.against?.cluster == "east")
        guard case .prune(let prune) = configuration.jobs[3].work else { throw ExpectedWork() }
        #expect(prune.retention == RetentionPolicy(last: 3, hourly: 1, monthly: 2, keepsTags: true))
        #expect(prune.compacts && prune.buckets.map(\.rawValue) == ["a"])
        guard case .reconcile(let repair) = configuration.jobs[4].work else { throw ExpectedWork() }
        #expect(repair.filter.map(\.description) == ["x.>"])
        #expect(configuration.daemon.http?.token == Secret(ConfigurationRig.token))
        #expect(configuration.daemon.http?.host == "0.0.0.0")
        #expect(configuration.daemon.state == rig.file("cistern-state.db"))
        #expect(configuration.daemon.leases?.duration == 2_000_000_000)
        #expect(configuration.daemon.stopWithin == 60_000_000_000)
    }

    private struct ExpectedWork: Error {}

    @Test("A backup that a variable makes follow runs all the time, and takes no times")
    func followsByVariable() throws {
        let rig = try ConfigurationRig()
        let head = """
            clusters: { east: { servers: h } }
            archives: { main: { path: main.cistern } }
            jobs:
              live:
                backup: { from: east, buckets: [a], to: main, follow: "${YES}" }

            """
        let live = try #require(try rig.load(head).configuration?.jobs.first)
        guard case .backup(let backup) = live.work else { throw ExpectedWork() }
        #expect(backup.follows && live.schedule == .always)
        #expect(
            try rig.load(head + "    schedule: \"@daily\"\n").mistakes.map(rig.plain) == [
                "6:15: a backup with follow: true runs all the time and takes no times; "
                    + "leave schedule out, or write follow: false"
            ]
        )
        #expect(
            try rig.load(head.replacing("${YES}", with: "${ABSENT}")).mistakes.map(rig.plain) == [
                "5:59: the variable ABSENT is not set; set it, or write $${ for a plain ${"
            ]
        )
    }

    @Test("An address may be switched off, and may be that of this machine alone")
    func addresses() throws {
        let rig = try ConfigurationRig()
        #expect(try rig.load("jobs: {}\ndaemon: { http: off }\n").configuration?.daemon.http == nil)
        let loaded = try rig.load("jobs: {}\ndaemon: { http: \"[::1]:8080\" }\n")
        #expect(loaded.configuration?.daemon.http?.host == "::1" && loaded.configuration?.daemon.http?.port == 8080)
    }

    @Test("An anchor is used wherever its alias stands, and its mistakes are told once")
    func aliases() throws {
        let rig = try ConfigurationRig()
        let head = "clusters: { east: { context: east } }\narchives: { main: { path: main.cistern } }\n"
        func jobs(_ attempts: String) -> String {
            """
            jobs:
              a: { backup: { from: east, buckets: [a], to: main }, retry: &retry { attempts: \(attempts) } }
              b: { backup: { from: east, buckets: [b], to: main }, retry: *retry }
            """
        }
        #expect(try rig.load(head + jobs("7")).configuration?.jobs.map(\.retry.attempts) == [7, 7])
        #expect(try rig.load(head + jobs("no")).mistakes.count == 1)
    }

    @Test("What is only suspicious is a warning")
    func warnings() throws {
        let rig = try ConfigurationRig()
        try rig.write("open", "hunter2", permissions: 0o644)
        try rig.write("cistern.yaml", "clusters: { a: { servers: h, token: file:open } }\n")
        let path = rig.file("cistern.yaml")
        let strict = ConfigurationFile.load(path: path, environment: [:])
        #expect(
            strict.warnings.map(rig.plain) == [
                "1:1: warning: there are no jobs; write jobs: { NAME: { … } }",
                "1:37: warning: token: other users can read or change DIR/open; chmod 600 it",
            ]
        )
        #expect(strict.configuration != nil)
        try rig.write("cistern.yaml", "clusters: { a: { servers: h, token: hunter2 } }\njobs: {}\n", permissions: 0o644)
        let open = ConfigurationFile.load(path: path, environment: [:])
        #expect(
            open.warnings.map(rig.plain) == [
                "1:37: warning: token is a secret in a file that other users can read; "
                    + "write file:PATH or ${NAME}, or chmod 600 the file"
            ]
        )
    }

    @Test(
        "A group may read secrets, and nobody else may",
        arguments: [(0o600, 0), (0o640, 0), (0o440, 0), (0o644, 2), (0o604, 2), (0o660, 1)]
    )
    func permissions(mode: Int, warnings: Int) throws {
        let rig = try ConfigurationRig()
        try rig.write("open", "hunter2", permissions: mode)
        let text = "clusters: { a: { servers: h, token: hunter2 }, b: { servers: h, token: file:open } }\njobs: {}\n"
        try rig.write("cistern.yaml", text, permissions: mode)
        let loaded = ConfigurationFile.load(path: rig.file("cistern.yaml"), environment: [:])
        #expect(loaded.configuration != nil && loaded.warnings.count == warnings)
    }

    @Test("Secrets are in no message and in no description")
    func secrets() throws {
        let rig = try ConfigurationRig()
        let texts = [
            "clusters: { a: { servers: [\"nats://u:hunter2@h:x\"], token: hunter2 } }\njobs: {}\n",
            "clusters: { a: { servers: \"tls://hunter2\\\\:y\", passwort: hunter2 } }\njobs: {}\n",
            "jobs: { j: { schedule: \"${TOKEN}\", timezone: \"${TOKEN}\", timeout: \"${TOKEN}\", jitter: \"${TOKEN}\", "
                + "notify: { url: \"hunter2\" }, overlap: \"${TOKEN}\", retry: { attempts: \"${TOKEN}\" }, "
                + "mirror: { from: \"${TOKEN}/x\", to: \"x/${TOKEN}!\", filter: [\"${TOKEN}..\"], "
                + "map: { a: \"${TOKEN}..\" }, set: { ttl: \"${TOKEN}\" }, rate: \"${TOKEN}\" } } }\n",
            "archives: { a: { path: \"${TOKEN}\", key: \"hunter2\" }, b: { path: b.cistern, key: \"file:${TOKEN}\" } }\n",
            "jobs: {}\ndaemon: { http: \"${TOKEN}\", state: \"${TOKEN}/x/y\", concurrency: \"${TOKEN}\" }\n",
        ]
        for text in texts {
            let loaded = try rig.load(text)
            #expect(!loaded.mistakes.isEmpty, "\(text)")
            for mistake in loaded.mistakes { #expect(!"\(mistake)".contains("hunter2"), "\(mistake)") }
            #expect(throws: DaemonError.self) { try loaded.checked() }
        }
        let good = try rig.load("clusters: { a: { servers: h, token: hunter2 } }\njobs: {}\n")
        var dumped = ""
        dump(try good.checked(), to: &dumped)
        #expect(!dumped.contains("hunter2") && !String(reflecting: good).contains("hunter2"))
    }

    @Test("A file that is not there, is a folder or is not UTF-8 is a mistake")
    func unreadable() throws {
        let rig = try ConfigurationRig()
        let absent = ConfigurationFile.load(path: rig.file("absent.yaml"), environment: [:])
        #expect(absent.mistakes.map(\.text) == ["the file cannot be read: No such file or directory"])
        let folder = ConfigurationFile.load(path: rig.folder.path, environment: [:])
        #expect(folder.mistakes.map(\.text) == ["the file cannot be read: it is no plain file"])
        try Data([106, 10, 0xFF, 10]).write(to: URL(fileURLWithPath: rig.file("bytes.yaml")))
        let bytes = ConfigurationFile.load(path: rig.file("bytes.yaml"), environment: [:])
        #expect(bytes.mistakes.map(\.text) == ["the line is not UTF-8"] && bytes.mistakes[0].line == 2)
        try Data(repeating: 35, count: 2 << 20).write(to: URL(fileURLWithPath: rig.file("large.yaml")))
        let large = ConfigurationFile.load(path: rig.file("large.yaml"), environment: [:])
        #expect(large.mistakes.map(\.text) == ["the file cannot be read: it is larger than 1 MiB"])
    }

    @Test("No text makes the reader trap")
    func mutations() throws {
        for seed in 0..<(isLongRun ? 20_000 : 300) {
            var generator = SeededGenerator(seed: UInt64(seed))
            let text = Self.mutated(&generator)
            do {
                let document = try YAMLDocument(text)
                let reader = ConfigurationReader(document, file: "f", isOpenToOthers: false, environment: [:])
                _ = reader.configuration()
                for mistake in reader.mistakes {
                    #expect(mistake.line >= 1 && mistake.column >= 1 && !mistake.hint.isEmpty, "seed \(seed)")
                }
            } catch {
                #expect(error.place.line >= 1 && !error.hint.isEmpty, "seed \(seed)")
            }
        }
    }

    private static func mutated(_ generator: inout SeededGenerator) -> String {
        var bytes = Array(example.utf8)
        for _ in 0..<Int.random(in: 1...6, using: &generator) {
            let index = Int.random(in: 0..<bytes.count, using: &generator)
            switch Int.random(in: 0..<4, using: &generator) {
            case 0: bytes[index] = UInt8.random(in: 9...126, using: &generator)
            case 1: bytes.remove(at: index)
            case 2: bytes.insert(contentsOf: "[{*&!:'\"-#\n \t".utf8.shuffled(using: &generator).prefix(2), at: index)
            default: bytes.replaceSubrange(index..<min(index + 12, bytes.count), with: bytes.prefix(6))
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
