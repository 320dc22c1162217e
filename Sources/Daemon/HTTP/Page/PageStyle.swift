/// The look of the pages: calm, dense, readable in light and dark, from 320 pixels up.
enum PageStyle {
    /// The style sheet; it asks for nothing from elsewhere.
    static let text = colours + frame + jobs + tables

    private static let colours = """

        :root { color-scheme: light dark; --bg: #f4f6f8; --card: #fff; --text: #1b2430; --muted: #566273; \
        --line: #dfe4ea; --strong-line: #7d8a9a; --accent: #1d5fae; --accent-soft: #e8f0fa; --red: #b0231a; \
        --red-soft: #fdeceb; --green: #1a6b3a; --green-soft: #e5f4ea; --amber: #855000; --amber-soft: #fdf2da; \
        --grey-soft: #edf0f3; }
        @media (prefers-color-scheme: dark) { :root { --bg: #10151b; --card: #19202a; --text: #e4e9f0; \
        --muted: #9ca9b9; --line: #2a3441; --strong-line: #64748a; --accent: #8bbcff; --accent-soft: #18283e; \
        --red: #ff9d94; --red-soft: #3a1f1e; --green: #7fd8a0; --green-soft: #16301f; --amber: #f0c070; \
        --amber-soft: #33280f; --grey-soft: #242d38; } }
        *, *::before, *::after { box-sizing: border-box; }
        """

    private static let frame = """

        body { margin: 0; background: var(--bg); color: var(--text); overflow-wrap: anywhere; \
        font: 14px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
        h1, h2, h3, p, ul, dl, dd, figure { margin: 0; padding: 0; }
        h1 { font-size: 22px; font-weight: 650; } h2 { font-size: 15px; font-weight: 650; margin: 24px 0 8px; }
        a { color: var(--accent); text-underline-offset: 2px; }
        :focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 3px; }
        main:focus-visible { outline: none; }
        code { font: 12.5px/1.4 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
        b, .chart b { font-weight: 600; } .muted, .at { color: var(--muted); } time .at { white-space: nowrap; }
        .bar { max-width: 1120px; margin: 0 auto; padding: 0 16px; }
        .skip { position: absolute; left: 8px; top: -60px; background: var(--card); padding: 8px 12px; z-index: 3; }
        .skip:focus { top: 8px; }
        .top { background: var(--card); border-bottom: 1px solid var(--line); }
        .top .bar { display: flex; flex-wrap: wrap; gap: 4px 14px; align-items: center; min-height: 48px; }
        .home { display: inline-flex; gap: 8px; align-items: center; color: inherit; font-weight: 650; \
        font-size: 16px; text-decoration: none; min-height: 32px; }
        .home svg { width: 20px; height: 20px; fill: none; stroke: var(--accent); stroke-width: 1.6; }
        .daemon { color: var(--muted); } .daemon::before { content: "/"; margin-right: 12px; color: var(--strong-line); }
        #connection { margin-left: auto; color: var(--muted); }
        #connection.lost { background: var(--amber-soft); color: var(--amber); padding: 4px 10px; border-radius: 4px; }
        body.lost main { opacity: .55; }
        #news { position: fixed; left: 50%; bottom: 16px; transform: translateX(-50%); z-index: 2; width: max-content; \
        max-width: calc(100vw - 32px); background: var(--text); color: var(--bg); padding: 8px 14px; border-radius: 6px; }
        #news:empty { display: none; } #news.bad { background: var(--red); color: var(--card); }
        footer.bar { display: flex; flex-wrap: wrap; gap: 8px 24px; margin-top: 32px; padding-top: 12px; \
        padding-bottom: 24px; border-top: 1px solid var(--line); color: var(--muted); }
        footer nav a { margin-right: 14px; display: inline-block; padding: 4px 0; }
        button { font: inherit; font-weight: 550; color: var(--text); background: var(--card); \
        border: 1px solid var(--strong-line); border-radius: 5px; padding: 4px 12px; min-height: 32px; cursor: pointer; }
        button:hover { background: var(--accent-soft); border-color: var(--accent); }
        button[aria-busy="true"] { opacity: .6; cursor: progress; }
        button.quiet { border-color: transparent; color: var(--muted); }
        .narrow { max-width: 460px; padding-top: 32px; } .sign-in { display: grid; gap: 8px; margin-top: 16px; }
        .sign-in button { justify-self: start; }
        input { font: inherit; color: inherit; background: var(--card); border: 1px solid var(--strong-line); \
        border-radius: 5px; padding: 6px 10px; min-height: 36px; width: 100%; }
        .icon { width: 14px; height: 14px; vertical-align: -2px; margin-right: 5px; flex: none; }
        .icon.drawn { fill: none; stroke: currentColor; stroke-width: 2; stroke-linecap: round; \
        stroke-linejoin: round; }
        .icon.filled { fill: currentColor; }
        .error { background: var(--red-soft); color: var(--red); padding: 6px 10px; border-radius: 5px; margin: 0; }
        .failed-text { color: var(--red); }
        """

