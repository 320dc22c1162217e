/// The page that tells at a glance how the daemon's jobs stand.
struct StatusPage {
    var view: DaemonView

    /// What the browser's tab says: the failures first.
    var title: String {
        let failing = view.jobs.count(where: \.needsAttention)
        return (failing > 0 ? "(\(failing) failing) " : "") + "cistern – \(view.name)"
    }

    /// The part of the page that changes.
    var main: HTML {
        """
        <main id="main" class="bar" tabindex="-1" data-title="\(title)" data-version="\(view.version)">
        \(headline)
        <section aria-labelledby="jobs-title">
        <h2 id="jobs-title">Jobs</h2>
        \(view.jobs.isEmpty ? Self.noJobs : nil)
        <div class="jobs">
        \(view.jobsByUrgency.map { JobSection(job: $0, now: view.now).html })
        </div>
        </section>
        \(view.buckets.isEmpty ? nil : StatusTables.buckets(view))
        \(view.archives.isEmpty ? nil : StatusTables.archives(view))
        \(view.daemons.count < 2 ? nil : StatusTables.daemons(view))
        </main>
        """
    }

    private static let noJobs: HTML =
        "<p class=\"muted\">The configuration file names no job. Add one under <code>jobs:</code>.</p>"

    private var headline: HTML {
        """
        <div class="headline \(isWell ? "well" : "ill")">
        <h1 id="headline" role="status">\(isWell ? Icon.state(.ok) : Icon.state(.failing))<span>\(sentence)</span></h1>
        <ul class="counts">\(counts)</ul>
        <p class="muted">version \(view.version), up \(TimeText.span(view.now - view.started)), \
        as of \(TimeText.clock(view.now, seconds: true)) UTC</p>
        </div>
        """
    }

    private var isWell: Bool { !view.jobs.contains(where: \.needsAttention) }

    private var sentence: String {
        let failing = view.jobs.count(where: \.needsAttention)
        let all = view.jobs.count
        if all == 0 { return "No jobs" }
        guard failing > 0 else { return all == 1 ? "The job is well" : "All \(all) jobs are well" }
        return "\(failing) of \(all) job\(all == 1 ? "" : "s") \(failing == 1 ? "is" : "are") failing"
    }

    private var counts: [HTML] {
        let states: [JobView.State] = [.running, .waiting, .elsewhere, .ok, .neverRan, .paused]
        return states.filter { view.count($0) > 0 }.map { state in
            "<li class=\"\(state.rawValue)\">\(Icon.state(state))\(view.count(state)) \(state.word)</li>"
        }
    }
}

extension JobView.State {
    /// What a person reads.
    var word: String {
        switch self {
        case .failing: "failing"
        case .running: "running"
        case .waiting: "waiting"
        case .elsewhere: "elsewhere"
        case .ok: "ok"
        case .neverRan: "never ran"
        case .paused: "paused"
        }
    }
}
