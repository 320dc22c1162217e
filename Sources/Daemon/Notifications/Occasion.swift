extension JobSettings.Notification {
    /// What of a run there is to tell, if anything.
    ///
    /// A success after a failure is a recovery, or just a success to those who want to hear of no recoveries. A run that
    /// was stopped is neither.
    ///
    /// - Parameters:
    ///   - outcome: what came of the run.
    ///   - previous: what came of the job's run before it that was not stopped; nil if there was none.
    public func occasion(_ outcome: RunRecord.Outcome, after previous: RunRecord.Outcome?) -> Occasion? {
        let fitting: [Occasion] =
            switch outcome {
            case .failed, .different: [.failure]
            case .succeeded: previous?.isTrouble == true ? [.recovery, .success] : [.success]
            case .running, .stopped: []
            }
        return fitting.first { occasions.contains($0) }
    }
}

extension RunRecord.Outcome {
    /// Whether somebody has to look at it.
    public var isTrouble: Bool { self == .failed || self == .different }
}
