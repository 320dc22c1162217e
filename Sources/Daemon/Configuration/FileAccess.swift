import Foundation

/// Who may read and change a file.
enum FileAccess {
    /// The permission bits of a plain file; nil if it is none, or is not there.
    static func permissions(of path: String) -> Int? {
        let resolved = URL(fileURLWithPath: path).resolvingSymlinksInPath().path
        // Whoever cannot be told is not warned of: the file's content is what decides.
        guard let attributes = try? FileManager.default.attributesOfItem(atPath: resolved),
            attributes[.type] as? FileAttributeType == .typeRegular
        else { return nil }
        return (attributes[.posixPermissions] as? NSNumber)?.intValue
    }
}
