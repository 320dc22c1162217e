/// A job's own page: how it stands, and its runs, a page of them at a time.
struct JobPage {
    var view: DaemonView
    var job: JobView
    /// Newest first.
    var runs: [RunRecord]
    /// From which run on there are older ones; nil at the end.
    var next: Int64?

    /// What the browser's tab says.
    var title: String {
        (job.needsAttention ? "(failing) " : "") + "\(job.name) – cistern"
    }

    private var section: JobSection { JobSection(job: job, now: view.now, isAlone: true) }

    /// The part of the page that changes.
    var main: HTML {
        """
        <main id="main" class="bar" tabindex="-1" data-title="\(title)" data-version="\(view.version)">
        <p class="back"><a href="/">All jobs</a></p>
        <h1 class="quiet-title" id="\(section.id)-name">\(job.name)</h1>
        <div class="jobs">\(section.html)</div>
        <section aria-labelledby="runs-title"><h2 id="runs-title">Runs</h2>
        \(runs.isEmpty ? "<p class=\"muted\">It was never run.</p>" as HTML : StatusTables.runs(runs, now: view.now))
        \(next.map { "<p><a rel=\"next\" href=\"?before=\($0)\">Older runs</a></p>" as HTML })
        </section>
        </main>
        """
    }
}
