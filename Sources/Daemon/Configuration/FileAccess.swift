import Foundation

/// Who may read and change a file.
///
/// A group that may read it is nobody to warn of: that is how a service reads what its administrator owns, and how
/// containers are given secrets. Whom it has among its members somebody chose.
enum FileAccess {
    /// Whether everybody on the machine can read a file.
    static func isOpen(_ path: String) -> Bool {
        permissions(of: path).map { $0 & 0o004 != 0 } ?? false
    }

    /// Whether more can be done with a secret's file than that its owner changes it, and its group reads it.
    static func isCareless(_ path: String) -> Bool {
        permissions(of: path).map { $0 & 0o027 != 0 } ?? false
    }

    /// The permission bits of a plain file; nil if it is none, or is not there.
    private static func permissions(of path: String) -> Int? {
        let resolved = URL(fileURLWithPath: path).resolvingSymlinksInPath().path
        // Whoever cannot be told is not warned of: the file's content is what decides.
        guard let attributes = try? FileManager.default.attributesOfItem(atPath: resolved),
            attributes[.type] as? FileAttributeType == .typeRegular
        else { return nil }
        return (attributes[.posixPermissions] as? NSNumber)?.intValue
    }
}
