import JetStream
import KVModel
import KeyValue

extension Reconciliation {
    /// A key that was looked at on both sides.
    struct Look: Sendable {
        var key: Key
        /// Its name in the source; nil if no key there has this name in the target.
        var sourceKey: Key?
        var source: MirroredEntry?
        var target: MirroredEntry?
        var verdict: ReconciliationRule.Verdict
        /// Why nobody can look at it.
        var obstacle: String?
    }

    /// So many keys are asked for at once.
    private static let width = 16
    /// After so many looks in which a mirror has not come on, it is taken for one that does not run.
    private static let standstillLimit = 3
    /// After so many keys what differs is repaired.
    private static let keysTogether = 1000

    /// Looks at keys that seem to differ, and repairs those that do.
    func check(
        _ suspects: [ReconciliationTable.Suspect],
        _ rule: ReconciliationRule,
        _ report: inout ReconciliationReport
    ) async throws {
        var done = 0
        while done < suspects.count {
            let portion = Array(suspects[done..<min(done + Self.keysTogether, suspects.count)])
            let origins = try await origins(of: portion)
            var looks = try await concurrently(portion) { try await look($0, origins, rule) }
            looks = try await waitForMirror(looks, rule, &report)
            var open = settle(looks, &report)
            if options.repairs, !options.preservesRevisions { open = try await repair(open, rule, &report) }
            for look in open { report.add(finding(look)) }
            done += portion.count
            progress(
                ReconciliationProgress(phase: .checking, entries: UInt64(done), total: UInt64(suspects.count))
            )
        }
    }

    /// Counts what is no difference; answers the rest.
    func settle(_ looks: [Look], _ report: inout ReconciliationReport) -> [Look] {
        looks.filter { look in
            switch look.verdict {
            case .equal: report.equal += 1
            case .newer: report.newer += 1
            case .expired: report.expired += 1
            case .found(.additional): report.add(finding(look))
            case .found: return true
            }
            return false
        }
    }

    func finding(_ look: Look) -> ReconciliationFinding {
        var kind = ReconciliationFinding.Kind.different
        if case .found(let found) = look.verdict { kind = found }
        var finding = ReconciliationFinding(
            kind: kind,
            key: look.key,
            sourceRevision: look.source?.revision,
            targetRevision: look.target?.revision
        )
        finding.obstacle = look.obstacle
        return finding
    }

    // MARK: Looking

    private func look(
        _ suspect: ReconciliationTable.Suspect,
        _ origins: [Key: Key],
        _ rule: ReconciliationRule
    ) async throws -> Look {
        switch suspect {
        case .source(let revision):
            let message = try await patiently { try await source.context.message(source.name.streamName, at: revision) }
            let prefix = Array(source.subjectPrefix.utf8)
            guard let message, message.subject.starts(with: prefix) else {
                // Newer entries pushed it out, or its time was over.
                return Look(key: Key(bytes: []), verdict: .newer)
            }
            let sourceKey = Key(bytes: Array(message.subject.dropFirst(prefix.count)))
            return try await look(at: options.mapping.map(sourceKey), from: sourceKey, rule)
        case .target(let key):
            return try await look(at: key, from: options.mapping.isIdentity ? key : origins[key], rule)
        }
    }

    /// Looks at a key on both sides.
    func look(at key: Key, from sourceKey: Key?, _ rule: ReconciliationRule) async throws -> Look {
        guard
            [key, sourceKey ?? key].allSatisfy({ String(validating: $0.bytes, as: UTF8.self) != nil && $0.isStorable })
        else {
            var look = Look(key: key, sourceKey: sourceKey, verdict: .found(.different))
            look.obstacle = "no server can be asked for a key that is not text"
            return look
        }
        let old = try await patiently { try await sourceKey.asyncMap { try await source.latest($0) } }
        let new = try await patiently { try await target.latest(key) }
        let ours = old.map { $0.withView { MirroredEntry($0, of: targetIdentity) } }
        let theirs = new.map { $0.withView { MirroredEntry($0, of: sourceIdentity) } }
        let verdict = rule.verdict(source: ours, target: theirs, at: .wallClock())
        return Look(key: key, sourceKey: sourceKey, source: ours, target: theirs, verdict: verdict)
    }

    /// The names in the source of keys that seem to be in the target only, where names change on the way.
    private func origins(of suspects: [ReconciliationTable.Suspect]) async throws -> [Key: Key] {
        guard !options.mapping.isIdentity else { return [:] }
        var wanted: Set<Key> = []
        for case .target(let key) in suspects { wanted.insert(key) }
        guard !wanted.isEmpty else { return [:] }
        var found: [Key: Key] = [:]
        try await read(source, options.filter, .checking) { entry in
            let sourceKey = Key(bytes: Array(entry.key))
            let key = options.mapping.map(sourceKey)
            if wanted.contains(key) { found[key] = sourceKey }
        }
        return found
    }

    /// Works on several elements at a time; the results come in any order.
    func concurrently<Element: Sendable, Result: Sendable>(
        _ elements: [Element],
        _ work: @escaping @Sendable (Element) async throws -> Result
    ) async throws -> [Result] {
        try await withThrowingTaskGroup(of: Result.self) { group in
            var results: [Result] = []
            for (index, element) in elements.enumerated() {
                if index >= Self.width, let result = try await group.next() { results.append(result) }
                group.addTask { try await work(element) }
            }
            for try await result in group { results.append(result) }
            return results
        }
    }

    // MARK: Waiting for a mirror

    /// Looks again, as long as the mirror that runs beside comes nearer, at what it has still to bring.
    private func waitForMirror(
        _ looks: [Look],
        _ rule: ReconciliationRule,
        _ report: inout ReconciliationReport
    ) async throws -> [Look] {
        var looks = looks
        let deadline = ContinuousClock.now + options.mirrorPatience
        var standstills = 0
        while let position = try await mirrorPosition() {
            let ahead = looks.indices.filter { isAhead(looks[$0], of: position) }
            // A mirror that does not come on is no reason to wait.
            guard !ahead.isEmpty, standstills < Self.standstillLimit else { return looks }
            try await Task.sleep(for: options.settleTime)
            for index in ahead {
                looks[index] = try await look(at: looks[index].key, from: looks[index].sourceKey, rule)
            }
            guard let later = try await mirrorPosition() else { return looks }
            standstills = later > position ? 0 : standstills + 1
            let left = Set(ahead.filter { isAhead(looks[$0], of: later) })
            guard !left.isEmpty else { return looks }
            guard ContinuousClock.now < deadline || standstills > 0 else {
                report.pending += UInt64(left.count)
                return looks.indices.filter { !left.contains($0) }.map { looks[$0] }
            }
        }
        return looks
    }

    private func isAhead(_ look: Look, of position: Revision) -> Bool {
        guard case .found = look.verdict, let source = look.source else { return false }
        return source.revision > position
    }
}

extension Optional {
    fileprivate func asyncMap<Result>(_ transform: (Wrapped) async throws -> Result?) async rethrows -> Result? {
        guard let self else { return nil }
        return try await transform(self)
    }
}
