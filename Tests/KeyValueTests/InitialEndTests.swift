import Testing

@testable import KeyValue

@Suite("The end of what was there at the start")
struct InitialEndTests {
    private func end(_ target: UInt64, pending: UInt64 = 9, extensions: Int = 2) -> InitialEnd {
        InitialEnd(after: 0, through: target, pending: pending, extensions: extensions)
    }

    @Test("An empty bucket, and one with nothing to come, are asked about at once")
    func begins() {
        #expect(end(0).isToAsk)
        #expect(end(10, pending: 0).isToAsk)
        #expect(!end(10).isToAsk)
        #expect(end(0, extensions: 0).isReached)
        #expect(!end(10, pending: 0, extensions: 0).isReached)
    }

    @Test("Without extensions it ends at its target, without a question")
    func exact() {
        var end = end(10, extensions: 0)
        end.pass(9, pending: 1, moreIsQueued: false)
        #expect(!end.isReached && !end.isToAsk)
        end.pass(12, pending: 5, moreIsQueued: true)
        #expect(end.isReached)
    }

    @Test("Nothing more pending, or a silence, is a reason to ask, and no more than that")
    func questions() {
        var end = end(10)
        end.pass(4, pending: 0, moreIsQueued: false)
        #expect(end.isToAsk && !end.isReached)
        end.learn(rest: 7...10)
        #expect(!end.isToAsk && !end.isReached)
        end.pause()
        #expect(end.isToAsk)
        end.learn(rest: nil)
        #expect(end.isReached)
    }

    @Test("What is expired or superseded up to the end leaves nothing to wait for")
    func superseded() {
        var exact = end(10, extensions: 0)
        exact.pass(4, pending: 0, moreIsQueued: false)
        exact.learn(rest: 12...12)
        #expect(exact.isReached)
        var extended = end(10)
        extended.pass(4, pending: 0, moreIsQueued: false)
        extended.learn(rest: 12...40)
        // All that has come in place of what was overwritten, not the first of it alone.
        #expect(!extended.isReached && extended.target == 40)
        var queued = end(10)
        queued.pass(10, pending: 30, moreIsQueued: true)
        #expect(!queued.isReached && queued.target == 40)
    }

    @Test("Writes that never cease come to an end all the same", arguments: [false, true])
    func neverCeasing(moreIsQueued: Bool) {
        var end = end(10)
        var steps = 0
        while !end.isReached, steps < 100 {
            steps += 1
            let next = end.position + 10
            end.pass(next, pending: 3, moreIsQueued: moreIsQueued)
            if !moreIsQueued, end.isToAsk, !end.isReached { end.learn(rest: next + 1...next + 1) }
        }
        #expect(end.isReached && steps < 10)
    }

    @Test("Entries that come again take nothing back")
    func order() {
        var end = end(10)
        end.pass(8, pending: 3, moreIsQueued: false)
        end.pass(3, pending: 3, moreIsQueued: false)
        #expect(end.position == 8)
    }
}
