import Foundation
import Synchronization

/// Runs work that blocks for long on a thread of its own, so that no thread of the cooperative pool is held up.
///
/// What the work is given says whether the task was cancelled meanwhile.
package func onOwnThread<Result: Sendable>(
    _ work: @escaping @Sendable (_ shouldStop: @escaping @Sendable () -> Bool) throws -> Result
) async throws -> Result {
    let flag = Flag()
    let outcome = Outcome { try work { flag.isSet } }
    await withTaskCancellationHandler {
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            Thread.detachNewThread {
                outcome.settle()
                continuation.resume()
            }
        }
    } onCancel: {
        flag.set()
    }
    return try outcome.take()
}

/// Work, and then what it came to, handed over from its thread.
///
/// A thread would keep the work, and a continuation the result, for as long as the thread takes to end: a reader, and
/// an archived state, hold the archive open, and must be gone when whoever asked lets them go.
private final class Outcome<Value: Sendable>: Sendable {
    private enum State {
        case asked(@Sendable () throws -> Value)
        case settled(Result<Value, any Error>)
    }

    private let state: Mutex<State>

    init(_ work: @escaping @Sendable () throws -> Value) {
        state = Mutex(.asked(work))
    }

    /// Does the work, and keeps what it came to in its place.
    func settle() {
        guard case .asked(let work) = state.withLock({ $0 }) else { return }
        let result: Result<Value, any Error> = Result { try work() }
        state.withLock { $0 = .settled(result) }
    }

    /// Answers it once, and keeps nothing.
    func take() throws -> Value {
        let last = state.withLock { state in
            let last = state
            state = .settled(.failure(CancellationError()))
            return last
        }
        guard case .settled(let result) = last else { throw CancellationError() }
        return try result.get()
    }
}

/// Something that becomes true once.
private final class Flag: Sendable {
    private let state = Mutex(false)

    var isSet: Bool { state.withLock { $0 } }

    func set() {
        state.withLock { $0 = true }
    }
}
