import KVModel
import Replication
import Synchronization

/// What is shown of a mirror while it runs: a progress line on a terminal, a plain line now and then elsewhere.
final class MirrorDisplay: Sendable {
    private struct Shown {
        var state = MirrorProgress()
        var phase: MirrorProgress.Phase?
        var time: ContinuousClock.Instant?
    }

    private static let interval = Duration.seconds(60)

    private let target: BucketName
    private let console: Console
    private let writesDocuments: Bool
    private let shown = Mutex(Shown())

    /// A display on a console; with `writesDocuments` results get a document now and then as well.
    init(_ target: BucketName, _ console: Console, writesDocuments: Bool) {
        self.target = target
        self.console = console
        self.writesDocuments = writesDocuments
    }

    /// What the mirror said last.
    var state: MirrorProgress { shown.withLock { $0.state } }

    /// Takes what the mirror says, and shows it.
    func update(_ state: MirrorProgress) {
        let now = ContinuousClock.now
        let isDue = shown.withLock { shown in
            shown.state = state
            if shown.phase == state.phase, let time = shown.time, time.duration(to: now) < Self.interval {
                return false
            }
            shown.phase = state.phase
            shown.time = now
            return true
        }
        console.progress.update(MirrorText.progress(state, of: target))
        guard isDue else { return }
        if !console.progress.isShown { console.note("\(target): \(MirrorText.line(state))") }
        guard writesDocuments else { return }
        do {
            try console.document(MirrorProgressDocument(state, of: target))
            try console.flush()
        } catch {
            // A reader that has gone cannot be told anything; the mirror goes on.
        }
    }
}
