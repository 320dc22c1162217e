import Foundation
import KVModel
import Schedule

extension ConfigurationReader {
    private static let kinds = ["backup", "mirror", "drill", "verify", "prune", "reconcile"]
    private static let jobKeys =
        kinds + [
            "schedule", "timezone", "jitter", "missed", "overlap", "timeout", "retry", "notify", "retain",
        ]
    private static let jobExample = "write for example nightly: { backup: { … }, schedule: \"0 3 * * *\" }"
    private static let day: Int64 = 86_400_000_000_000

    /// The jobs, in the file's order.
    func jobs(_ entries: [ConfigurationValue]) -> [JobSettings] {
        entries.filter { isName($0, of: "job") }.compactMap(job)
    }

    private func job(_ value: ConfigurationValue) -> JobSettings? {
        let title = "job \(value.name)"
        guard let section = section(value, title, keys: Self.jobKeys, example: Self.jobExample) else { return nil }
        let work = self.work(section)
        let recurrence = self.recurrence(section)
        checkCompany(of: section, recurrence)
        let verifies = comparison(section) ?? false
        let retention = section["retain"].flatMap { self.retention($0, of: title) }
        let jitter = section["jitter"].flatMap { duration($0, in: 0...Self.day, example: "5m") }
        let missed = section["missed"].flatMap { choice($0, JobSettings.MissedRuns.self) }
        let overlap = section["overlap"].flatMap { choice($0, JobSettings.Overlap.self) }
        let timeout = section["timeout"].flatMap { duration($0, in: 1_000_000_000...365 * Self.day, example: "2h") }
        let retry = section["retry"].flatMap { self.retry($0, of: title) }
        let notify = section["notify"].flatMap { notification($0, of: title) }
        // What is missing here has been said.
        guard let work, let recurrence else { return nil }
        var settings = JobSettings(
            name: value.name,
            work: work,
            schedule: recurrence,
            line: value.keyPlace.line
        )
        if case .backup(var backup) = work {
            backup.verifies = verifies
            backup.retention = retention
            settings.work = .backup(backup)
        }
        if case .backup(let backup) = work, recurrence == .always {
            checkCompany(of: backup.archive, value)
        }
        settings.jitter = jitter ?? settings.jitter
        settings.missed = missed ?? settings.missed
        settings.overlap = overlap ?? settings.overlap
        settings.timeout = timeout
        settings.retry = retry ?? settings.retry
        settings.notify = notify
        return settings
    }

    /// Notes a second job that would hold an archive all the time: it would never have its turn.
    private func checkCompany(of archive: String, _ job: ConfigurationValue) {
        guard let first = holders[archive] else {
            holders[archive] = job.name
            return
        }
        mistake(
            job.keyPlace,
            "\(first) and \(job.name) both write archive \(archive) all the time",
            "give one of them an archive of its own, or name all buckets in one job"
        )
    }

    /// Notes keys that say nothing beside the others.
    private func checkCompany(of section: ConfigurationSection, _ recurrence: Recurrence?) {
        if !section.mayHave("backup") {
            let hints = [
                "verify": "leave it out, or write verify: { archive: NAME }",
                "retain": "leave it out, or write prune: { archive: NAME, keep: { within: 30d } }",
            ]
            for (key, hint) in hints {
                guard let stray = section[key], key == "retain" || !stray.isMapping else { continue }
                mistake(stray.keyPlace, "\(key) goes with a backup, and \(section.title) is none", hint)
            }
        }
        for key in ["jitter", "missed"] {
            guard let stray = section[key] else { continue }
            switch recurrence {
            case .always, .manual:
                mistake(
                    stray.keyPlace,
                    "\(key) says nothing for a job without times",
                    "leave it out, or write schedule: \"0 3 * * *\""
                )
            case .cron, .every, nil: break
            }
        }
    }

