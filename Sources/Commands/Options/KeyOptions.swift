import Archive
import ArgumentParser
import Foundation

/// What opens an encrypted archive; the same for every command that reads or writes entries.
///
/// The one place where commands open archives. A passphrase never stands on the command line, where other users see it.
struct KeyOptions: ParsableArguments, Sendable {
    @Option(help: "The key file of an encrypted archive (CISTERN_KEY_FILE).", completion: .file())
    var keyFile: String?

    @Option(
        help: ArgumentHelp(
            "A file with the passphrase of an encrypted archive (CISTERN_PASSPHRASE_FILE, or CISTERN_PASSPHRASE).",
            discussion: "On a terminal the passphrase is asked for."
        ),
        completion: .file()
    )
    var passphraseFile: String?

    func validate() throws {
        guard keyFile == nil || passphraseFile == nil else {
            throw ValidationError("Give --key-file or --passphrase-file, not both.")
        }
    }

    /// Opens an archive for reading, with its key if there is one.
    ///
    /// Without one, what asks for keys or values fails with a hint.
    func reader(_ path: String, _ console: Console) throws -> ArchiveReader {
        if let key = try given(console) { return try ArchiveReader.open(path: path, key: key) }
        let reader = try ArchiveReader.open(path: path)
        guard try reader.encryption()?.kind == .passphrase, console.canAsk else { return reader }
        let passphrase = try console.askSecret("Passphrase of \(path):")
        // Who types nothing wants to see what can be seen without it.
        guard !passphrase.isEmpty else { return reader }
        try reader.close()
        return try ArchiveReader.open(path: path, key: ArchiveKey(passphrase: passphrase))
    }

    /// Opens an archive that exists for writing.
    func writer(_ path: String, _ console: Console) throws -> ArchiveWriter {
        try ArchiveWriter.open(path: path, key: try key(of: path, console))
    }

    /// The key of an archive that exists; nil if none is given and none can be asked for.
    func key(of path: String, _ console: Console) throws -> ArchiveKey? {
        if let key = try given(console) { return key }
        guard try ArchiveReader.open(path: path).encryption()?.kind == .passphrase, console.canAsk else { return nil }
        return try ArchiveKey(passphrase: try console.askSecret("Passphrase of \(path):"))
    }

    /// The key for an archive that is to be encrypted.
    func newKey(_ path: String, _ console: Console) throws -> ArchiveKey {
        if let key = try given(console) { return key }
        return try Self.askNew(path, console)
    }

    /// Asks twice for a passphrase.
    static func askNew(_ path: String, _ console: Console) throws -> ArchiveKey {
        guard console.canAsk else {
            throw CommandError(
                .usage,
                text: "no key is given for \(path), and there is no terminal to ask for a passphrase on",
                hint: "give --key-file or --passphrase-file; `cistern keygen FILE` makes a key file"
            )
        }
        let passphrase = try console.askSecret("New passphrase of \(path):")
        guard try console.askSecret("The same again:") == passphrase else {
            throw CommandError(.usage, text: "the two passphrases differ", hint: "try again")
        }
        return try ArchiveKey(passphrase: passphrase)
    }

    /// The key that options or variables name; options count more.
    func given(_ console: Console) throws -> ArchiveKey? {
        if let key = try Self.key(file: keyFile, passphraseFile: passphraseFile, console) { return key }
        func variable(_ name: String) -> String? {
            console.environment[name].flatMap { $0.isEmpty ? nil : $0 }
        }
        let (file, passphraseFile) = (variable("CISTERN_KEY_FILE"), variable("CISTERN_PASSPHRASE_FILE"))
        let passphrase = variable("CISTERN_PASSPHRASE")
        let named = [file, passphraseFile, passphrase].count { $0 != nil }
        guard named <= 1 else {
            throw CommandError(
                .usage,
                text: "more than one of CISTERN_KEY_FILE, CISTERN_PASSPHRASE_FILE and CISTERN_PASSPHRASE is set",
                hint: "set the one that is meant, or give --key-file or --passphrase-file"
            )
        }
        if let passphrase { return try ArchiveKey(passphrase: Array(passphrase.utf8)) }
        return try Self.key(file: file, passphraseFile: passphraseFile, console)
    }

    /// The key in one of two files; nil if neither is named.
    static func key(file: String?, passphraseFile: String?, _ console: Console) throws -> ArchiveKey? {
        if let file {
            let content = try read(file, "key file", console)
            do {
                return try ArchiveKey(keyFile: content)
            } catch {
                throw CommandError(.usage, text: "\(file) is no key file", hint: error.hint)
            }
        }
        guard let passphraseFile else { return nil }
        var passphrase = try read(passphraseFile, "passphrase file", console)
        // The end of the line is the editor's, not the passphrase's.
        if passphrase.last == 10 { passphrase.removeLast() }
        if passphrase.last == 13 { passphrase.removeLast() }
        guard !passphrase.isEmpty else { throw CommandError(.usage, text: "\(passphraseFile) is empty") }
        return try ArchiveKey(passphrase: passphrase)
    }

    private static func read(_ path: String, _ what: String, _ console: Console) throws -> [UInt8] {
        guard let file = FileHandle(forReadingAtPath: path) else {
            let reason = String(cString: strerror(errno))
            throw CommandError(.usage, text: "the \(what) \(path) cannot be read: \(reason)")
        }
        var state = stat()
        if fstat(file.fileDescriptor, &state) == 0, state.st_mode & S_IFMT == S_IFREG, state.st_mode & 0o077 != 0 {
            console.warn("other users can read or change the \(what) \(path.escapedForTerminal): chmod 600 it")
        }
        let limit = 1 << 16
        guard let content = try file.read(upToCount: limit), content.count < limit else {
            throw CommandError(.usage, text: "the \(what) \(path) is empty, or far too long")
        }
        return Array(content)
    }
}
