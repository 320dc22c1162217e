import Foundation
import Synchronization

/// Runs work that blocks for long on a thread of its own, so that no thread of the cooperative pool is held up.
///
/// What the work is given says whether the task was cancelled meanwhile.
func onOwnThread<Result: Sendable>(
    _ work: @escaping @Sendable (_ shouldStop: @escaping @Sendable () -> Bool) throws -> Result
) async throws -> Result {
    let flag = Flag()
    return try await withTaskCancellationHandler {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread {
                continuation.resume(with: Swift.Result { try work { flag.isSet } })
            }
        }
    } onCancel: {
        flag.set()
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