    /// What the job does; whatever kinds of work it names are all read, so that all their mistakes are found.
    private func work(_ section: ConfigurationSection) -> JobSettings.Work? {
        // `verify: true` beside a backup is no work of its own.
        let kinds = section.present(Self.kinds).filter { $0 != "verify" || section[$0]?.isMapping == true }
        if kinds.isEmpty, !Self.kinds.contains(where: section.mayHave) {
            let words = Self.kinds.joined(separator: ", ")
            mistake(section.place, "\(section.title) does nothing", "give it one of \(words)")
        }
        if kinds.count > 1 {
            mistake(
                section.place,
                "\(section.title) has several kinds of work, \(kinds.joined(separator: " and "))",
                "make a job of each"
            )
        }
        let works = kinds.compactMap { kind -> JobSettings.Work? in
            guard let value = section[kind] else { return nil }
            let title = "\(kind) of \(section.title)"
            switch kind {
            case "backup": return backup(value, title).map { .backup($0) }
            case "mirror": return mirror(value, title, job: section.title).map { .mirror($0) }
            case "drill": return drill(value, title).map { .drill($0) }
            case "verify": return verify(value, title).map { .verify($0) }
            case "prune": return prune(value, title).map { .prune($0) }
            default: return reconcile(value, title, job: section.title).map { .reconcile($0) }
            }
        }
        return kinds.count == 1 ? works.first : nil
    }

    /// `verify: true` beside a backup.
    private func comparison(_ section: ConfigurationSection) -> Bool? {
        guard section["backup"] != nil, let value = section["verify"], !value.isMapping else { return nil }
        return flag(value)
    }

    private func retry(_ value: ConfigurationValue, of title: String) -> JobSettings.Retry? {
        let example = "write for example retry: { attempts: 5, from: 10s, to: 5m }"
        guard let section = section(value, "retry of \(title)", keys: ["attempts", "from", "to"], example: example)
        else {
            return nil
        }
        var retry = JobSettings.Retry()
        let waits: ClosedRange<Int64> = 10_000_000...Self.day
        retry.attempts = section["attempts"].flatMap { number($0, in: 1...1000, example: 5) } ?? retry.attempts
        let from = section["from"].flatMap { duration($0, in: waits, example: "10s") }
        let to = section["to"].flatMap { duration($0, in: waits, example: "5m") }
        retry.from = from ?? min(retry.from, to ?? retry.from)
        retry.to = to ?? max(retry.to, retry.from)
        if let value = section["to"], retry.to < retry.from {
            mistake(
                value.place,
                "the longest wait, to, is shorter than the first, from",
                "write to: \(DurationText.text(nanoseconds: retry.from)) or longer"
            )
        }
        return retry
    }

    private func notification(_ value: ConfigurationValue, of title: String) -> JobSettings.Notification? {
        let example = "write for example notify: { url: https://HOST/PATH }"
        let keys = ["on", "url", "heartbeat"]
        guard let section = section(value, "notify of \(title)", keys: keys, example: example) else { return nil }
        var notification = JobSettings.Notification()
        if let value = section["on"] {
            let occasions = list(value, example: "on: [failure, recovery]").compactMap {
                choice($0, JobSettings.Notification.Occasion.self)
            }
            notification.occasions = Set(occasions)
            if !section.mayHave("url") {
                mistake(
                    value.keyPlace,
                    "on says when url is called, and \(section.title) has none",
                    "add url:, or leave on out"
                )
            }
        } else if !section.mayHave("url"), !section.mayHave("heartbeat") {
            mistake(section.place, "\(section.title) tells nobody", "add url: https://HOST/PATH, or heartbeat:")
        }
        notification.url = section["url"].flatMap(webAddress)
        notification.heartbeat = section["heartbeat"].flatMap(webAddress)
        return notification
    }

    /// What stays in an archive.
    func retention(_ value: ConfigurationValue, of title: String) -> RetentionPolicy? {
        let example = "\(value.name): { within: 30d, daily: 14 }"
        let keys = ["within", "last", "hourly", "daily", "weekly", "monthly", "tags"]
        guard
            let section = section(
                value,
                "\(value.name) of \(title)",
                keys: keys,
                example: "write for example \(example)"
            )
        else { return nil }
        func count(_ key: String) -> Int {
            section[key].flatMap { number($0, in: 0...1_000_000, example: 14) } ?? 0
        }
        let policy = RetentionPolicy(
            within: section["within"].flatMap { duration($0, in: 1_000_000_000...36_500 * Self.day, example: "30d") },
            last: count("last"),
            hourly: count("hourly"),
            daily: count("daily"),
            weekly: count("weekly"),
            monthly: count("monthly"),
            keepsTags: section["tags"].flatMap(flag) ?? false
        )
        // A rule that is wrong has been said something about.
        if policy.isEmpty, section.isWhole,
            section.present(keys).allSatisfy({ ["0", "false", "no", "off"].contains(section[$0]?.writtenText ?? "") })
        {
            mistake(
                section.place,
                "\(section.title) keeps nothing but the newest point",
                "write for example \(example)"
            )
        }
        return policy
    }
}

