import Foundation
import Synchronization

/// Runs work that blocks for long on a thread of its own, so that no thread of the cooperative pool is held up.
///
/// What the work is given says whether the task was cancelled meanwhile.
package func onOwnThread<Result: Sendable>(
    _ work: @escaping @Sendable (_ shouldStop: @escaping @Sendable () -> Bool) throws -> Result
) async throws -> Result {
    let flag = Flag()
    let outcome = Outcome<Result>()
    await withTaskCancellationHandler {
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            Thread.detachNewThread {
                outcome.settle { try work { flag.isSet } }
                continuation.resume()
            }
        }
    } onCancel: {
        flag.set()
    }
    return try outcome.take()
}

/// What work came to, handed over from its thread.
///
/// A continuation would leave the thread a copy for as long as that takes to end: an archived state holds the archive
/// open, and must be gone when whoever asked for it lets it go.
private final class Outcome<Value: Sendable>: Sendable {
    private let state = Mutex<Result<Value, any Error>>(.failure(CancellationError()))

    func settle(_ work: () throws -> Value) {
        let result: Result<Value, any Error> = Result { try work() }
        state.withLock { $0 = result }
    }

    /// Answers it once, and keeps nothing.
    func take() throws -> Value {
        let result = state.withLock { state in
            let result = state
            state = .failure(CancellationError())
            return result
        }
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
