import KVModel
import KeyValue

extension Reconciliation {
    struct R { var identity: ReplayIdentity }
    func record() async throws -> R? { nil }
    func mirrorPosition() async throws -> Revision? {
        if let position = options.mirrorPosition { return position() }
        return nil
    }
}
