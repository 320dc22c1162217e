import JetStream
import KVModel
import KeyValue

extension Reconciliation {
    /// How often a key is tried that others write, or that had no answer.
    private static let attempts = 3
    /// So many values are held in memory, as large as they may be.
    private static let portion = 64

    /// Brings the source's newest entry of keys that differ, or deletes what it does not have; answers what is left.
    func repair(
        _ looks: [Look],
        _ rule: ReconciliationRule,
        _ report: inout ReconciliationReport
    ) async throws -> [Look] {
        guard !looks.isEmpty else { return [] }
        let publisher = try await patiently { try await ConditionalPublisher(target.context) }
        do {
            let left = try await repair(looks, rule, &report, by: publisher)
            await publisher.stop()
            return left
        } catch {
            await publisher.stop()
            throw error
        }
    }

    private func repair(
        _ looks: [Look],
        _ rule: ReconciliationRule,
        _ report: inout ReconciliationReport,
        by publisher: ConditionalPublisher
    ) async throws -> [Look] {
        var left = looks.filter { $0.obstacle != nil }
        var open = looks.filter { $0.obstacle == nil }
        for attempt in 1...Self.attempts where !open.isEmpty {
            var again: [Look] = []
            var rest = open[...]
            while !rest.isEmpty {
                var encoder = MergeEncoder(target, isTTLHeeded: rule.source.allowsOwn)
                var batch = publisher.makeBatch()
                var sent: [Look] = []
                let portion = Array(rest.prefix(Self.portion))
                rest = rest.dropFirst(portion.count)
                for (look, original) in try await concurrently(portion, { ($0, try await original($0)) }) {
                    guard let entry = original else {
                        report.newer += 1
                        continue
                    }
                    let origin = EntryOrigin(source: sourceIdentity.number, revision: entry.revision, time: entry.time)
                    let expected = look.target?.revision ?? 0
                    entry.withView { encoder.append($0, as: look.key, from: origin, expecting: expected, to: &batch) }
                    sent.append(look)
                }
                for (look, outcome) in zip(sent, try await publisher.send(batch)) {
                    var hindered = look
                    switch outcome {
                    case .stored:
                        var repaired = finding(look)
                        repaired.isRepaired = true
                        report.add(repaired)
                    case .refused(let error) where !error.isTransient && error.code != .wrongLastSequence:
                        hindered.obstacle = error.text
                        left.append(hindered)
                    case .refused, .unknown:
                        hindered.obstacle = Self.hindrance(outcome)
                        again.append(hindered)
                    }
                }
            }
            open = try await lookAgain(again, rule, &report, isLast: attempt == Self.attempts)
        }
        return left + open
    }

    /// Why a repair was not made that may yet be: what is said if it never is.
    static func hindrance(_ outcome: ConditionalPublisher.Outcome) -> String {
        switch outcome {
        case .refused(let error) where error.code == .wrongLastSequence: "others write it all the time"
        case .refused(let error): "the server did not take it: \(error.text)"
        case .stored, .unknown: "the server did not answer"
        }
    }

    /// Looks at keys again whose repair was refused, or not answered.
    private func lookAgain(
        _ looks: [Look],
        _ rule: ReconciliationRule,
        _ report: inout ReconciliationReport,
        isLast: Bool
    ) async throws -> [Look] {
        var fresh: [Look] = []
        for look in looks { fresh.append(try await self.look(at: look.key, from: look.sourceKey, rule)) }
        var open = settle(fresh, &report)
        if isLast {
            let hindrances = Dictionary(looks.map { ($0.key, $0.obstacle) }) { $1 }
            for index in open.indices { open[index].obstacle = hindrances[open[index].key] ?? nil }
        }
        return open
    }

    /// What the target is to have: the source's entry as it was seen, or a delete; nil if the source has moved on.
    private func original(_ look: Look) async throws -> Entry? {
        guard let seen = look.source, let sourceKey = look.sourceKey else {
            return marker(look.key, revision: look.target?.named ?? 0)
        }
        guard seen.isPut || !seen.isServerMarker else { return marker(look.key, revision: seen.revision) }
        guard let entry = try await patiently({ try await source.latest(sourceKey) }), entry.revision == seen.revision
        else { return nil }
        return entry
    }

    private func marker(_ key: Key, revision: Revision) -> Entry {
        Entry(
            revision: revision,
            time: .wallClock(),
            operation: .delete,
            key: key,
            headers: Array("NATS/1.0\r\nKV-Operation: DEL\r\n\r\n".utf8)
        )
    }
}
