import Synchronization

/// The line at the bottom of a terminal that says how far the work has come.
///
/// Shown on standard error only, on a terminal only, and drawn at most ten times a second, so that it may be told of
/// every batch.
final class ProgressLine: Sendable {
    private struct State {
        var started: ContinuousClock.Instant?
        var drawn: ContinuousClock.Instant?
    }

    private let stream: ErrorStream
    private let clock = ContinuousClock()
    private let state = Mutex(State())
    private static let interval = Duration.milliseconds(100)

    init(_ stream: ErrorStream) {
        self.stream = stream
    }

    /// Whether anybody sees it.
    var isShown: Bool { stream.showsProgress }

    /// Shows how far the work is, if the last drawing is long enough ago.
    func update(_ text: @autoclosure () -> ProgressText) {
        guard stream.showsProgress else { return }
        let now = clock.now
        let elapsed: Duration? = state.withLock { state in
            let started = state.started ?? now
            state.started = started
            if let drawn = state.drawn, drawn.duration(to: now) < Self.interval { return nil }
            state.drawn = now
            return started.duration(to: now)
        }
        guard let elapsed else { return }
        stream.showProgress(text().line(elapsed: elapsed, width: stream.width))
    }

    /// Counts time from now on: another kind of work begins.
    func restart() {
        state.withLock { $0 = State() }
    }

    /// Takes the line away.
    func clear() {
        stream.showProgress(nil)
    }
}
