/// The signs of states and outcomes, drawn in the colour of the text beside them.
enum Icon {
    /// The sign of a state.
    static func state(_ state: JobView.State) -> HTML {
        switch state {
        case .failing: drawing("M4 4l8 8M12 4l-8 8")
        case .running: drawing("M5 3.5v9l7-4.5z", isFilled: true)
        case .waiting: drawing("M8 4v4.2l2.8 1.8M8 1.8a6.2 6.2 0 1 0 .01 0z")
        case .elsewhere: drawing("M2.5 6h9l-2.5-2.8M13.5 10h-9l2.5 2.8")
        case .ok: drawing("M3 8.5l3.2 3.3L13 4.6")
        case .neverRan: drawing("M8 2.8a5.2 5.2 0 1 0 .01 0z")
        case .paused: drawing("M5.5 3.5v9M10.5 3.5v9")
        }
    }

    /// The sign of what came of a run.
    static func outcome(_ outcome: RunRecord.Outcome) -> HTML {
        switch outcome {
        case .succeeded: state(.ok)
        case .failed: state(.failing)
        case .running: state(.running)
        case .stopped: drawing("M4 4h8v8h-8z", isFilled: true)
        case .different: drawing("M3 6h10M3 10h10M10.5 3l-5 10")
        }
    }

    private static func drawing(_ path: String, isFilled: Bool = false) -> HTML {
        let look = isFilled ? "filled" : "drawn"
        return """
            <svg class="icon \(look)" viewBox="0 0 16 16" aria-hidden="true" focusable="false"><path d="\(path)"/></svg>
            """
    }
}