extension ConfigurationReader {
    /// When the job runs.
    private func recurrence(_ section: ConfigurationSection) -> Recurrence? {
        let zone = section["timezone"].map { timeZone($0) }
        // Known even where something else of the work is wrong. What is wrong with it itself, and so found again, is told
        // once.
        let follows = section["backup"]?.value(of: "follow").flatMap(flag) ?? false
        let runsAllTheTime = follows || section["mirror"] != nil
        guard let value = section["schedule"] else {
            if let stray = section["timezone"], !section.mayHave("schedule") {
                mistake(stray.keyPlace, "timezone says nothing without a schedule", "add schedule: \"0 3 * * *\"")
            }
            return runsAllTheTime ? .always : .manual
        }
        guard let recurrence = schedule(value, zone.flatMap { $0 } ?? .gmt) else { return nil }
        switch recurrence {
        case .cron, .every:
            if follows {
                mistake(
                    value.place,
                    "a backup with follow: true runs all the time and takes no times",
                    "leave schedule out, or write follow: false"
                )
            }
        case .always:
            if !runsAllTheTime, !section.present(Self.kinds).isEmpty {
                mistake(
                    value.place,
                    "only a mirror, or a backup with follow: true, runs always",
                    "write for example schedule: \"@every 15m\""
                )
            }
        case .manual: break
        }
        if let stray = section["timezone"] {
            switch recurrence {
            case .cron: break
            case .every, .always, .manual:
                mistake(
                    stray.keyPlace,
                    "timezone says nothing for \"\(Self.shortened(value.writtenText ?? ""))\"",
                    "leave it out"
                )
            }
        }
        return recurrence
    }

    private func timeZone(_ value: ConfigurationValue) -> TimeZone? {
        guard let scalar = scalar(value, example: "timezone: Europe/Berlin") else { return nil }
        let known = TimeZone.knownTimeZoneIdentifiers
        if known.contains(scalar.text) || ["UTC", "GMT"].contains(scalar.text),
            let zone = TimeZone(identifier: scalar.text)
        {
            return zone
        }
        // Zones that are not listed, such as CET or Asia/Calcutta, are there all the same.
        if scalar.text.contains(where: \.isLetter), let zone = TimeZone(identifier: scalar.text),
            FileManager.default.fileExists(atPath: "/usr/share/zoneinfo/\(scalar.text)")
        {
            return zone
        }
        mistake(
            value.place,
            "there is no time zone \"\(scalar.shown)\"",
            Self.suggestion(scalar.written, known, otherwise: "write for example Europe/Berlin or UTC")
        )
        return nil
    }

    private func schedule(_ value: ConfigurationValue, _ timeZone: TimeZone) -> Recurrence? {
        guard let scalar = scalar(value, example: "schedule: \"0 3 * * *\"") else { return nil }
        do {
            return try Recurrence(parsing: scalar.text, in: timeZone)
        } catch {
            let (text, hint) = Self.explain(error, scalar)
            mistake(value.place, "schedule \"\(scalar.shown)\" \(text)", hint)
            return nil
        }
    }

    private static func explain(_ error: ScheduleError, _ scalar: Scalar) -> (text: String, hint: String) {
        let example = "write for example \"0 3 * * *\", \"@every 15m\", always or manual"
        guard !scalar.isSubstituted else { return ("is no schedule", example) }
        switch error {
        case .empty: return ("says nothing", example)
        case .fieldCount(_, let count):
            let words = scalar.text.contains(" ") ? nil : suggestedWord(scalar.text)
            if let words { return ("is no schedule", words) }
            return (
                "has \(count) field\(count == 1 ? "" : "s")",
                "write minute, hour, day of month, month and day of week, such as \"0 3 * * *\""
            )
        case .field(let name, let position, let text, let hint, _):
            return (
                "has \"\(text)\" as its \(name) (field \(position))",
                hint.first?.isNumber == true ? "write \(hint)" : hint
            )
        case .neverComes: return ("never comes: its months have no such day", "write L for the last day of every month")
        case .unknownWord(let word): return ("is no schedule", suggestedWord(word) ?? example)
        case .invalidInterval: return ("is no span of at least 1s", "write for example \"@every 15m\"")
        }
    }

    private static func suggestedWord(_ word: String) -> String? {
        let words = [
            "@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually", "always", "manual",
        ]
        return Spelling.closest(to: word, among: words).map { "did you mean \($0)?" }
    }
}
