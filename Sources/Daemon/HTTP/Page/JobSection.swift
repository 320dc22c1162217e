import KVModel

/// One job on the status page, and at the top of its own page.
struct JobSection {
    var job: JobView
    var now: Int64
    /// Whether it is the only one on its page: its runs stand below it then.
    var isAlone = false

    /// How many runs the status page shows of a job.
    private static let shownRuns = 8

    /// What the job's parts are found by: the page's title of a job alone is `-name`, too.
    var id: String { "job-" + PageText.encoded(job.name) }
    private var path: String { "/jobs/" + PageText.encoded(job.name) }
    private var shownState: JobView.State { job.needsAttention && job.state != .running ? .failing : job.state }

    /// The job.
    var html: HTML {
        """
        <article class="job \(shownState.rawValue)\(job.needsAttention ? " needs-attention" : "")" id="\(id)" \
        aria-labelledby="\(id)-name">
        <div class="who">\(badges)
        \(isAlone ? nil : "<h3 id=\"\(id)-name\"><a href=\"\(path)\">\(job.name)</a></h3> " as HTML)\
        <span class="kind">\(job.kind)</span>
        <p class="what">\(job.summary)</p></div>
        \(actions)
        \(failure)
        \(untold)
        \(progress)
        <dl class="facts">\(facts)</dl>
        <div class="graphs">\(graphs)</div>
        \(isAlone ? nil : runs)
        </article>

        """
    }

    private var badges: HTML {
        let word = shownState == .elsewhere ? "on \(job.holder ?? "another daemon")" : shownState.word
        let failing: HTML? =
            job.needsAttention && shownState == .running
            ? "<span class=\"badge failing\">\(Icon.state(.failing))failing</span> " : nil
        let paused: HTML? =
            job.isPaused && shownState != .paused
            ? " <span class=\"badge paused\">\(Icon.state(.paused))paused</span>" : nil
        return """
            \(failing)<span class="badge \(shownState.rawValue)">\(Icon.state(shownState))\(word)</span>\(paused)
            """
    }

    private var actions: HTML {
        let (verb, label) = job.isPaused ? ("resume", "Resume") : ("pause", "Pause")
        let done = job.isPaused ? "\(job.name) runs by its schedule again." : "\(job.name) is paused."
        return """
            <div class="actions">\
            <form method="post" action="\(path)/run" data-done="A run of \(job.name) was asked for.">\
            <button type="submit" aria-label="Run \(job.name) now">Run now</button></form>\
            <form method="post" action="\(path)/\(verb)" data-done="\(done)">\
            <button type="submit" aria-label="\(label) \(job.name)">\(label)</button></form>\
            </div>
            """
    }

    private var failure: HTML? {
        guard job.needsAttention else { return nil }
        if let warning = job.progress?.warning { return "<p class=\"error\">\(warning)</p>" }
        let failed = job.lastRun?.outcome == .failed ? job.lastRun : job.recentRuns.first { $0.outcome == .failed }
        guard let failed else { return nil }
        let often = job.consecutiveFailures > 1 ? "Failed \(job.consecutiveFailures) times in a row. " : ""
        return "<p class=\"error\"><b>\(often)</b>\(failed.error ?? failed.summary)</p>"
    }

    private var untold: HTML? {
        job.untold.map { "<p class=\"error\">Nobody could be told: \($0)</p>" }
    }

    private var progress: HTML? {
        guard let progress = job.progress else { return nil }
        var parts = ["\(PageText.count(progress.entries)) entries", PageText.bytes(progress.bytes)]
        if let lag = progress.lagEntries { parts.append("\(PageText.count(lag)) behind") }
        if let lag = progress.lagTime { parts.append("\(TimeText.span(lag)) behind") }
        if progress.interruptions > 0 {
            parts.append("\(progress.interruptions) interruption\(progress.interruptions == 1 ? "" : "s")")
        }
        let since = job.runningSince.map { "for \(TimeText.span(now - $0)): " } ?? ""
        return """
            <p class="progress"><span class="pulse" aria-hidden="true"></span>\(since)<b>\(progress.activity)</b> \
            <span class="muted">\(parts.joined(separator: ", "))</span></p>
            """
    }

    private var facts: HTML {
        let last: HTML = job.lastRun.map { Self.told($0, now: now) } ?? "<b>never</b>"
        let next: HTML =
            if job.isPaused { "<b>paused</b>" } else { job.nextRun.map { PageText.time($0, now: now) } ?? "<b>–</b>" }
        let success: HTML = job.lastSuccess.map { PageText.time($0, now: now) } ?? "<b>never</b>"
        // On the status page the sign of a job says it where it is another daemon.
        let holder: HTML? = (isAlone ? job.holder : nil).map { "<div><dt>Daemon</dt><dd><b>\($0)</b></dd></div>" }
        return """
            <div><dt>Last run</dt><dd>\(last)</dd></div>
            <div><dt>Next run</dt><dd>\(next)</dd></div>
            <div><dt>Last success</dt><dd>\(success)</dd></div>
            <div><dt>Schedule</dt><dd><b>\(job.schedule)</b></dd></div>
            \(holder)
            """
    }

    private static func told(_ run: RunRecord, now: Int64) -> HTML {
        let took: HTML? = run.duration.map { " in \(TimeText.span($0))" }
        return """
            \(PageText.time(run.finished ?? run.started, now: now)) <span class="at">\
            <span class="outcome \(run.outcome.rawValue)">\(Icon.outcome(run.outcome))\(run.outcome.rawValue)</span>\(took)\
            </span>
            """
    }

    private var graphs: [HTML] {
        let samples = job.samples
        let lag = Chart(
            name: "Lag",
            newest: Self.entries(samples.last?.lagEntries),
            text: PageText.count(whole:),
            points: samples.map { .init(time: $0.time, value: $0.lagEntries.map { Double($0) }) }
        )
        let throughput = Chart(
            name: "Throughput",
            newest: PageText.rate(samples.last?.entriesPerSecond ?? 0),
            text: PageText.rate,
            points: samples.map { .init(time: $0.time, value: $0.entriesPerSecond) }
        )
        return [lag.html, throughput.html, RunStrip(runs: job.recentRuns).html].compactMap { $0 }
    }

    private static func entries(_ count: UInt64?) -> String {
        count.map { PageText.count($0) + ($0 == 1 ? " entry" : " entries") } ?? "not known"
    }

    private var runs: HTML? {
        guard !job.recentRuns.isEmpty else { return nil }
        let shown = Array(job.recentRuns.prefix(Self.shownRuns))
        return """
            <details class="runs" id="\(id)-runs"><summary>Runs of \(job.name)</summary>
            \(StatusTables.runs(shown, now: now))
            <p><a href="\(path)">All runs of \(job.name)</a></p></details>
            """
    }
}
