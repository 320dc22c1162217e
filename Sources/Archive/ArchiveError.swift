/// What went wrong with an archive, where, why, and what to do about it.
public struct ArchiveError: Error, Sendable, CustomStringConvertible {
    /// The kind of failure, for those who decide by it (exit codes, retries).
    public enum Code: Sendable, Equatable {
        /// There is no file at the path.
        case notFound
        /// Something exists that must not.
        case exists
        /// The file is something else: not SQLite, or another program's database.
        case notAnArchive
        /// A newer cistern made the archive, in this format version.
        case newerFormat(Int)
        /// The file is damaged; the text says what was found.
        case corrupt(String)
        /// Another writer holds the archive; the text says which.
        case locked(String)
        /// A higher fencing token of the writer's scope was recorded; the text says which scope and tokens.
        case fencedOff(String)
        /// The disk or the quota is full.
        case full
        /// The file or its directory cannot be written.
        case readOnly
        /// The operating system or SQLite failed in another way.
        case io(String)
        /// The archive holds no such incarnation.
        case noSuchIncarnation(String)
        /// The archive does not hold the point asked for; the text says what it holds.
        case noSuchPoint(String)
        /// Segments that do not follow what the archive holds; the text says how.
        case chainBroken(String)
        /// An entry, a segment or a checkpoint that the archive cannot take; the text says why.
        case invalid(String)
        /// The archive is encrypted, and no key was given.
        case encrypted(ArchiveKey.Kind)
        /// A key was given for writing, and the archive is not encrypted.
        case notEncrypted
        /// The key is not the archive's; the text says how.
        case wrongKey(String)
        /// What was given is no key at all; the text says why.
        case invalidKey(String)
        /// A line of an export that cannot be imported; the text says why.
        case malformedInput(line: Int, String)
    }

    /// The kind of failure.
    public let code: Code
    /// The archive's path, if one is concerned.
    public var path: String?
    /// What to do about it.
    public var hint: String?
    /// The error behind this one.
    public let cause: (any Error)?

    /// A failure of this kind; without a hint, the one that fits the kind.
    public init(_ code: Code, path: String? = nil, hint: String? = nil, cause: (any Error)? = nil) {
        self.code = code
        self.path = path
        self.hint = hint ?? Self.usualHint(code)
        self.cause = cause
    }

    /// One or two sentences: what failed on which file, why, and what to do.
    public var description: String {
        let subject = path.map { "archive \($0)" } ?? "the archive"
        let text =
            switch code {
            case .notFound: "\(subject) does not exist"
            case .exists: "\(subject) exists already"
            case .notAnArchive: "\(path ?? "the file") is not a cistern archive"
            case .newerFormat(let version): "\(subject) was made by a newer cistern (format \(version))"
            case .corrupt(let detail): "\(subject) is damaged: \(detail)"
            case .locked(let holder): "\(subject) is being written by another run: \(holder)"
            case .fencedOff(let detail):
                "\(subject) takes no more of this run, another daemon took the job over: \(detail)"
            case .full: "\(subject) cannot grow: the disk is full"
            case .readOnly: "\(subject) cannot be written: the file or its directory is read-only"
            case .io(let detail): "\(subject) cannot be used: \(detail)"
            case .noSuchIncarnation(let detail): "\(subject) holds no \(detail)"
            case .noSuchPoint(let detail): "\(subject) does not hold that point: \(detail)"
            case .chainBroken(let detail): "\(subject) cannot take these segments: \(detail)"
            case .invalid(let detail): "\(subject) cannot take this: \(detail)"
            case .encrypted(let kind): "\(subject) is encrypted and opens with a \(kind)"
            case .notEncrypted: "\(subject) is not encrypted, but a key was given for it"
            case .wrongKey(let detail): "\(subject) does not open with this key: \(detail)"
            case .invalidKey(let detail):
                path == nil ? "no usable key: \(detail)" : "\(subject): no usable key: \(detail)"
            case .malformedInput(let line, let detail): "\(path.map { "\($0), " } ?? "")line \(line): \(detail)"
            }
        guard let hint else { return text }
        return "\(text); \(hint)"
    }

    /// The same error, naming the archive it concerns.
    func naming(_ path: String) -> ArchiveError {
        var copy = self
        copy.path = self.path ?? path
        return copy
    }

    private static func usualHint(_ code: Code) -> String? {
        switch code {
        case .notFound: "check the path"
        case .exists: "choose another name"
        case .notAnArchive: "check the path; archives end in .cistern"
        case .newerFormat(let version): "use a cistern that knows format \(version)"
        case .corrupt: "run \"cistern verify\" on it to see all that is wrong"
        case .locked: "wait for it to end, or stop it"
        case .fencedOff: "leave the job to that daemon; what was written before stays"
        case .full: "make room and run again: the archive stands at its last checkpoint"
        case .readOnly: "give write permission on the file and its directory"
        case .encrypted(.keyFile): "give the key file with --key-file or CISTERN_KEY_FILE"
        case .encrypted(.passphrase):
            "give the passphrase with --passphrase-file, CISTERN_PASSPHRASE_FILE or CISTERN_PASSPHRASE"
        case .notEncrypted: "leave the key out, or encrypt the archive first with \"cistern rekey --encrypt\""
        case .wrongKey: "give the key that the archive was made or last rekeyed with"
        case .invalidKey: "make a key file with \"cistern keygen\""
        case .io, .noSuchIncarnation, .noSuchPoint, .chainBroken, .invalid, .malformedInput: nil
        }
    }
}
