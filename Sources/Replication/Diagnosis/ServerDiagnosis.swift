import KVModel
import NATSProtocol

/// What Cistern can do on a server: pure, from what an examination found.
public struct ServerDiagnosis: Sendable, Hashable {
    /// How something stands.
    public enum State: String, Sendable, Hashable, CaseIterable {
        /// All of it is possible.
        case ok
        /// Some of it is.
        case limited
        /// None of it is.
        case impossible = "not possible"
    }

    /// One thing that was looked at.
    public struct Finding: Sendable, Hashable {
        /// What it is about.
        public var subject: String
        /// How it stands.
        public var state: State
        /// Why, in a sentence without its full stop.
        public var text: String
        /// What to do about it; nil if there is nothing to do.
        public var hint: String?

        /// A finding of these parts.
        public init(_ subject: String, _ state: State, _ text: String, hint: String? = nil) {
            self.subject = subject
            self.state = state
            self.text = text
            self.hint = hint
        }
    }

    /// What was found, the server first, then the account, then each kind of work.
    public private(set) var findings: [Finding] = []

    private let server: ServerExamination

    /// The diagnosis of an examination.
    public init(_ server: ServerExamination) {
        self.server = server
        findings.append(serverItself)
        if let obstacle = server.obstacle {
            findings.append(
                Finding(
                    "JetStream",
                    .impossible,
                    obstacle,
                    hint: obstacle.contains("subscribe")
                        ? "give the user that permission, or name an inbox prefix that it may use" : nil
                )
            )
            return
        }
        findings.append(Finding("entries", .ok, "up to \(SizeText.text(bytes: Int64(server.maximumPayload))) each"))
        findings += account
        findings += [backup, replay, exact, migration, mirrorSource, mirrorTarget, leases]
        findings += features
    }

    /// Whether nothing that was looked at is impossible.
    public var isSound: Bool { !findings.contains { $0.state == .impossible } }

    private func isAtLeast(_ minor: Int) -> Bool {
        server.version >= ServerVersion(major: 2, minor: minor, patch: 0)
    }

    private var serverItself: Finding {
        var text = "nats-server \(server.version)"
        if !server.serverName.isEmpty { text += ", \(server.serverName)" }
        if let cluster = server.clusterName { text += ", of \(cluster)" }
        if let level = server.account?.apiLevel, level > 0 { text += ", JetStream API level \(level)" }
        guard isAtLeast(9) else {
            return Finding(
                "server",
                .limited,
                text + ": older than all that Cistern is tested with",
                hint: "use 2.9 or newer"
            )
        }
        return Finding("server", .ok, text)
    }
}

extension ServerDiagnosis {
    private var account: [Finding] {
        guard let account = server.account else {
            return [
                Finding(
                    "account",
                    .limited,
                    "the user may not ask for its limits",
                    hint: "give the user permission to publish to $JS.API.INFO"
                )
            ]
        }
        var findings = [
            Self.space("file storage", account.storage, account.maximumStorage),
            Self.space("memory storage", account.memory, account.maximumMemory),
            Self.number("buckets", account.streams, account.maximumStreams, "no bucket can be made"),
            Self.number("consumers", account.consumers, account.maximumConsumers, "no bucket can be read"),
        ]
        if account.requiresMaximumBytes {
            findings.append(
                Finding("bucket size", .limited, "every bucket needs a largest size", hint: "give --set max-bytes=SIZE")
            )
        }
        for (name, limit) in [("file", account.maximumStorageBucket), ("memory", account.maximumMemoryBucket)]
        where limit > 0 {
            findings.append(
                Finding(
                    "bucket size",
                    .limited,
                    "a bucket in \(name) storage may have \(SizeText.text(bytes: limit))",
                    hint: "give --set max-bytes=\(limit) or less"
                )
            )
        }
        return findings
    }

    private static func space(_ subject: String, _ used: Int64, _ limit: Int64) -> Finding {
        let size = SizeText.text(bytes: used)
        guard limit >= 0 else { return Finding(subject, .ok, "\(size) used, no limit") }
        guard limit > 0 else {
            return Finding(
                subject,
                .limited,
                "the account has none",
                hint: "raise the account's limit if it is to have some"
            )
        }
        let text = "\(size) of \(SizeText.text(bytes: limit)) used"
        guard used >= limit / 10 * 9 else { return Finding(subject, .ok, text) }
        return Finding(subject, .limited, text, hint: "raise the account's limit, or remove what is not needed")
    }

    private static func number(_ subject: String, _ used: Int64, _ limit: Int64, _ consequence: String) -> Finding {
        guard limit >= 0 else { return Finding(subject, .ok, "\(used), no limit") }
        guard used >= limit else { return Finding(subject, .ok, "\(used) of \(limit)") }
        return Finding(
            subject,
            .impossible,
            "\(used) of \(limit): \(consequence)",
            hint: "raise the account's limit, or remove what is not needed"
        )
    }
}

