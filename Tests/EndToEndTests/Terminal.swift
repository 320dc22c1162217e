import Foundation
import TestSupport

/// The built binary on a terminal, with somebody who answers its questions.
enum Terminal {
    /// An answer, and the text that it waits for.
    struct Answer: Encodable {
        var after: String
        var text: String

        /// A line that is typed once the text is on the terminal.
        init(after: String, _ text: String) {
            self.after = after
            self.text = text + "\n"
        }
    }

    private struct Plan: Encodable {
        var command: [String]
        var answers: [Answer]
    }

    /// Runs the command; its output is all that stood on the terminal, with plain line ends and without colours.
    static func run(_ arguments: [String], answers: [Answer] = []) async throws -> CisternProcess.Result {
        let plan = try JSONEncoder().encode(Plan(command: [CisternProcess.binary] + arguments, answers: answers))
        return try await CisternProcess.run(
            ["python3", "-c", script, String(decoding: plan, as: UTF8.self)],
            environment: ["NO_COLOR": "1"],
            timeout: .seconds(60),
            binary: "/usr/bin/env"
        )
    }

    private static let script = """
        import json, os, pty, sys
        plan = json.loads(sys.argv[1])
        pid, terminal = pty.fork()
        if pid == 0:
            os.execv(plan["command"][0], plan["command"])
        said, mark, answers = b"", 0, plan["answers"]
        while True:
            try:
                part = os.read(terminal, 65536)
            except OSError:
                break
            if not part:
                break
            said += part
            while answers and answers[0]["after"].encode() in said[mark:]:
                mark = len(said)
                os.write(terminal, answers.pop(0)["text"].encode())
        sys.stdout.buffer.write(said.replace(b"\\r\\n", b"\\n"))
        sys.stdout.flush()
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        sys.exit(code if code >= 0 else 128 - code)
        """
}
