import Testing

@testable import Daemon

@Suite("Mistakes in jobs")
struct JobMistakeTests {
    @Test("A single mistake gives exactly its message", arguments: mistakes)
    private func message(mistake: (frame: ConfigurationFrame, lines: String, message: String)) throws {
        let rig = try ConfigurationRig()
        let loaded = try rig.load(mistake.frame.around(mistake.lines))
        #expect(loaded.mistakes.map(rig.plain) == [mistake.message])
        #expect(loaded.configuration == nil)
    }

    private static let mistakes: [(frame: ConfigurationFrame, lines: String, message: String)] = [
        (.job, "schedul: \"0 3 * * *\"", "9:5: \"schedul\" is no key of job j; did you mean schedule?"),
        (
            .job, "colour: red",
            "9:5: \"colour\" is no key of job j; its keys are backup, mirror, drill, verify, prune, reconcile, "
                + "schedule, timezone, jitter, missed, overlap, timeout, retry, notify, retain"
        ),
        (
            .job, "mirror: { from: east/a, to: west/a }",
            "7:3: job j has several kinds of work, backup and mirror; make a job of each"
        ),
        (
            .job, "schedule: \"0 3 * *\"",
            "9:15: schedule \"0 3 * *\" has 4 fields; write minute, hour, day of month, month and day of week, "
                + "such as \"0 3 * * *\""
        ),
        (
            .job, "schedule: \"61 3 * * *\"",
            "9:15: schedule \"61 3 * * *\" has \"61\" as its minute (field 1); write 0 to 59"
        ),
        (
            .job, "schedule: \"0 3 * * fryday\"",
            "9:15: schedule \"0 3 * * fryday\" has \"fryday\" as its day of week (field 5); write 0 to 7, 0 and "
                + "7 for Sunday, or sun to sat"
        ),
        (
            .job, "schedule: \"0 0 30 2 *\"",
            "9:15: schedule \"0 0 30 2 *\" never comes: its months have no such day; write L for the last day "
                + "of every month"
        ),
        (.job, "schedule: \"@dialy\"", "9:15: schedule \"@dialy\" is no schedule; did you mean @daily?"),
        (
            .job, "schedule: \"@every 5\"",
            "9:15: schedule \"@every 5\" is no span of at least 1s; write for example \"@every 15m\""
        ),
        (.job, "schedule: alway", "9:15: schedule \"alway\" is no schedule; did you mean always?"),
        (
            .job, "schedule: always",
            "9:15: only a mirror, or a backup with follow: true, runs always; write for example schedule: "
                + "\"@every 15m\""
        ),
        (
            .job, "schedule: {}",
            "9:15: schedule must be a text, not a mapping; write for example schedule: \"0 3 * * *\""
        ),
        (
            .job, "schedule: ${CRON}",
            "9:15: schedule \"${CRON}\" is no schedule; write for example \"0 3 * * *\", \"@every 15m\", always or "
                + "manual"
        ),
        (
            .job, "schedule: \"0 3 * * *\"\ntimezone: Europe/Belin",
            "10:15: there is no time zone \"Europe/Belin\"; did you mean Europe/Berlin?"
        ),
        (
            .job, "schedule: \"0 3 * * *\"\ntimezone: Middle/Earth",
            "10:15: there is no time zone \"Middle/Earth\"; write for example Europe/Berlin or UTC"
        ),
        (
            .job, "schedule: \"@every 90s\"\ntimezone: UTC",
            "10:5: timezone says nothing for \"@every 90s\"; leave it out"
        ),
        (.job, "timezone: UTC", "9:5: timezone says nothing without a schedule; add schedule: \"0 3 * * *\""),
        (
            .job, "jitter: 5m",
            "9:5: jitter says nothing for a job without times; leave it out, or write schedule: \"0 3 * * *\""
        ),
        (
            .job, "schedule: \"@hourly\"\njitter: 2d",
            "10:13: jitter must be from 0s to 1d, not 2d; write for example jitter: 5m"
        ),
        (.job, "schedule: \"@hourly\"\nmissed: twice", "10:13: missed cannot be \"twice\"; write skip or once"),
        (.job, "overlap: que", "9:14: overlap cannot be \"que\"; write skip or queue"),
        (
            .job, "timeout: 1 fortnight",
            "9:14: timeout: \"1 fortnight\" is not a duration; write for example 90s, 15m, 24h, 30d or 1h30m"
        ),
        (
            .job, "retry: 5",
            "9:12: retry of job j must be a mapping, not a text; write for example retry: { attempts: 5, "
                + "from: 10s, to: 5m }"
        ),
        (
            .job, "retry: { attempts: 0 }",
            "9:24: attempts must be a whole number from 1 to 1000, not \"0\"; write for example attempts: 5"
        ),
        (
            .job, "retry: { from: 10s, to: 5s }",
            "9:29: the longest wait, to, is shorter than the first, from; write to: 10s or longer"
        ),
        (.job, "retry: { atempts: 5 }", "9:14: \"atempts\" is no key of retry of job j; did you mean attempts?"),
        (.job, "notify: {}", "9:5: notify of job j tells nobody; add url: https://HOST/PATH, or heartbeat:"),
        (
            .job, "notify: { on: [failure] }",
            "9:15: on says when url is called, and notify of job j has none; add url:, or leave on out"
        ),
        (.job, "notify: { on: [failur], url: https://h/hook }", "9:20: on cannot be \"failur\"; did you mean failure?"),
        (.job, "notify: { url: not-a-url }", "9:20: url is no address of the web; write https://HOST/PATH"),
        (.job, "notify: { heartbeat: ftp://h }", "9:26: heartbeat is no address of the web; write https://HOST/PATH"),
        (
            .job, "verify: maybe",
            "9:13: verify must be true or false, not \"maybe\"; write verify: true or verify: false"
        ),
        (
            .job, "retain: {}",
            "9:5: retain of job j keeps nothing but the newest point; write for example retain: { within: "
                + "30d, daily: 14 }"
        ),
        (
            .job, "retain: { daily: -1 }",
            "9:22: daily must be a whole number from 0 to 1000000, not \"-1\"; write for example daily: 14"
        ),
        (.job, "retain: { dayly: 7 }", "9:15: \"dayly\" is no key of retain of job j; did you mean daily?"),
        (
            .work, "schedule: \"@hourly\"",
            "7:3: job j does nothing; give it one of backup, mirror, drill, verify, prune, reconcile"
        ),
        (.work, "backup: { buckets: [a], to: main }", "8:5: backup of job j has no from; write for example from: east"),
        (
            .work, "backup: { from: east, to: main }",
            "8:5: backup of job j has no buckets; write for example buckets: [\"app-*\", sessions]"
        ),
        (.work, "backup: { from: east, buckets: [a] }", "8:5: backup of job j has no to; write for example to: main"),
        (
            .work, "backup: { from: eats, buckets: [a], to: main }",
            "8:21: there is no cluster \"eats\"; did you mean east?"
        ),
        (
            .work, "backup: { from: north, buckets: [a], to: main }",
            "8:21: there is no cluster \"north\"; the clusters are east, west"
        ),
        (
            .work, "backup: { from: east/orders, buckets: [a], to: main }",
            "8:21: from names a cluster, and \"east/orders\" is a bucket; write east"
        ),
        (
            .work, "backup: { from: east, buckets: [a.b], to: main }",
            "8:37: \"a.b\" is neither a bucket's name nor a pattern of names; write letters, digits, - and _, "
                + "with * for any of them"
        ),
        (
            .work, "backup: { from: east, buckets: [], to: main }",
            "8:36: buckets is an empty list; write for example buckets: [\"app-*\", sessions]"
        ),
        (
            .work, "backup: { from: east, buckets: { a: b }, to: main }",
            "8:36: buckets must be a list, not a mapping; write for example buckets: [\"app-*\", sessions]"
        ),
        (
            .work, "backup: { from: east, buckets: *, to: main }",
            "8:37: a plain text that begins with * refers to an anchor, and there is none; write \"*\" in quotes"
        ),
        (
            .work, "backup: { from: east, buckets: [a], to: mian }",
            "8:45: there is no archive \"mian\"; did you mean main?"
        ),
        (
            .work, "backup: { from: east, buckets: [a], to: main, folow: true }",
            "8:51: \"folow\" is no key of backup of job j; did you mean follow?"
        ),
        (
            .work, "backup: { from: east, buckets: [a], to: main, follow: 1 }",
            "8:59: follow must be true or false, not \"1\"; write follow: true or follow: false"
        ),
        (
            .work, "backup: { from: east, buckets: [a], to: main, commit-every: 1s }",
            "8:51: commit-every says nothing without follow: true; add follow: true, or leave it out"
        ),
        (
            .work, "backup: { from: east, buckets: [a], to: main, follow: true, commit-every: 1ms }",
            "8:79: commit-every must be from 10ms to 1h, not 1ms; write for example commit-every: 1s"
        ),
        (
            .work, "backup: { from: east, buckets: [a], to: main, follow: true }\nschedule: \"0 3 * * *\"",
            "9:15: a backup with follow: true runs all the time and takes no times; leave schedule out, or "
                + "write follow: false"
        ),
        (
            .work, "backup: { from: east, buckets: [a], to: main, filter: [\"a..b\"] }",
            "8:60: filter: \"a..b\" is not a key pattern: no part between dots may be empty; write for example "
                + "user.> or *.config"
        ),
        (
            .work, "backup: { from: east, buckets: [a], to: main, filter: [\">.a\"] }",
            "8:60: filter: \">.a\" is not a key pattern: > may only stand at the end; write for example user.> "
                + "or *.config"
        ),
        (
            .work, "backup: { from: east, buckets: [a], to: main, tag: \"{day}\" }",
            "8:56: tag: \"{day}\" has braces with something else in them; write {date} or {time}"
        ),
        (
            .work, "mirror: { from: east, to: west/a }",
            "8:21: from must be CLUSTER/BUCKET, not \"east\"; write east/BUCKET"
        ),
        (.work, "mirror: { from: east/a, to: wets/a }", "8:33: there is no cluster \"wets\"; did you mean west?"),
        (
            .work, "mirror: { from: east/a, to: west/a.b }",
            "8:33: \"west/a.b\" is not a bucket's name; write letters, digits, - and _"
        ),
        (
            .work, "mirror: { from: east/a, to: east/a }",
            "8:33: mirror of job j goes from east/a to itself; write another bucket"
        ),
        (
            .work, "mirror: { from: east/a, to: west/a, map: { \"user.>\": \"u\" } }",
            "8:48: \"user.>\" cannot be mapped to \"u\": a source that ends in > needs a target that does; write "
                + "for example map: { \"user.>\": \"u.>\" }"
        ),
        (
            .work, "mirror: { from: east/a, to: west/a, map: { \"user.*\": \"u.$2\" } }",
            "8:48: \"user.*\" cannot be mapped to \"u.$2\": $2 asks for wildcard 2, and the source has 1; write "
                + "for example map: { \"user.>\": \"u.>\" }"
        ),
        (
            .work, "mirror: { from: east/a, to: west/a, on-recreate: ignore }",
            "8:54: on-recreate cannot be \"ignore\"; write stop or resync"
        ),
        (
            .work, "mirror: { from: east/a, to: west/a, set: { histroy: 5 } }",
            "8:48: \"histroy\" is no setting of a bucket; did you mean history?"
        ),
        (
            .work, "mirror: { from: east/a, to: west/a, set: { history: 100 } }",
            "8:57: history cannot be \"100\": it must be a whole number from 1 to 64; write for example set: { "
                + "history: 5, storage: file }"
        ),
        (
            .work, "mirror: { from: east/a, to: west/a }\nverify: true",
            "9:5: verify goes with a backup, and job j is none; leave it out, or write verify: { archive: NAME }"
        ),
        (
            .work, "mirror: { from: east/a, to: west/a }\nretain: { daily: 7 }",
            "9:5: retain goes with a backup, and job j is none; leave it out, or write prune: { archive: "
                + "NAME, keep: { within: 30d } }"
        ),
        (.work, "drill: { archive: main }", "8:5: drill of job j has no on; write for example on: east"),
        (
            .work, "drill: { archive: main, from: main, on: east }",
            "8:29: archive and from of drill of job j mean the same; leave from out"
        ),
        (
            .work, "drill: { archive: main, on: east, prefix: \"a.b\" }",
            "8:47: \"a.b\" is not a bucket's name; write letters, digits, - and _"
        ),
        (.work, "verify: { against: east/a }", "8:5: verify of job j has no archive; write for example archive: main"),
        (
            .work, "prune: { archive: main }",
            "8:5: prune of job j has no keep; write for example keep: { within: 30d, daily: 14 }"
        ),
        (
            .work, "prune: { archive: main, keep: { tags: no } }",
            "8:29: keep of prune of job j keeps nothing but the newest point; write for example keep: { "
                + "within: 30d, daily: 14 }"
        ),
        (
            .work, "reconcile: { from: east/a, to: west/b, rate: 5 }",
            "8:44: \"rate\" is no key of reconcile of job j; its keys are from, to, filter, map, deletes"
        ),
        (
            .work,
            "mirror: { from: east/a, to: west/b }\n  k:\n    mirror: { from: west/b, to: east/a, filter: [\"x.>\"] }",
            "10:5: keys go round in a circle through job j and job k: east/a to west/b to east/a; give one "
                + "of them a filter or a map, so that no key comes back"
        ),
        (
            .work,
            "mirror: { from: east/a, to: west/b, map: { \"a.>\": \"b.>\" }, filter: [\"a.>\"] }\n  k:\n    reconcile: { from: west/c, to: west/b, filter: [\"b.x\"] }",
            "10:5: job j and job k write the same keys of west/b; give them filters or a map, so that no key "
                + "is written by both"
        ),
        (
            .work,
            "backup: { from: east, buckets: [a], to: main, follow: true }\nschedule: always\n  k:\n"
                + "    backup: { from: west, buckets: [b], to: main, follow: true }\n    schedule: always",
            "10:3: j and k both write archive main all the time; give one of them an archive of its own, or "
                + "name all buckets in one job"
        ),
    ]
}
