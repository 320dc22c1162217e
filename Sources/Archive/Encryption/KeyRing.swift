import Crypto
import Foundation
import GRDB
import Synchronization

/// The data keys of an open archive, unwrapped when they are first needed.
///
/// Everything that is sealed or opened passes here. In an archive that is not encrypted it seals and opens nothing.
///
/// A reader, a writer and a snapshot each make theirs the current one for whatever they let run on their database, so
/// that queries need not hand it on.
final class KeyRing: Sendable {
    @TaskLocal static var current: KeyRing?

    private struct State {
        var key: ArchiveKey?
        var dataKeys: [Int64: SymmetricKey] = [:]
        /// The data key that seals what is written; nil writes plain segments.
        var current: Int64?
    }

    private let state: Mutex<State>

    /// The keys of an archive; unwraps the one that seals, so that a wrong key shows at once.
    ///
    /// Without a key, what is sealed cannot be opened: that shows when it is asked for.
    init(_ db: Database, key: ArchiveKey?) throws {
        // An archive whose keys are damaged can still say what it holds.
        let newest = try key == nil ? nil : db.dataKeys().last
        var state = State(key: key, current: newest?.id)
        if let newest, let key { state.dataKeys[newest.id] = try newest.unwrap(with: key) }
        self.state = Mutex(state)
    }

    /// The key that was given, if one was.
    var key: ArchiveKey? { state.withLock { $0.key } }

    /// Throws `.encrypted` or `.notEncrypted` unless there is a key exactly if the archive is encrypted.
    ///
    /// With `encrypts`, an archive that is not encrypted may have a key: it is about to be.
    func checkForWriting(_ db: Database, encrypts: Bool) throws {
        switch (try db.dataKeys().last, key) {
        case (let wrapped?, nil): throw ArchiveError(.encrypted(wrapped.wrapping.kind))
        case (nil, _?) where !encrypts: throw ArchiveError(.notEncrypted)
        case (_, _?), (nil, nil): return
        }
    }

    /// Seals with another data key from now on.
    func use(_ id: Int64, _ dataKey: SymmetricKey) {
        state.withLock { state in
            state.dataKeys[id] = dataKey
            state.current = id
        }
    }

    /// Unwraps with another key from now on; every data key must have been unwrapped before.
    func replaceKey(_ key: ArchiveKey) {
        state.withLock { $0.key = key }
    }

    /// The segment as it is to be stored.
    func seal(_ segment: EncodedSegment, of incarnation: Incarnation, _ db: Database) throws -> SealedSegment {
        guard let id = state.withLock({ $0.current }) else { return SealedSegment(plain: segment) }
        let seal = SegmentSeal(dataKey: id, identity: [UInt8].random(count: SegmentSeal.identityBytes))
        let cipher = try cipher(seal, segment.header, of: incarnation, db)
        return try SealedSegment(segment, cipher: cipher, seal: seal)
    }

    /// What opens a segment's blobs; nil if they are not sealed.
    func cipher(of row: SegmentRow, _ incarnation: Incarnation, _ db: Database) throws -> SegmentCipher? {
        guard let seal = row.seal else { return nil }
        return try cipher(seal, row.header, of: incarnation, db)
    }

    private func cipher(
        _ seal: SegmentSeal,
        _ header: SegmentHeader,
        of incarnation: Incarnation,
        _ db: Database
    ) throws -> SegmentCipher {
        SegmentCipher(
            try dataKey(seal.dataKey, db),
            identity: seal.identity,
            root: SegmentDigest.root(incarnation),
            header: header
        )
    }

    /// A data key by its number; a run that changes the data key may have added one since the archive was opened.
    func dataKey(_ id: Int64, _ db: Database) throws -> SymmetricKey {
        if let known = state.withLock({ $0.dataKeys[id] }) { return known }
        guard let wrapped = try db.dataKeys().first(where: { $0.id == id }) else {
            throw SegmentDamage("its data key \(id) is not in the archive")
        }
        guard let key else { throw ArchiveError(.encrypted(wrapped.wrapping.kind)) }
        let dataKey = try wrapped.unwrap(with: key)
        state.withLock { $0.dataKeys[id] = dataKey }
        return dataKey
    }
}

extension Database {
    /// The segment as it is to be stored.
    func sealed(_ segment: EncodedSegment, of incarnation: Incarnation) throws -> SealedSegment {
        // Nothing is stored in plain because somebody forgot the keys.
        guard let keys = KeyRing.current else { throw ArchiveError(.io("a segment is written without a key ring")) }
        return try keys.seal(segment, of: incarnation, self)
    }

    /// What opens a segment's blobs; nil if they are not sealed.
    func cipher(of row: SegmentRow, _ incarnation: Incarnation) throws -> SegmentCipher? {
        guard row.seal != nil else { return nil }
        guard let keys = KeyRing.current else { throw ArchiveError(.io("a segment is read without a key ring")) }
        return try keys.cipher(of: row, incarnation, self)
    }
}