extension ServerDiagnosis {
    /// Work that needs some rights, and would like others.
    private func work(
        _ subject: String,
        needs: [ServerRight],
        likes: [(right: ServerRight, without: String)] = [],
        _ text: String,
        limit: (text: String, hint: String)? = nil
    ) -> Finding {
        let missing = needs.filter { server.rights[$0] != .granted }
        guard missing.isEmpty else {
            return Finding(subject, .impossible, lack(missing), hint: remedy(missing))
        }
        if let lacking = likes.first(where: { server.rights[$0.right] != .granted }) {
            return Finding(
                subject,
                .limited,
                "\(lacking.without): \(lack([lacking.right]))",
                hint: remedy([lacking.right])
            )
        }
        if let limit { return Finding(subject, .limited, limit.text, hint: limit.hint) }
        return Finding(subject, .ok, text)
    }

    private func lack(_ rights: [ServerRight]) -> String {
        let denied = rights.filter { server.rights[$0] == .denied }.compactMap { server.subjects[$0] }
        let silent = rights.filter { server.rights[$0] != .denied }.compactMap { server.subjects[$0] }
        let parts = [
            denied.isEmpty ? nil : "the user may not publish to \(denied.joined(separator: ", "))",
            silent.isEmpty ? nil : "nobody answers on \(silent.joined(separator: ", "))",
        ]
        return parts.compactMap { $0 }.joined(separator: "; ")
    }

    private func remedy(_ rights: [ServerRight]) -> String {
        rights.contains { server.rights[$0] == .denied }
            ? "give the user these permissions, at least for its own buckets"
            : "check the domain, the API prefix and the imports of the account"
    }

    private static let reading: [ServerRight] = [.info, .read, .watch, .flowControl]
    private static let writing: [ServerRight] = [.info, .read, .create, .write]
    /// A restore marks what it has begun, takes the mark away, and compares what it wrote.
    private static let restoring: [ServerRight] = reading + [.update, .delete]

    private var backup: Finding {
        work(
            "backup",
            needs: Self.reading,
            likes: [(.list, "buckets must be named, patterns find none")],
            "buckets can be read to their end and followed"
        )
    }

    private var replay: Finding {
        work(
            "restore by replay",
            needs: Self.restoring + [.create, .write],
            "entries can be written, with new revisions and times"
        )
    }

    private var exact: Finding {
        let subject = "restore exact"
        guard isAtLeast(9) else {
            return Finding(subject, .limited, "needs 2.9: entries are replayed instead", hint: "use a newer server")
        }
        let needs = Self.restoring + [.restore, .upload]
        if isAtLeast(15) {
            return work(subject, needs: needs, "revisions and times are kept, in file storage and in memory")
        }
        if isAtLeast(12) {
            let without = "in file storage only"
            return work(
                subject,
                needs: needs,
                likes: [(.create, without), (.remove, without)],
                "revisions and times are kept, in memory by way of a mirror that becomes the bucket"
            )
        }
        return work(
            subject,
            needs: needs,
            "",
            limit: (
                "revisions and times are kept in file storage; entries of buckets in memory are replayed",
                "use 2.12 or newer for memory"
            )
        )
    }

    private var migration: Finding {
        // The bucket is filled exactly where the server's version can: that must not be refused then, with the bucket
        // deleted already.
        work(
            "migrate",
            needs: Self.restoring + [.list, .create, .write, .fence, .restore, .upload]
                + (isAtLeast(12) && !isAtLeast(15) ? [.remove] : []),
            "a bucket can be closed to writers, recreated and filled again"
        )
    }

    private var mirrorSource: Finding {
        work("mirror from here", needs: Self.reading, "buckets can be followed")
    }

    private var mirrorTarget: Finding {
        work("mirror to here", needs: Self.writing, "entries can be written")
    }

    private var leases: Finding {
        work("leases", needs: Self.writing, "daemons can share their work through a bucket")
    }

    private var features: [Finding] {
        let table: [(minor: Int, subject: String, what: String, without: String)] = [
            (10, "several filters", "one watch takes several patterns", "a watch takes one pattern"),
            (10, "metadata, compression", "buckets can have them", "buckets that have them lose them"),
            (
                11, "entry TTL, markers", "entries can have a lifetime of their own",
                "lifetimes of single entries are not kept"
            ),
        ]
        return table.map { feature in
            isAtLeast(feature.minor)
                ? Finding(feature.subject, .ok, "\(feature.what), since 2.\(feature.minor)")
                : Finding(feature.subject, .limited, feature.without, hint: "use 2.\(feature.minor) or newer")
        }
    }
}
