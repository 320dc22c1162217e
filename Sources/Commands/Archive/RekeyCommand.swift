import Archive
import ArgumentParser
import KVModel

/// `cistern rekey`: other keys for an encrypted archive, or encryption for a plain one.
struct RekeyCommand: CisternCommand {
    static let configuration = CommandConfiguration(
        commandName: "rekey",
        abstract: "Change the key of an encrypted archive, or encrypt a plain one.",
        discussion: """
            Entries are encrypted with a random data key; your key file or passphrase only wraps that. A new key file \
            or passphrase is therefore a matter of a moment. Copies of the archive made before still open with the \
            old one: if that is lost to others, give --data-key as well, which encrypts every entry anew.

            --encrypt makes an encrypted archive of a plain one, with the key of --key-file or --passphrase-file, and \
            leaves nothing readable in the file. It and --data-key write the file anew, which takes free room of \
            twice its size. Stopped or killed, they go on when the same command is run again; until then the archive \
            can be used as ever.

            Examples:
              cistern rekey o.cistern --key-file old.key --new-key-file new.key
              cistern rekey o.cistern --key-file old.key --new-key-file new.key --data-key
              cistern rekey plain.cistern --encrypt --key-file archive.key
            """
    )
    static let stopsAtCheckpoint = true

    @Argument(help: "The archive.", completion: .file(extensions: ["cistern"]))
    var file: String

    @Option(help: "The key file that shall open the archive from now on.", completion: .file())
    var newKeyFile: String?

    @Option(help: "A file with the passphrase that shall open the archive from now on.", completion: .file())
    var newPassphraseFile: String?

    @Flag(help: "Encrypt everything with a new data key.")
    var dataKey = false

    @Flag(help: "Encrypt an archive that is not encrypted.")
    var encrypt = false

    @OptionGroup(title: "Encryption")
    var keys: KeyOptions

    @OptionGroup(title: "Output")
    var output: OutputOptions

    func validate() throws {
        let names = newKeyFile != nil || newPassphraseFile != nil
        guard newKeyFile == nil || newPassphraseFile == nil else {
            throw ValidationError("Give --new-key-file or --new-passphrase-file, not both.")
        }
        guard !encrypt || !names && !dataKey else {
            throw ValidationError("--encrypt takes its key from --key-file or --passphrase-file, and nothing else.")
        }
    }

    func perform(_ console: Console) async throws -> RunStatus {
        let encryption = try ArchiveReader.open(path: file).encryption()
        guard encryption != nil || encrypt else { throw ArchiveError(.notEncrypted, path: file) }
        var document = RekeyDocument(archive: file)
        if encrypt, encryption?.isComplete == true {
            // With this key, or it is said that it is not.
            _ = try keys.reader(file, console)
            console.note("\(file) is encrypted already")
        } else {
            document = try change(isPlain: encryption == nil, console)
        }
        if console.isJSON {
            try console.document(document)
        } else {
            try console.report(document.lines)
        }
        return .done
    }

    private func change(isPlain: Bool, _ console: Console) throws -> RekeyDocument {
        var document = RekeyDocument(archive: file)
        // Asked for before anything is locked.
        let old = try isPlain ? keys.newKey(file, console) : keys.key(of: file, console)
        var new = try KeyOptions.key(file: newKeyFile, passphraseFile: newPassphraseFile, console)
        if new == nil, !dataKey, !encrypt { new = try KeyOptions.askNew(file, console) }
        let (writer, isChanged) = try open(old, new)
        defer { console.progress.clear() }
        do {
            let run = try writer.beginRun(kind: "rekey", at: .wallClock())
            do {
                if let new {
                    if !isChanged { try writer.changeKey(to: new) }
                    document.keyChanged = true
                }
                if dataKey || encrypt {
                    document.segments = try reencrypt(writer, console)
                    document.dataKeyChanged = true
                }
                try writer.finishRun(run, outcome: .succeeded, at: .wallClock())
            } catch {
                let outcome = error is CancellationError ? ArchiveRun.Outcome.stopped : .failed
                try writer.finishRun(run, outcome: outcome, error: String(describing: error), at: .wallClock())
                throw error
            }
        } catch {
            try writer.close()
            throw error
        }
        try writer.close()
        return document
    }

    /// Opens the archive with its key, or with the new one if a run that was interrupted had come so far.
    private func open(_ old: ArchiveKey?, _ new: ArchiveKey?) throws -> (writer: ArchiveWriter, isChanged: Bool) {
        do {
            return (try ArchiveWriter.open(path: file, key: old, encrypts: encrypt), false)
        } catch let error as ArchiveError {
            guard case .wrongKey = error.code, let new else { throw error }
            do {
                return (try ArchiveWriter.open(path: file, key: new), true)
            } catch let other as ArchiveError {
                guard case .wrongKey = other.code else { throw other }
                throw error
            }
        }
    }

    private func reencrypt(_ writer: ArchiveWriter, _ console: Console) throws -> Int {
        var segments = 0
        console.progress.restart()
        try writer.reencrypt { state in
            try Task.checkCancellation()
            segments = state.ofSegments
            console.progress.update(
                ProgressText(
                    activity: "encrypting",
                    entries: UInt64(clamping: state.entries),
                    total: UInt64(clamping: state.ofEntries)
                )
            )
        }
        return segments
    }
}

/// A change of keys in `--json` output.
struct RekeyDocument: Encodable, Sendable {
    var archive: String
    var keyChanged = false
    var dataKeyChanged = false
    var segments: Int?

    /// The same for people.
    var lines: [String] {
        let name = archive.escapedForTerminal
        var lines: [String] = []
        if keyChanged { lines.append("\(name): opens with the new key, and no more with the old one") }
        if dataKeyChanged {
            lines.append("\(name): \(NumberText.count(segments ?? 0, "segment")) encrypted with a new data key")
        }
        return lines
    }
}
