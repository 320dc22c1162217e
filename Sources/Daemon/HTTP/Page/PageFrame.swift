import Crypto
import Foundation

/// What stands round every page: the head with its style and script, the way past the header, the places of messages.
struct PageFrame {
    /// What the browser's tab says.
    var title: String
    /// The daemon's name; nil before the sign-in.
    var daemon: String?
    /// Whether the page renews itself.
    var isLive = false
    /// Whether there is a session that can be ended.
    var canSignOut = false

    /// Nothing may be loaded or run but the style and the script that stand in the page, known by their digests.
    static let contentSecurityPolicy = """
        default-src 'none'; script-src '\(digest(PageScript.text))'; style-src '\(digest(PageStyle.text))'; \
        img-src data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'
        """

    private static func digest(_ text: String) -> String {
        "sha256-" + Data(SHA256.hash(data: Data(text.utf8))).base64EncodedString()
    }

    /// The whole page round its main part.
    func page(_ main: HTML) -> HTML {
        """
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <title>\(title)</title>
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <meta name="referrer" content="same-origin">
        <meta name="robots" content="noindex">
        <link rel="icon" href="\(Self.icon)">
        <style>\(HTML(stringLiteral: PageStyle.text))</style>
        </head>
        <body>
        <a class="skip" href="#main">Skip to content</a>
        <header class="top"><div class="bar">
        <a class="home" href="/"><svg viewBox="0 0 20 20" aria-hidden="true" focusable="false">\
        <path d="M3 4c0-3 14-3 14 0v12c0 3-14 3-14 0zM3 4c0 3 14 3 14 0M3 10c2.5 2 4.5-1.5 7 0s4.5 1.5 7 0"/></svg>\
        cistern</a>
        \(daemon.map { "<span class=\"daemon\">\($0)</span>" as HTML })
        <p id="connection" role="status" aria-live="polite"></p>
        \(canSignOut ? Self.signOut : nil)
        </div></header>
        \(main)
        <p id="news" role="status" aria-live="polite"></p>
        <footer class="bar"><nav aria-label="For programs">\
        <a href="/api/v1/status">API</a> <a href="/api/v1/openapi.json">OpenAPI</a> <a href="/metrics">Metrics</a> \
        <a href="/readyz">Readiness</a></nav>\
        <noscript><p>Without JavaScript this page does not renew itself: load it again for news.</p></noscript></footer>
        \(isLive ? "<script>\(HTML(stringLiteral: PageScript.text))</script>" as HTML : nil)
        </body>
        </html>

        """
    }

    private static let signOut: HTML = """
        <form method="post" action="/logout"><button class="quiet" type="submit">Sign out</button></form>
        """

    private static let icon = """
        data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 20 20' fill='none' \
        stroke='%232b6cb0' stroke-width='1.8'%3E%3Cpath d='M3 4c0-3 14-3 14 0v12c0 3-14 3-14 0zM3 4c0 3 14 3 14 0'/%3E\
        %3C/svg%3E
        """
}
