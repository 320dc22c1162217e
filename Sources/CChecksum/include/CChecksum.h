#pragma once

#include <stddef.h>
#include <stdint.h>

/// Whether the processor has instructions for CRC-32 with Castagnoli's polynomial.
_Bool checksum_crc32c_is_available(void);

/// Goes on with a checksum, neither begun nor ended by an inversion; only where the instructions are available.
uint32_t checksum_crc32c(uint32_t value, const void *bytes, size_t count);

/// Bytes that lie together.
struct checksum_part {
    const void *bytes;
    size_t count;
};

/// Whether the processor has instructions for four lanes of 64 bits.
_Bool checksum_highwayhash64_is_available(void);

/// HighwayHash-64 of parts that follow each other, from the state that a key leads to (two values of four lanes, then the
/// two multipliers); only where the instructions are available.
uint64_t checksum_highwayhash64(const uint64_t keyed[16], const struct checksum_part *parts, size_t count);
