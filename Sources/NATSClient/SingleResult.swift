import Synchronization

/// A result that one task waits for and anyone may deliver, once.
///
/// Unlike a bare continuation it may be resolved before anybody waits, by several parties of which the first wins,
/// and its waiting ends when the waiting task is cancelled.
final class SingleResult<Value: Sendable>: Sendable {
    private enum State {
        case open
        case waiting(CheckedContinuation<Value, any Error>)
        case resolved(Result<Value, any Error>)
        case taken
    }

    private let state = Mutex(State.open)

    /// Delivers the result; false if there was one already.
    @discardableResult
    func resolve(_ result: Result<Value, any Error>) -> Bool {
        let (accepted, continuation) = state.withLock {
            state -> (Bool, CheckedContinuation<Value, any Error>?) in
            switch state {
            case .open:
                state = .resolved(result)
                return (true, nil)
            case .waiting(let continuation):
                state = .taken
                return (true, continuation)
            case .resolved, .taken:
                return (false, nil)
            }
        }
        continuation?.resume(with: result)
        return accepted
    }

    /// Waits for the result; to be called once.
    func wait() async throws -> Value {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let result = state.withLock { state -> Result<Value, any Error>? in
                    switch state {
                    case .resolved(let result):
                        state = .taken
                        return result
                    case .open:
                        state = .waiting(continuation)
                        return nil
                    case .waiting, .taken:
                        return .failure(CancellationError())
                    }
                }
                if let result { continuation.resume(with: result) }
            }
        } onCancel: {
            resolve(.failure(CancellationError()))
        }
    }
}
