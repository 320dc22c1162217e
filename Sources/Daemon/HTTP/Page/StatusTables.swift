import KVModel

/// The tables of the pages.
///
/// On a narrow screen each row becomes a card; the roles keep it a table for readers of it.
enum StatusTables {
    /// Runs, in the order given.
    static func runs(_ runs: [RunRecord], now: Int64) -> HTML {
        table(
            "Runs",
            ["Began", "Outcome", "Why", "Took", "Entries", "Size", "Revision", "What it says"],
            runs.map { run in
                [
                    PageText.time(run.started, now: now),
                    """
                    <span class="outcome \(run.outcome.rawValue)">\(Icon.outcome(run.outcome))\
                    \(run.outcome.rawValue)</span>
                    """,
                    "\(run.attempt > 1 ? "try \(run.attempt)" : run.cause.rawValue)",
                    "\(TimeText.span(run.duration ?? (now - run.started)))",
                    "\(PageText.count(run.entries))",
                    "\(PageText.bytes(run.bytes))",
                    "\(run.revision.map { PageText.count($0) } ?? "–")",
                    run.error.map { "<span class=\"failed-text\">\($0)</span>" } ?? "\(run.summary)",
                ]
            },
            wide: 7
        )
    }

    /// The buckets and their status.
    static func buckets(_ view: DaemonView) -> HTML {
        section(
            "buckets",
            "Buckets",
            table(
                "Buckets",
                ["Bucket", "Values", "Size", "History", "TTL", "Replicas", "Storage", "Newest revision", "Seen"],
                view.buckets.map { bucket in
                    let name: HTML = "<b>\(bucket.cluster)/\(bucket.name)</b>"
                    let trouble: HTML? = bucket.error.map { "<span class=\"failed-text\">\($0)</span>" }
                    let seen: HTML = bucket.seen.map { "\(TimeText.relative($0, to: view.now))" } ?? "never"
                    guard bucket.seen != nil else {
                        return [name] + Array(repeating: "–", count: 7) + [trouble ?? seen]
                    }
                    return [
                        name,
                        "\(PageText.count(bucket.values))",
                        "\(PageText.bytes(bucket.bytes))\(bucket.maximumBytes > 0 ? limit(bucket) : nil)",
                        "\(bucket.history < 0 ? "unlimited" : String(bucket.history))",
                        "\(bucket.ttl > 0 ? DurationText.text(nanoseconds: bucket.ttl) : "none")",
                        "\(bucket.replicas)",
                        "\(bucket.storage)\(bucket.isCompressed ? ", compressed" : "")",
                        "\(PageText.count(bucket.lastRevision))",
                        trouble.map { "\(seen), now: \($0)" } ?? seen,
                    ]
                },
                wide: 8
            )
        )
    }

    private static func limit(_ bucket: BucketView) -> HTML {
        " <span class=\"muted\">of \(PageText.bytes(UInt64(max(0, bucket.maximumBytes))))</span>"
    }

    /// The archives and what they hold.
    static func archives(_ view: DaemonView) -> HTML {
        section(
            "archives",
            "Archives",
            table(
                "Archives",
                ["Archive", "Path", "Size", "Consistent at"],
                view.archives.map { archive in
                    let points: [HTML] = archive.buckets.map { content in
                        let revision =
                            content.consistentRevision.map { "revision \(PageText.count($0))" } ?? "nothing yet"
                        let time: HTML? = content.consistentTime.map {
                            ", <span class=\"muted\">\(TimeText.relative($0, to: view.now))</span>"
                        }
                        return "<li>\(content.cluster)/\(content.bucket): \(revision)\(time)</li>"
                    }
                    let held: HTML = points.isEmpty ? "nothing yet" : "<ul class=\"plain\">\(points)</ul>"
                    return [
                        "<b>\(archive.name)</b>", "<code>\(archive.path)</code>", "\(PageText.bytes(archive.bytes))",
                        archive.error.map { "<span class=\"failed-text\">\($0)</span>" } ?? held,
                    ]
                },
                wide: 3
            )
        )
    }

    /// The daemons that share the leases.
    static func daemons(_ view: DaemonView) -> HTML {
        section(
            "daemons",
            "Daemons",
            table(
                "Daemons",
                ["Daemon", "Holds", "Seen"],
                view.daemons.map { peer in
                    [
                        "<b>\(peer.name)</b>\(peer.isSelf ? " (this one)" : "")",
                        "\(peer.jobs.isEmpty ? "no jobs" : peer.jobs.joined(separator: ", "))",
                        "\(peer.seen.map { TimeText.relative($0, to: view.now) } ?? "–")",
                    ]
                },
                wide: 1
            )
        )
    }

    private static func section(_ id: String, _ title: String, _ content: HTML) -> HTML {
        """
        <section aria-labelledby="\(id)-title"><h2 id="\(id)-title">\(title)</h2>
        \(content)</section>
        """
    }

    /// A table; the texts of the column `wide` may be long: they break, and get a line of their own on a narrow screen.
    private static func table(_ name: String, _ columns: [String], _ rows: [[HTML]], wide: Int? = nil) -> HTML {
        let head = columns.map { "<th role=\"columnheader\" scope=\"col\">\($0)</th>" as HTML }
        let body = rows.map { cells -> HTML in
            let cells = zip(columns, cells).enumerated().map { position, cell -> HTML in
                let look = position == wide ? " class=\"wide\"" : position == 0 ? " class=\"name\"" : ""
                let open: HTML = "<td role=\"cell\"\(HTML(stringLiteral: look)) data-label=\"\(cell.0)\">"
                return "\(open)\(cell.1)</td>"
            }
            return "<tr role=\"row\">\(cells)</tr>\n"
        }
        return """
            <table role="table" aria-label="\(name)"><thead role="rowgroup"><tr role="row">\(head)</tr></thead>
            <tbody role="rowgroup">\(body)</tbody></table>
            """
    }
}
