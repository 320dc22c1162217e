import KVModel
import KeyValue
import Logging
import Replication

extension Mirroring {
    /// Compares both buckets and repairs the target, once.
    func reconcile() async throws -> RunResult {
        run.meter.doing("comparing \(label) with \(targetLabel)")
        let report = try await compare()
        var result = RunResult(
            report.isEqual ? .succeeded : .different,
            revision: report.revision,
            entries: report.equal + report.repaired,
            summary: Self.summary(report)
        )
        if !report.isEqual { result.error = Self.trouble(report, targetLabel) }
        return result
    }

    /// Does so from time to time beside a mirror; what fails is said, and tried again the next time.
    func reconcile(every interval: Duration, beside position: MirrorPosition) async {
        while !Task.isCancelled {
            do { try await Task.sleep(for: interval) } catch { return }
            // Before it has caught up, everything that is missing is on its way.
            guard position.isLive else { continue }
            do {
                let report = try await compare { position.resumeRevision }
                run.meter.warn(report.isEqual ? nil : Self.trouble(report, targetLabel))
                let isNotable = report.differences > 0
                run.logger.log(
                    level: isNotable ? .warning : .info,
                    "compared a mirror's buckets",
                    metadata: ["target": "\(targetLabel)", "found": "\(Self.summary(report))"]
                )
            } catch {
                guard !Task.isCancelled else { return }
                run.meter.warn("\(targetLabel) could not be compared with \(label): \(Explanation.of(error))")
                run.logger.warning("a mirror's buckets were not compared", metadata: ["reason": "\(error)"])
            }
        }
    }

    private var targetLabel: String { "\(work.target.cluster)/\(work.target.bucket)" }

    private func compare(_ position: (@Sendable () -> Revision)? = nil) async throws -> ReconciliationReport {
        let source = try await run.connections.buckets(of: work.source.cluster).bucket(work.source.bucket)
        let target = try await run.connections.buckets(of: work.target.cluster).bucket(work.target.bucket)
        var options = ReconciliationOptions()
        options.filter = work.filter
        options.mapping = work.mapping
        options.deletes = work.deletes
        options.preservesRevisions = work.preservesRevisions
        options.repairs = !work.preservesRevisions
        options.bytesPerSecond = run.slowest(work.bytesPerSecond)
        options.mirrorPosition = position
        let meter = run.meter
        defer { meter.end("comparison") }
        let reconciliation = Reconciliation(source: source, target: target, options: options) { state in
            // Beside a mirror, what is told is the mirror's.
            guard position == nil else { return }
            meter.update("comparison", ProgressMeter.Part(entries: state.entries))
        }
        return try await reconciliation.run()
    }

    private static func summary(_ report: ReconciliationReport) -> String {
        var text = "\(report.equal) \(report.equal == 1 ? "key is" : "keys are") the same"
        if report.differences > 0 { text += ", \(report.differences) differed, \(report.repaired) repaired" }
        if report.additional > 0 { text += ", \(report.additional) of others left alone" }
        return text
    }

    private static func trouble(_ report: ReconciliationReport, _ target: String) -> String {
        let left = report.differences - report.repaired
        let told = report.examples.filter { !$0.isRepaired && $0.kind != .additional }.prefix(3).map { finding in
            "\(finding.kind.rawValue) \(finding.key)" + (finding.obstacle.map { " (\($0))" } ?? "")
        }
        return "\(target): \(left) \(left == 1 ? "key is" : "keys are") not as in the source: "
            + told.joined(separator: ", ") + "; what cannot be repaired is named with the reason"
    }
}