    private static let jobs = """

        .headline { display: grid; gap: 4px 20px; grid-template-columns: auto 1fr; align-items: baseline; \
        margin: 20px 0 4px; }
        .headline h1 .icon { width: 20px; height: 20px; } .headline.well h1 .icon { color: var(--green); }
        .headline.ill h1 { color: var(--red); } .headline > p { grid-column: 1 / -1; }
        .counts { display: flex; flex-wrap: wrap; gap: 4px 16px; list-style: none; color: var(--muted); }
        .counts .ok { color: var(--green); } .counts .running { color: var(--accent); }
        .counts .waiting { color: var(--amber); }
        .back { margin-top: 16px; } .quiet-title { margin: 4px 0 8px; }
        .jobs { display: grid; gap: 8px; }
        .job { --tone: var(--strong-line); background: var(--card); border: 1px solid var(--line); \
        border-left: 4px solid var(--tone); border-radius: 6px; padding: 10px 14px 12px; display: grid; \
        gap: 8px 24px; grid-template-columns: minmax(0, 1fr) minmax(0, 300px); align-items: start; }
        .job.ok { --tone: var(--green); } .job.running { --tone: var(--accent); } .job.waiting { --tone: var(--amber); }
        .job.needs-attention { --tone: var(--red); }
        .who h3 { display: inline; font-size: 15px; font-weight: 650; } .who h3 a { color: inherit; }
        .kind { color: var(--muted); margin-left: 4px; } .what { color: var(--muted); margin-top: 1px; }
        .badge { display: inline-flex; align-items: center; border-radius: 4px; padding: 1px 8px 1px 6px; \
        margin-right: 4px; font-size: 12.5px; font-weight: 600; background: var(--grey-soft); color: var(--muted); }
        .badge .icon { width: 12px; height: 12px; }
        .badge.failing { background: var(--red-soft); color: var(--red); }
        .badge.ok { background: var(--green-soft); color: var(--green); }
        .badge.running { background: var(--accent-soft); color: var(--accent); }
        .badge.waiting { background: var(--amber-soft); color: var(--amber); }
        .actions { display: flex; gap: 8px; justify-content: flex-end; grid-column: 2; grid-row: 1; }
        .job > .error, .job > .progress, .runs[open] { grid-column: 1 / -1; }
        .pulse { display: inline-block; width: 8px; height: 8px; border-radius: 50%; background: var(--accent); \
        margin-right: 8px; animation: pulse 1.6s ease-in-out infinite; }
        @keyframes pulse { 50% { opacity: .25; } }
        @media (prefers-reduced-motion: reduce) { .pulse { animation: none; } }
        .facts { display: grid; gap: 8px 16px; grid-template-columns: repeat(auto-fit, minmax(145px, 1fr)); }
        dt { color: var(--muted); font-size: 12.5px; } .facts .at { display: block; font-size: 12.5px; }
        .outcome { white-space: nowrap; font-weight: 600; } .outcome.succeeded { color: var(--green); }
        .outcome.failed { color: var(--red); } .outcome.running { color: var(--accent); }
        .outcome.different, .outcome.stopped { color: var(--amber); }
        .graphs { display: grid; gap: 8px; grid-row: span 2; } .graphs:empty { display: none; }
        figcaption { display: flex; flex-wrap: wrap; gap: 0 8px; font-size: 12.5px; }
        figcaption span { color: var(--muted); } .most { margin-left: auto; }
        .chart svg { display: block; width: 100%; height: 36px; border-bottom: 1px solid var(--line); }
        .strip svg { display: block; width: 100%; height: 22px; margin-top: 2px; }
        .chart .area { fill: var(--accent); opacity: .14; }
        .chart .line { fill: none; stroke: var(--accent); stroke-width: 1.5; vector-effect: non-scaling-stroke; \
        stroke-linejoin: round; }
        rect { fill: var(--strong-line); } rect.succeeded { fill: var(--green); } rect.failed { fill: var(--red); }
        rect.different, rect.stopped { fill: var(--amber); }
        summary { cursor: pointer; color: var(--accent); width: fit-content; padding: 2px 0; }
        .runs[open] summary { margin-bottom: 6px; } .runs p { margin-top: 8px; }
        @media (max-width: 760px) { .job { grid-template-columns: minmax(0, 1fr); } \
        .actions { grid-column: 1; grid-row: auto; justify-content: flex-start; } .graphs { grid-row: auto; } \
        .job { padding: 10px 12px 12px; } .facts { grid-template-columns: 1fr 1fr; gap: 8px 12px; } \
        .facts .at { white-space: normal; font-size: 12px; } \
        .headline { grid-template-columns: 1fr; } }
        @media (max-width: 760px), (pointer: coarse) { button { min-height: 40px; padding: 6px 16px; } \
        summary { padding: 8px 0; } footer nav a { padding: 10px 0; } }
        """

    private static let tables = """

        table { width: 100%; border-collapse: collapse; background: var(--card); border: 1px solid var(--line); \
        border-radius: 6px; }
        th { text-align: left; font-weight: 550; color: var(--muted); font-size: 12.5px; white-space: nowrap; }
        th, td { padding: 6px 10px; border-bottom: 1px solid var(--line); vertical-align: top; }
        tbody tr:last-child td { border-bottom: 0; } td { font-variant-numeric: tabular-nums; }
        td { white-space: nowrap; } td.wide { white-space: normal; } td code { overflow-wrap: anywhere; }
        td time .at { display: block; font-size: 12.5px; } .plain { list-style: none; }
        .job table { border: 0; } .job th, .job td { padding: 4px 10px 4px 0; }
        @media (max-width: 1000px) {
        table, tbody, tr, td { display: block; }
        thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
        tr { display: grid; grid-template-columns: 1fr 1fr; gap: 4px 16px; padding: 10px 14px; \
        border-bottom: 1px solid var(--line); } tbody tr:last-child { border-bottom: 0; }
        td, .job td { padding: 0; border: 0; white-space: normal; } td.wide, td.name { grid-column: 1 / -1; }
        td:not(:first-child)::before { content: attr(data-label); display: block; color: var(--muted); font-size: 12.5px; }
        .job tr { padding: 10px 0; }
        }

        """
}
