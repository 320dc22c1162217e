import KVModel
import Synchronization

/// How far a run has come, put together from its parts, and told a few times a second.
final class ProgressMeter: Sendable {
    /// One part of a run, such as one bucket.
    struct Part: Sendable, Hashable {
        var entries: UInt64 = 0
        var bytes: UInt64 = 0
        var lagEntries: UInt64?
        var lagTime: Int64?
        var interruptions = 0
    }

    private struct State {
        var activity = "starting"
        var warning: String?
        var parts: [String: Part] = [:]
        /// What parts came to that have ended.
        var ended = Part()
    }

    /// The time between two tellings.
    private static let interval = Duration.milliseconds(250)
    private let state = Mutex(State())

    /// Tells `progress` whenever something has changed, until its task is cancelled.
    func run(_ progress: @Sendable (RunProgress) -> Void) async {
        var told: RunProgress?
        while !Task.isCancelled {
            let present = present
            if present != told { progress(present) }
            told = present
            // The end of the run ends the wait.
            do { try await Task.sleep(for: Self.interval) } catch { return }
        }
    }

    /// What is being done now.
    func doing(_ activity: String) {
        state.withLock { $0.activity = activity }
    }

    /// What goes wrong while the run goes on; nil if nothing does.
    func warn(_ text: String?) {
        state.withLock { $0.warning = text }
    }

    /// How far a part is.
    func update(_ name: String, _ part: Part) {
        state.withLock { $0.parts[name] = part }
    }

    /// A part has come to its end, and may begin again from nothing.
    func end(_ name: String) {
        state.withLock { state in
            guard let part = state.parts.removeValue(forKey: name) else { return }
            state.ended.entries = state.ended.entries.addingClamped(part.entries)
            state.ended.bytes = state.ended.bytes.addingClamped(part.bytes)
            state.ended.interruptions += part.interruptions
        }
    }

    /// The run so far.
    var present: RunProgress {
        state.withLock { state in
            var progress = RunProgress(activity: state.activity)
            progress.warning = state.warning
            for part in [state.ended] + state.parts.values {
                progress.entries = progress.entries.addingClamped(part.entries)
                progress.bytes = progress.bytes.addingClamped(part.bytes)
                progress.interruptions += part.interruptions
                if let lag = part.lagEntries { progress.lagEntries = (progress.lagEntries ?? 0).addingClamped(lag) }
                if let lag = part.lagTime { progress.lagTime = max(progress.lagTime ?? 0, lag) }
            }
            return progress
        }
    }
}
