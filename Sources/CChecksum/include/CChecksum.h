#pragma once

#include <stddef.h>
#include <stdint.h>

/// Whether the processor has instructions for CRC-32 with Castagnoli's polynomial.
_Bool checksum_crc32c_is_available(void);

/// Goes on with a checksum, neither begun nor ended by an inversion; only where the instructions are available.
uint32_t checksum_crc32c(uint32_t value, const void *bytes, size_t count);
