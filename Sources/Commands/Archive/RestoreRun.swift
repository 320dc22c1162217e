import Archive
import KVModel
import KeyValue
import Replication
import Synchronization

/// The writing of a bucket from an archive, from the plan to what is said of it: for `restore` and `copy`.
struct RestoreRun: Sendable {
    let options: WritingOptions
    /// What the path of a safety backup begins with; empty for this folder.
    let safetyStem: String
    /// Where the entries come from, as the user named it.
    let source: String
    var wording = RestoreText.Wording.restore
    let console: Console

    /// Plans, asks if there is something to ask, restores, and says what came of it.
    func run(
        from reader: ArchiveReader,
        to buckets: Buckets,
        _ wanted: RestoreOptions,
        _ incarnation: Incarnation
    ) async throws -> RunStatus {
        var wanted = wanted
        if options.replace, !options.noSafetyBackup {
            let bucket = wanted.newName ?? incarnation.bucket
            let path =
                options.safetyBackup
                ?? SafetyBackup.freePath(beside: safetyStem, of: bucket, at: .wallClock())
            // What is secret in one archive is no less so in another.
            let key = try reader.encryption() == nil ? nil : reader.key
            wanted.safetyBackup = SafetyBackup.Place(path: path, key: key)
        }
        let progress = console.progress
        progress.restart()
        let restore = Restore(from: reader, to: buckets, options: wanted) { state in
            progress.update(Self.progressText(state))
        }
        let prepared = try await restore.prepare()
        guard !options.dryRun else {
            try await say(prepared, restore, safetyBackup: wanted.safetyBackup?.path)
            return .done
        }
        guard try confirmed(prepared, safetyBackup: wanted.safetyBackup?.path) else {
            throw CommandError(.declined, text: "nothing was written: the bucket is not to be replaced")
        }
        let report = try await run(restore, prepared)
        console.progress.clear()
        if wanted.safetyBackup != nil, report.safetyBackup == nil, options.safetyBackup == nil,
            let earlier = try SafetyBackup.newest(beside: safetyStem, of: report.plan.bucket)
        {
            // After a kill there is nothing left to back up, and the run that did is not there to say so.
            console.note("there was nothing to replace any more; an earlier run left \(earlier.escapedForTerminal)")
        }
        if console.isJSON {
            try console.document(RestoreDocument(report))
        } else {
            try console.report(RestoreText.lines(report, wording))
        }
        return .done
    }

    private func run(_ restore: Restore, _ prepared: Restore.Prepared) async throws -> RestoreReport {
        let made = Mutex<SafetyBackup?>(nil)
        let console = console
        do {
            return try await restore.run(prepared) { backup in
                made.withLock { $0 = backup }
                console.progress.clear()
                console.note(RestoreText.safety(backup))
            }
        } catch {
            // Whatever else is silent: this is where the bucket is now.
            if let backup = made.withLock({ $0 }) {
                console.progress.clear()
                console.say(RestoreText.wayBack(backup))
            }
            throw error
        }
    }

    private func confirmed(_ prepared: Restore.Prepared, safetyBackup: String?) throws -> Bool {
        guard prepared.plan.action == .replace, !options.yes else { return true }
        let filter = prepared.incarnation.filter
        let part = filter.isEmpty ? "" : ", of which only the keys \(FilterText.text(filter)) are there,"
        let safety = safetyBackup.map { "after a backup into \($0)" } ?? "without a backup"
        return try console.confirm(
            "Delete bucket \(prepared.plan.bucket) with all it holds, \(safety), and write it anew from \(source)\(part)?"
        )
    }

    private func say(_ prepared: Restore.Prepared, _ restore: Restore, safetyBackup: String?) async throws {
        let settings = try restore.settingsPlan(prepared)
        let merge = try await restore.mergePreview(prepared)
        console.progress.clear()
        let safety = prepared.plan.action == .replace ? safetyBackup : nil
        if console.isJSON {
            try console.document(RestoreDocument(prepared, settings, merge, safetyBackup: safety))
        } else {
            var plan = RestoreText.Plan(prepared, settings)
            plan.merge = merge
            plan.overwrites = options.overwrite
            plan.safetyBackup = safety
            plan.verifies = options.verify
            try console.data(RestoreText.lines(plan))
        }
    }

    static func progressText(_ state: RestoreProgress) -> ProgressText {
        let activity =
            switch state.phase {
            case .writing: "writing"
            case .reading: "backing up what is there"
            case .verifying: "verifying"
            }
        return ProgressText(
            activity: activity,
            entries: state.entries,
            total: state.total,
            remark: state.interruptions > 0 ? NumberText.count(state.interruptions, "interruption") : nil
        )
    }
}
