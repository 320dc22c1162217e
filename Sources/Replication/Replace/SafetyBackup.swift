public import Archive
import Foundation
public import KVModel

/// The backup of a bucket that was made before the bucket was replaced.
///
/// It is an archive of its own, not a part of the one that is restored: there it would be the newest state of the
/// bucket, which a restore that is killed and run again, or the next restore, would take for the wanted one.
public struct SafetyBackup: Sendable, Hashable {
    /// Where such a backup goes.
    public struct Place: Sendable {
        /// The archive; there must be none yet.
        public var path: String
        /// What it is encrypted with; nil if it is not.
        public var key: ArchiveKey?

        /// A new archive.
        public init(path: String, key: ArchiveKey? = nil) {
            self.path = path
            self.key = key
        }
    }

    /// The archive.
    public var path: String
    /// The bucket.
    public var bucket: BucketName
    /// The tag on the state that the bucket had.
    public var tag: String
    /// The bucket's last revision.
    public var revision: Revision
    /// How many entries it held.
    public var entries: UInt64
}

extension SafetyBackup {
    /// A time as names of files and tags have it: to the second, without what file systems do not like.
    public static func stamp(_ time: Timestamp) -> String {
        let seconds = time.description.prefix { $0 != "." && $0 != "Z" }
        return seconds.filter { $0 != "-" && $0 != ":" } + "Z"
    }

    /// A place beside something that does not exist yet.
    public static func freePath(beside stem: String, of bucket: BucketName, at time: Timestamp) -> String {
        let name = "\(stem.isEmpty ? "" : stem + ".")before-replace-\(bucket)-\(stamp(time))"
        var path = "\(name).cistern"
        var number = 2
        while ArchiveReader.isPresent(path: path) {
            path = "\(name)-\(number).cistern"
            number += 1
        }
        return path
    }

    /// The newest of the archives that `freePath` named beside the same, if there is one: an earlier run's.
    public static func newest(beside stem: String, of bucket: BucketName) throws -> String? {
        let slash = stem.lastIndex(of: "/")
        let folder = slash.map { String(stem[...$0]) } ?? ""
        let name = slash.map { String(stem[stem.index(after: $0)...]) } ?? stem
        let start = "\(name.isEmpty ? "" : name + ".")before-replace-\(bucket)-"
        return try FileManager.default.contentsOfDirectory(atPath: folder.isEmpty ? "." : folder)
            .filter { $0.hasPrefix(start) && $0.hasSuffix(".cistern") }
            .max().map { folder + $0 }
    }
}
