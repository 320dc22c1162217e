import CZstd

/// Compression of one column at a time; context and room for the result are used for a whole segment.
///
/// Every frame carries its content size and zstd's checksum, so that damage shows when the frame is unpacked.
final class Compressor {
    private let context: OpaquePointer
    private var scratch = UnsafeMutableRawBufferPointer(start: nil, count: 0)

    /// A compressor of this level; one for long distances finds again what stood megabytes before.
    init(level: Int32, isLongDistance: Bool = false) throws(ArchiveError) {
        guard let made = ZSTD_createCCtx() else { throw ArchiveError(.io("no memory for zstd")) }
        context = made
        ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level)
        ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1)
        guard isLongDistance else { return }
        ZSTD_CCtx_setParameter(context, ZSTD_c_enableLongDistanceMatching, 1)
        ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, 25)
    }

    deinit {
        ZSTD_freeCCtx(context)
        scratch.deallocate()
    }

    /// Appends `source` compressed to `output`, or answers false and leaves `output` alone if that saves nothing.
    func compress(_ source: UnsafeRawBufferPointer, into output: inout [UInt8]) throws(ArchiveError) -> Bool {
        guard source.count >= 32 else { return false }
        // One byte less than the source: what does not fit there saves nothing.
        let room = source.count - 1
        if scratch.count < room {
            scratch.deallocate()
            scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: room, alignment: 16)
        }
        let written = ZSTD_compress2(context, scratch.baseAddress, room, source.baseAddress, source.count)
        guard ZSTD_isError(written) == 0 else {
            guard ZSTD_getErrorCode(written) == ZSTD_error_dstSize_tooSmall else {
                throw ArchiveError(.io("zstd: \(String(cString: ZSTD_getErrorName(written)))"))
            }
            return false
        }
        output.append(contentsOf: UnsafeRawBufferPointer(rebasing: scratch[0..<written]))
        return true
    }
}

/// Decompression with every size checked before memory is taken.
enum Decompressor {
    /// Unpacks one frame that must hold exactly `count` bytes.
    static func decompress(_ source: UnsafeRawBufferPointer, count: Int) throws(SegmentDamage) -> [UInt8] {
        guard ZSTD_getFrameContentSize(source.baseAddress, source.count) == UInt64(count) else {
            throw SegmentDamage("a compressed column does not hold the size it declares")
        }
        var written = 0
        let output = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            written = ZSTD_decompress(buffer.baseAddress, count, source.baseAddress, source.count)
            initialized = ZSTD_isError(written) == 0 ? min(written, count) : 0
        }
        guard ZSTD_isError(written) == 0 else {
            throw SegmentDamage("a column does not unpack: \(String(cString: ZSTD_getErrorName(written)))")
        }
        guard output.count == count else { throw SegmentDamage("a column unpacks to fewer bytes than declared") }
        return output
    }
}

/// What is wrong with the bytes of a segment; whoever knows which segment it is makes an `ArchiveError` of it.
struct SegmentDamage: Error, Equatable, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}
