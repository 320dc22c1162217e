import Replication
import Testing

/// Where an interrupted migration goes on, for every step it may have stopped at and all that may be found.
@Suite("What an interrupted migration decides")
struct MigrationDecisionTests {
    private static func isRefusal(_ decision: MigrationDecision) -> Bool {
        if case .refuse = decision { true } else { false }
    }

    /// What is on the server when a process is killed after it wrote a step down: before the step, or after it.
    private static let left: [(step: MigrationStep, sights: [MigrationSight])] = [
        (.trial, [.open]), (.fence, [.open, .fenced]), (.capture, [.fenced]), (.delete, [.fenced, .absent]),
        (.restore, [.absent, .unfinished, .open]),
    ]

    @Test("Whatever a kill leaves can be resumed", arguments: left)
    func resumes(step: MigrationStep, sights: [MigrationSight]) {
        for sight in sights { #expect(!Self.isRefusal(.resume(after: step, seeing: sight)), "\(step) \(sight)") }
    }

    @Test("Whatever a kill leaves can be rolled back, but for a bucket that is complete and open", arguments: left)
    func rollsBack(step: MigrationStep, sights: [MigrationSight]) {
        for sight in sights {
            let refuses = Self.isRefusal(.rollBack(after: step, seeing: sight))
            #expect(refuses == (step == .restore && sight == .open), "\(step) \(sight)")
        }
    }

    @Test("A way back is finished as a way back")
    func wayBack() {
        let left: [(step: MigrationStep, sights: [MigrationSight])] = [
            (.unfence, [.open, .fenced]), (.returning, [.absent, .unfinished, .open]),
        ]
        for (step, sights) in left {
            for sight in sights {
                #expect(Self.isRefusal(.resume(after: step, seeing: sight)), "\(step) \(sight)")
                #expect(!Self.isRefusal(.rollBack(after: step, seeing: sight)), "\(step) \(sight)")
            }
        }
    }

    @Test("Nothing is deleted or written where the bucket is not what was left")
    func strangers() {
        for step in MigrationStep.allCases {
            for sight in MigrationSight.allCases {
                let decisions = [
                    MigrationDecision.resume(after: step, seeing: sight), .rollBack(after: step, seeing: sight),
                ]
                for decision in decisions {
                    guard case .take(let next) = decision else { continue }
                    // A restore deletes what it finds unfinished; an open bucket is only ever fenced or opened.
                    if sight == .open { #expect([.trial, .fence, .unfence].contains(next), "\(step)") }
                    if next == .restore || next == .returning { #expect(sight == .absent || sight == .unfinished) }
                }
            }
        }
        #expect(MigrationStep.allCases.filter(\.isEnd) == [.done, .rolledBack])
        for end in [MigrationStep.done, .rolledBack] {
            for sight in MigrationSight.allCases {
                #expect(Self.isRefusal(.resume(after: end, seeing: sight)))
                #expect(Self.isRefusal(.rollBack(after: end, seeing: sight)))
            }
        }
    }
}
