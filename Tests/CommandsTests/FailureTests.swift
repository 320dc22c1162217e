import Archive
import ArgumentParser
import JetStream
import KVModel
import KeyValue
import NATSClient
import Replication
import Testing

@testable import Commands

@Suite("Failures")
struct FailureTests {
    private static let bucket = BucketName(unchecked: "orders")

    @Test(
        "The client's errors have their exit codes",
        arguments: [
            (NATSError.Code.connectionRefused, RunStatus.unreachable), (.unreachable, .unreachable),
            (.resolve, .unreachable), (.authorization, .unreachable), (.authenticationTimeout, .unreachable),
            (.authenticationExpired, .unreachable), (.tls, .unreachable), (.maximumConnections, .unreachable),
            (.permissions(subject: "x"), .unreachable), (.noResponders, .unreachable), (.timeout, .unreachable),
            (.disconnected, .unreachable), (.staleConnection, .unreachable), (.protocolViolation, .unreachable),
            (.serverError, .unreachable), (.closed, .unreachable), (.invalidConfiguration, .usage),
            (.maximumPayload(limit: 1), .failed), (.invalidSubject, .failed), (.invalidHeader, .failed),
        ]
    )
    func client(code: NATSError.Code, status: RunStatus) {
        #expect(Failure(NATSError(code, cause: "why")).status == status)
    }

    @Test(
        "JetStream's errors have their exit codes",
        arguments: [
            (JetStreamError.Code.unavailable, RunStatus.unreachable), (.notEnabled, .unreachable),
            (.temporarilyUnavailable, .busy), (.tooManyRequests, .busy), (.streamExists, .exists),
            (.streamNotFound, .failed), (.insufficientResources, .failed), (.messageTooLarge, .failed),
            (.streamRecreated, .failed), (.streamRegressed, .failed), (.other(10_999), .failed),
        ]
    )
    func jetStream(code: JetStreamError.Code, status: RunStatus) {
        #expect(Failure(JetStreamError(code: code, subject: "KV_x", text: "why")).status == status)
    }

    @Test(
        "A bucket's errors have their exit codes",
        arguments: [
            (KeyValueError.Code.bucketNotFound, RunStatus.failed), (.bucketExists, .exists), (.invalidKey, .usage),
            (.keyExists, .exists), (.wrongRevision, .failed), (.unsupported, .failed), (.stalled, .failed),
        ]
    )
    func keyValue(code: KeyValueError.Code, status: RunStatus) {
        let failure = Failure(KeyValueError(code: code, bucket: Self.bucket, key: Key("k")))
        #expect(failure.status == status)
        #expect(failure.message.contains("orders"))
    }

    @Test(
        "The archive's errors have their exit codes",
        arguments: [
            (ArchiveError.Code.notFound, RunStatus.failed), (.exists, .exists), (.notAnArchive, .failed),
            (.newerFormat(9), .failed), (.corrupt("x"), .failed), (.locked("pid 1"), .busy), (.full, .failed),
            (.readOnly, .failed), (.io("x"), .failed), (.noSuchIncarnation("x"), .failed),
            (.noSuchPoint("x"), .failed), (.chainBroken("x"), .failed), (.invalid("x"), .failed),
            (.encrypted(.keyFile), .usage), (.encrypted(.passphrase), .usage), (.notEncrypted, .usage),
            (.wrongKey("x"), .usage), (.invalidKey("x"), .usage),
        ]
    )
    func archive(code: ArchiveError.Code, status: RunStatus) {
        let failure = Failure(ArchiveError(code, path: "a.cistern"))
        #expect(failure.status == status)
        #expect(failure.message.contains("a.cistern"))
        if let hint = failure.hint { #expect(!failure.message.contains(hint)) }
    }

    @Test(
        "The engine's errors have their exit codes",
        arguments: [
            (ReplicationError.Code.sourceRegressed, RunStatus.failed), (.sourceDiverged, .failed),
            (.sourceRecreated, .failed), (.targetExists, .exists), (.targetChanged, .exists),
            (.targetBusy, .busy), (.sameBucket, .usage), (.leftClosed, .failed), (.targetRefuses, .failed),
            (.nothingToRestore, .failed), (.unsupported, .failed), (.notEqual, .different), (.stopped, .interrupted),
        ]
    )
    func replication(code: ReplicationError.Code, status: RunStatus) {
        let failure = Failure(ReplicationError(code, bucket: "orders", text: "why", hint: "do"))
        #expect(failure.status == status)
        #expect(failure.message == "bucket orders: why")
        #expect(failure.hint == "do")
    }

    @Test(
        "Our own errors have their exit codes",
        arguments: [
            (CommandError.Code.usage, RunStatus.usage), (.outputClosed, .done), (.outputFailed, .failed),
            (.inputFailed, .failed), (.fileExists, .exists), (.keyNotFound, .failed), (.nothingMatches, .failed),
            (.declined, .failed),
        ]
    )
    func command(code: CommandError.Code, status: RunStatus) {
        #expect(Failure(CommandError(code, text: "why")).status == status)
    }

    @Test("What was typed wrongly is the command line's fault")
    func model() {
        #expect(Failure(ModelError.invalidSize("x")).status == .usage)
        #expect(Failure(ValidationError("x")).status == .usage)
    }

    @Test("A stop is a stop, and silence is silence")
    func stops() {
        #expect(Failure(CancellationError()).isStop)
        #expect(Failure(NATSError(.closed, cause: "the connection was closed")).isStop)
        #expect(!Failure(NATSError(.timeout, cause: "x")).isStop)
        #expect(Failure(CommandError(.outputClosed)).isSilent)
        #expect(!Failure(CommandError(.declined)).isSilent)
    }

    @Test("Exit codes are the documented ones")
    func numbers() {
        let numbers = RunStatus.allCases.map(\.rawValue)
        #expect(numbers == [0, 1, 3, 64, 69, 73, 75, 130, 143])
    }

    @Test(
        "Of several buckets the worst exit status counts",
        arguments: [
            (RunStatus.done, RunStatus.busy, RunStatus.busy), (.busy, .failed, .failed),
            (.different, .busy, .busy), (.unreachable, .failed, .failed), (.interrupted, .failed, .interrupted),
            (.done, .done, .done),
        ]
    )
    func worst(one: RunStatus, other: RunStatus, worst: RunStatus) {
        #expect(one.worse(other) == worst)
        #expect(other.worse(one) == worst)
    }

    @Test("The parser's messages take our form")
    func parserMessages() {
        #expect(
            Launcher.message("Error: Unknown option '-x'\nUsage: y") == "cistern: error: Unknown option '-x'\nUsage: y"
        )
        #expect(Launcher.message("odd") == "cistern: error: odd")
    }
}
