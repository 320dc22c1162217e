import NIOCore
import Synchronization

/// Lets so many pieces of work go on at a time; others wait for their turn, in order.
package final class Lane: Sendable {
    private struct State {
        var free: Int
        var waiting = CircularBuffer<SingleResult<Void>>()
    }

    private let state: Mutex<State>

    init(width: Int) {
        state = Mutex(State(free: width))
    }

    /// Does work when its turn has come.
    package func run<Result>(
        isolation: isolated (any Actor)? = #isolation,
        _ body: () async throws -> Result
    ) async throws -> Result {
        let turn = state.withLock { state -> SingleResult<Void>? in
            if state.free > 0 {
                state.free -= 1
                return nil
            }
            let turn = SingleResult<Void>()
            state.waiting.append(turn)
            return turn
        }
        try await turn?.wait()
        defer { pass() }
        return try await body()
    }

    private func pass() {
        while true {
            let next = state.withLock { state -> SingleResult<Void>? in
                if let next = state.waiting.popFirst() { return next }
                state.free += 1
                return nil
            }
            // Who no longer waits takes no turn.
            guard let next else { return }
            if next.resolve(.success(())) { return }
        }
    }
}
