// The processor's own CRC-32C: Swift has no name for these instructions.
#include "CChecksum.h"

#include <string.h>

#if defined(__x86_64__)
#include <nmmintrin.h>
#define CRC_TARGET __attribute__((target("sse4.2")))
#define CRC_WORD(value, word) ((uint32_t)_mm_crc32_u64((value), (word)))
#define CRC_BYTE(value, byte) _mm_crc32_u8((value), (byte))
#elif defined(__aarch64__)
#include <arm_acle.h>
#include <sys/auxv.h>
#ifndef HWCAP_CRC32
#define HWCAP_CRC32 (1 << 7)
#endif
#define CRC_TARGET __attribute__((target("crc")))
#define CRC_WORD(value, word) __crc32cd((value), (word))
#define CRC_BYTE(value, byte) __crc32cb((value), (byte))
#endif

_Bool checksum_crc32c_is_available(void) {
#if defined(__x86_64__)
    return __builtin_cpu_supports("sse4.2");
#elif defined(__aarch64__)
    return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0;
#else
    return 0;
#endif
}

#ifdef CRC_TARGET
CRC_TARGET uint32_t checksum_crc32c(uint32_t value, const void *bytes, size_t count) {
    const uint8_t *next = bytes;
    for (; count >= 8; count -= 8, next += 8) {
        uint64_t word;
        memcpy(&word, next, 8);
        value = CRC_WORD(value, word);
    }
    for (; count > 0; count--, next++) value = CRC_BYTE(value, *next);
    return value;
}
#else
uint32_t checksum_crc32c(uint32_t value, const void *bytes, size_t count) {
    (void)bytes;
    (void)count;
    return value;
}
#endif
