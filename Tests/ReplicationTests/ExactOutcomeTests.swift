import JetStream
import KVModel
import Testing

@testable import Replication

@Suite("What a server says that it restored")
struct ExactOutcomeTests {
    private let outcome = ExactOutcome(sent: 100, first: 5, end: 120)

    private func state(_ messages: UInt64, _ first: UInt64, _ last: UInt64) -> StreamInfo.State {
        StreamInfo.State(messages: messages, bytes: 1, firstSequence: first, lastSequence: last)
    }

    @Test("Only all of it is whole, but for what may have expired")
    func whole() {
        #expect(outcome.isWhole(state(100, 5, 120), alive: 100))
        #expect(outcome.isWhole(state(97, 9, 120), alive: 97))
        #expect(outcome.isWhole(state(0, 121, 120), alive: 0))
        // A record with a bad hash cuts a block off without an error; memory storage takes everything and holds nothing.
        #expect(!outcome.isWhole(state(60, 5, 64), alive: 100))
        #expect(!outcome.isWhole(state(60, 5, 120), alive: 100))
        #expect(!outcome.isWhole(state(0, 0, 0), alive: 100))
        #expect(!outcome.isWhole(state(0, 0, 0), alive: 0))
        #expect(!outcome.isWhole(state(100, 6, 120), alive: 100))
        #expect(!outcome.isWhole(state(100, 5, 121), alive: 100))
        #expect(!outcome.isWhole(state(101, 5, 120), alive: 100))
        #expect(ExactOutcome(sent: 0, first: 0, end: 60).isWhole(state(0, 61, 60), alive: 0))
        #expect("\(outcome.failure(state(60, 5, 64), "it holds", BucketName(unchecked: "b")))".contains("60 of 100"))
    }
}
