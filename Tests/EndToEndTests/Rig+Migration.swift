import Archive
import Foundation
import Glibc
import TestSupport

/// What an archive's journal says of a migration.
extension Rig {
    /// The steps that were taken, oldest first.
    func migrationSteps() throws -> [String] {
        let reader = try ArchiveReader.open(path: archive)
        guard let incarnation = try reader.incarnations().first else { return [] }
        return try reader.migrationRecords(of: incarnation.id).map(\.step)
    }

    /// Waits for a step, and then some: how far into the step something befalls it is what such tests are about.
    ///
    /// All on a thread of its own: a busy machine must not let the step pass unseen.
    func whenMigrating(
        _ step: String,
        microseconds: UInt32,
        then body: @escaping @Sendable () -> Void = {}
    ) async throws {
        let rig = self
        try await onOwnThread {
            try waitOnThread("the step \(step)", seconds: 120) { try rig.migrationSteps().contains(step) }
            usleep(microseconds)
            body()
        }
    }
}
