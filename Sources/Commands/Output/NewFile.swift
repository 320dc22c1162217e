import Foundation

/// A file that appears under its name only when it is whole: until then it is `NAME.part`.
final class NewFile {
    private let path: String
    private let partial: String
    private let descriptor: Int32
    private let stream: ResultStream
    private var isFinished = false

    /// Begins a file; throws if one of the name exists.
    init(path: String) throws {
        self.path = path
        partial = path + ".part"
        guard access(path, F_OK) != 0 else {
            throw CommandError(.outputExists, text: "\(path) exists already", hint: "choose another name, or remove it")
        }
        descriptor = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            throw CommandError(
                .outputFailed,
                text: "\(partial) cannot be written: \(String(cString: strerror(errno)))",
                hint: "check the folder and its permissions"
            )
        }
        stream = ResultStream(descriptor: descriptor, name: partial)
    }

    deinit {
        if !isFinished {
            close(descriptor)
            unlink(partial)
        }
    }

    /// Writes bytes, now or with what follows.
    func write(_ bytes: some Collection<UInt8>) throws {
        try stream.write(bytes)
    }

    /// Brings everything to the disk and gives the file its name.
    func finish() throws {
        try stream.flush()
        guard fsync(descriptor) == 0, link(partial, path) == 0 else {
            let reason = errno
            if reason == EEXIST { throw CommandError(.outputExists, text: "\(path) exists already") }
            throw CommandError(.outputFailed, text: "\(path) cannot be written: \(String(cString: strerror(reason)))")
        }
        unlink(partial)
        close(descriptor)
        isFinished = true
    }
}
