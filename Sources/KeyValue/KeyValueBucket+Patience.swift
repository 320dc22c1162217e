import JetStream
import KVModel
import NATSClient

extension KeyValueBucket {
    /// Tries until there is an answer, the time is up, or it fails for good; every error is a `KeyValueError` then.
    ///
    /// What certainly had no effect is tried again in any case; with `repeats` also what may have had one.
    func attempt<Result>(
        about key: Key?,
        repeats: Bool,
        isolation: isolated (any Actor)? = #isolation,
        _ body: (_ timeout: Duration) async throws -> Result
    ) async throws -> Result {
        let clock = ContinuousClock()
        let deadline = clock.now + context.timeout
        var wait = Duration.milliseconds(20)
        while true {
            let left = clock.now.duration(to: deadline)
            do {
                // A question that a dying server took is asked again while there is time.
                return try await body(repeats ? min(left, max(.seconds(1), context.timeout / 3)) : left)
            } catch {
                guard clock.now + wait < deadline, try await mayPass(error, repeats) else {
                    throw keyValueError(error, about: key)
                }
            }
            try await Task.sleep(for: wait)
            wait = min(wait * 2, .milliseconds(500))
        }
    }

    /// Whether the same may succeed a little later, and may be tried again.
    private func mayPass(_ error: any Error, _ repeats: Bool) async throws -> Bool {
        switch error {
        case let error as JetStreamError:
            switch error.code {
            case .temporarilyUnavailable, .tooManyRequests: return true
            // Nobody takes the message, or answers: because there is no leader, or no bucket.
            case .unavailable: return try await bucketMayReturn()
            case .streamNotFound where error.serverCode == 0: return try await bucketMayReturn()
            default: return false
            }
        case let error as NATSError:
            return repeats && [.timeout, .disconnected, .staleConnection].contains(error.code)
        default:
            return false
        }
    }

    /// Whether the bucket exists and takes writes, as far as anybody can tell at the moment.
    private func bucketMayReturn() async throws -> Bool {
        let found: StreamInfo
        do {
            found = try await context.streamInfo(name.streamName)
        } catch let error as JetStreamError where error.code == .streamNotFound {
            throw KeyValueError(code: .bucketNotFound, bucket: name)
        } catch  where error.isTransient {
            return true
        }
        // A bucket that was given other subjects takes no writes however long one waits.
        guard found.configuration["subjects"] == bucket.info.configuration["subjects"] else {
            throw KeyValueError(
                code: .readOnly,
                bucket: name,
                text: "its stream takes other subjects now: a migration may be under way"
            )
        }
        return true
    }

    /// What went wrong, in the words of buckets.
    func keyValueError(_ failure: any Error, about key: Key?) -> any Error {
        func error(_ code: KeyValueError.Code, _ text: String, revision: Revision? = nil) -> KeyValueError {
            KeyValueError(code: code, bucket: name, key: key, text: text, revision: revision, underlying: failure)
        }
        switch failure {
        case let failure as JetStreamError:
            switch failure.code {
            case .streamNotFound where failure.serverCode != 0: return error(.bucketNotFound, failure.text)
            case .streamNotFound, .unavailable, .temporarilyUnavailable, .tooManyRequests, .interrupted:
                return error(.unanswered, failure.text)
            case .wrongLastSequence: return error(.wrongRevision, failure.text, revision: failure.lastSequence)
            case .messageTooLarge: return error(.valueTooLarge, failure.text)
            case .storeFull: return error(.bucketFull, failure.text)
            case .sealed: return error(.readOnly, failure.text)
            case .invalidTimeToLive: return error(.invalidTimeToLive, failure.text)
            case .timeToLiveNotAllowed: return error(.timeToLiveNotAllowed, failure.text)
            default: return failure
            }
        case let failure as NATSError:
            switch failure.code {
            case .timeout, .disconnected, .staleConnection: return error(.unanswered, failure.cause)
            case .maximumPayload: return error(.valueTooLarge, failure.cause)
            default: return failure
            }
        case let failure as ModelError: return error(.invalidPattern, "\(failure)")
        default: return failure
        }
    }
}
