import Foundation

extension Console {
    /// Asks for a line that is not shown while it is typed.
    ///
    /// The terminal is as before afterwards, also after Ctrl-C, which is passed on as the signal that it is.
    func askSecret(_ question: String) throws -> [UInt8] {
        try flush()
        progress.clear()
        var before = termios()
        guard tcgetattr(STDIN_FILENO, &before) == 0 else {
            throw CommandError(.inputFailed, text: "the terminal cannot be asked: \(String(cString: strerror(errno)))")
        }
        var silent = before
        // Signals are off as well: one that ends the program would leave the terminal silent.
        silent.c_lflag &= ~tcflag_t(ECHO | ICANON | ISIG)
        say(question)
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent)
        defer { tcsetattr(STDIN_FILENO, TCSAFLUSH, &before) }
        var typed: [UInt8] = []
        var byte: UInt8 = 0
        while Foundation.read(STDIN_FILENO, &byte, 1) == 1 {
            switch byte {
            case 10, 13, 4: return typed
            case 3:
                tcsetattr(STDIN_FILENO, TCSAFLUSH, &before)
                kill(getpid(), SIGINT)
                throw CancellationError()
            case 21: typed = []
            case 8, 127: Self.removeLastCharacter(&typed)
            default: typed.append(byte)
            }
        }
        return typed
    }

    /// Takes away the last character, of as many bytes as UTF-8 gives it.
    private static func removeLastCharacter(_ text: inout [UInt8]) {
        while let last = text.popLast(), last & 0xc0 == 0x80 {}
    }
}
