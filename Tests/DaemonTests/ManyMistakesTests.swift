import Testing

@testable import Daemon

@Suite("Many mistakes")
struct ManyMistakesTests {
    @Test("Twenty different mistakes in one file are told, each with its line and what to write instead")
    func twenty() throws {
        let rig = try ConfigurationRig()
        let loaded = try rig.load(
            """
            clusters:
              east: { servers: [nats://127.0.0.1:4222], timeout: 5 }
              west: { servers: [nats://127.0.0.1:4223], pasword: x }
              hub: { user: a, password: b }
            archives:
              main: { path: main.db }
              spare: { path: spare.cistern, key: file:absent }
            jobs:
              nightly:
                backup: { from: eats, buckets: [a], to: main }
                schedule: "0 25 * * *"
                timezone: Europe/Belrin
                timezone: Europe/Berlin
                retain: { daily: many }
              live:
                backup: { from: east, buckets: [a/b], to: mian, follow: true, commit-every: 1s }
                schedule: "@every 5m"
              sync:
                mirror: { from: east/a, to: west/a, filter: ["a..b"], map: { "a.>": "b" } }
                notify: { on: [disaster], url: https://h/ }
              idle:
                schedule: "@daily"
              twice:
                prune: { archive: main, keep: { last: 1 } }
                verify: { archive: spare }
            daemon:
              http: "0.0.0.0:8422"
              leases: { cluster: east, duration: 100ms }
            """
        )
        #expect(
            loaded.mistakes.map(rig.plain) == [
                "2:54: timeout: \"5\" is not a duration; write for example 90s, 15m, 24h, 30d or 1h30m",
                "3:45: \"pasword\" is no key of cluster west; did you mean password?",
                "4:3: cluster hub has neither context nor servers; write for example servers: [nats://HOST:4222]",
                "6:17: path: DIR/main.db does not end in .cistern; write for example path: main.cistern",
                "7:38: key: DIR/absent cannot be read: No such file or directory; "
                    + "correct the path, or make the file readable",
                "10:21: there is no cluster \"eats\"; did you mean east?",
                "11:15: schedule \"0 25 * * *\" has \"25\" as its hour (field 2); write 0 to 23",
                "12:15: there is no time zone \"Europe/Belrin\"; did you mean Europe/Berlin?",
                "13:5: \"timezone\" stands twice, first in line 12; leave one of the two out",
                "14:22: daily must be a whole number from 0 to 1000000, not \"many\"; write for example daily: 14",
                "16:37: \"a/b\" is neither a bucket's name nor a pattern of names; "
                    + "write letters, digits, - and _, with * for any of them",
                "16:47: there is no archive \"mian\"; did you mean main?",
                "17:15: a backup with follow: true runs all the time and takes no times; "
                    + "leave schedule out, or write follow: false",
                "19:50: filter: \"a..b\" is not a key pattern: no part between dots may be empty; "
                    + "write for example user.> or *.config",
                "19:66: \"a.>\" cannot be mapped to \"b\": a source that ends in > needs a target that does; "
                    + "write for example map: { \"user.>\": \"u.>\" }",
                "20:20: on cannot be \"disaster\"; write failure or recovery or success",
                "21:3: job idle does nothing; give it one of backup, mirror, drill, verify, prune, reconcile",
                "23:3: job twice has several kinds of work, verify and prune; make a job of each",
                "27:9: others can reach 0.0.0.0, and there is no token and no TLS; listen on 127.0.0.1, or write "
                    + "http: { listen: HOST:PORT, token: file:PATH, tls: { certificate: FILE, key: FILE } }",
                "28:38: duration must be from 2s to 1h, not 100ms; write for example duration: 15s",
            ]
        )
    }

    @Test("A mapping may repeat any number of its keys, quoted or not")
    func duplicates() throws {
        let rig = try ConfigurationRig()
        let loaded = try rig.load(
            """
            jobs: {}
            "jobs": {}
            daemon: { 'http': off, http: 1, concurrency: 1, concurrency: 2, concurrency: none }
            """
        )
        #expect(
            loaded.mistakes.map(rig.plain) == [
                "2:1: \"jobs\" stands twice, first in line 1; leave one of the two out",
                "3:24: \"http\" stands twice, first in line 3; leave one of the two out",
                "3:49: \"concurrency\" stands twice, first in line 3; leave one of the two out",
                "3:65: \"concurrency\" stands twice, first in line 3; leave one of the two out",
            ]
        )
    }
}
