import Foundation
import Synchronization

/// Standard error: messages, logs, and below them the progress line, which never mix.
final class ErrorStream: Sendable {
    /// Whether a progress line is shown at all.
    let showsProgress: Bool
    /// How many columns the terminal has.
    let width: Int
    private let progress = Mutex<String?>(nil)

    /// Standard error, with or without a progress line.
    init(showsProgress: Bool, width: Int) {
        self.showsProgress = showsProgress
        self.width = width
    }

    /// Writes a line above the progress line.
    func writeLine(_ text: String) {
        progress.withLock { shown in
            let clearing = shown == nil ? "" : Self.clearLine
            Self.write(clearing + text + "\n" + (shown ?? ""))
        }
    }

    /// Replaces the progress line; nil takes it away.
    func showProgress(_ line: String?) {
        progress.withLock { shown in
            guard line != nil || shown != nil else { return }
            Self.write(Self.clearLine + (line ?? ""))
            shown = line
        }
    }

    private static let clearLine = "\r\u{1B}[K"

    /// What cannot be written here is lost: there is nowhere left to say so.
    private static func write(_ text: String) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Foundation.write(STDERR_FILENO, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return }
            bytes = bytes.dropFirst(count)
        }
    }
}
