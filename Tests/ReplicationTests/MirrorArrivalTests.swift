import Testing

@testable import Replication

/// When a mirror has caught up, and when it gives up looking for that: without a server, by a clock of the test's.
@Suite("A mirror's end")
struct MirrorArrivalTests {
    /// A mirror and its clock.
    private final class Bench {
        private let start: ContinuousClock.Instant
        private var arrival: MirrorArrival

        init() {
            let start = ContinuousClock.now
            self.start = start
            arrival = MirrorArrival(at: start)
        }

        private func after(_ milliseconds: Int) -> ContinuousClock.Instant {
            start.advanced(by: .milliseconds(milliseconds))
        }

        func step(_ standing: MirrorArrival.Standing, at milliseconds: Int) -> MirrorArrival.Step {
            arrival.step(standing, at: after(milliseconds))
        }

        func came(at milliseconds: Int) { arrival.came(at: after(milliseconds)) }
        func sawMore(at milliseconds: Int) { arrival.sawMore(at: after(milliseconds)) }
        func hadNoAnswer() { arrival.hadNoAnswer() }
    }

    private func standing(
        pending: UInt64? = 0,
        isAbreast: Bool = false,
        follows: Bool = false
    ) -> MirrorArrival.Standing {
        MirrorArrival.Standing(
            pending: pending,
            isWindowEmpty: true,
            isAbreast: isAbreast,
            takesEstimate: follows,
            isTroubled: false
        )
    }

    @Test("That nothing is pending is believed by none that must know; the source is asked now and then")
    func asks() {
        let arrival = Bench()
        #expect(arrival.step(standing(follows: true), at: 0) == .arrived)
        #expect(arrival.step(standing(), at: 0) == .ask)
        arrival.sawMore(at: 0)
        #expect(arrival.step(standing(), at: 50) == .goOn)
        #expect(arrival.step(standing(), at: 100) == .ask)
    }

    @Test("A source that holds more and does not send it is given up after a while without any, and not before")
    func givesUp() {
        let arrival = Bench()
        func askInVain(at milliseconds: Int) {
            #expect(arrival.step(standing(), at: milliseconds) == .ask)
            arrival.sawMore(at: milliseconds)
        }
        askInVain(at: 0)
        askInVain(at: 15000)
        arrival.came(at: 18000)
        askInVain(at: 19000)
        #expect(arrival.step(standing(), at: 19050) == .goOn, "entries came")
        askInVain(at: 38500)
        #expect(arrival.step(standing(), at: 38550) == .goOn)
        askInVain(at: 39500)
        #expect(arrival.step(standing(), at: 39550) == .giveUp)
        arrival.hadNoAnswer()
        #expect(arrival.step(standing(), at: 39560) == .goOn, "no answer says nothing")
    }

    @Test("A source that is written to all the time is given up, however near its end is")
    func abreast() {
        let arrival = Bench()
        for tenth in 0...200 {
            arrival.came(at: tenth * 100)
            let step = arrival.step(standing(pending: 3, isAbreast: true), at: tenth * 100)
            #expect(step == .goOn)
        }
        arrival.came(at: 20050)
        #expect(arrival.step(standing(pending: 3, isAbreast: true), at: 20050) == .giveUp)
        var troubled = standing(pending: 3, isAbreast: true)
        troubled.isTroubled = true
        #expect(arrival.step(troubled, at: 20050) == .goOn, "a server that is away is waited for")
    }

    @Test("Where entries are pending and none comes the source is asked too: they may be gone")
    func silence() {
        for follows in [false, true] {
            let arrival = Bench()
            #expect(
                arrival.step(standing(pending: nil, follows: follows), at: 5000) == .goOn,
                "it does not read yet"
            )
            arrival.came(at: 5000)
            #expect(arrival.step(standing(pending: 500, follows: follows), at: 5500) == .goOn)
            #expect(arrival.step(standing(pending: 500, follows: follows), at: 6000) == .ask)
            arrival.sawMore(at: 6000)
            #expect(arrival.step(standing(pending: 500, follows: follows), at: 6500) == .goOn)
            #expect(arrival.step(standing(pending: 500, follows: follows), at: 7000) == .ask)
            #expect(arrival.step(standing(pending: 500, follows: follows), at: 60000) == .ask)
            #expect(arrival.step(standing(pending: 500, follows: follows), at: 60500) == .goOn, "it may be slow")
        }
    }
}
