import HTTPTypes

/// The small pages: the sign-in, and what a form's sender is told when it did not go well.
enum MessagePage {
    /// The sign-in form.
    static func signIn(wasWrong: Bool) -> HTML {
        PageFrame(title: "Sign in – cistern").page(
            """
            <main id="main" class="bar narrow" tabindex="-1">
            <h1>Sign in</h1>
            \(wasWrong ? "<p class=\"error\" role=\"alert\">That is not the token.</p>" as HTML : nil)
            <form class="sign-in" method="post" action="/login">
            <label for="token">The token of this daemon</label>
            <input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
            <button type="submit">Sign in</button>
            <p class="muted">It stands at <code>daemon.http.token</code> in the configuration file.</p>
            </form>
            </main>
            """
        )
    }

    /// What did not go well, and what to do about it.
    static func failure(_ error: FaceError) -> HTML {
        PageFrame(title: "\(error.status.code) – cistern").page(
            """
            <main id="main" class="bar narrow" tabindex="-1">
            <h1>\(error.status.reasonPhrase)</h1>
            <p class="error" role="alert">\(error.text)\(error.hint.map { "; \($0)" as HTML })</p>
            <p><a href="/">To the status page</a></p>
            </main>
            """
        )
    }
}
