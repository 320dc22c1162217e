// HighwayHash-64 four lanes at a time: Swift's vectors are those of the oldest processors.
#include "CChecksum.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#define HASH_TARGET __attribute__((target("avx2")))

_Bool checksum_highwayhash64_is_available(void) { return __builtin_cpu_supports("avx2"); }

typedef struct {
    __m256i v0, v1, mul0, mul1;
} State;

// Every byte of a product reaches another lane.
HASH_TARGET static inline __m256i zip(__m256i value) {
    return _mm256_shuffle_epi8(
        value,
        _mm256_set_epi64x(
            0x070806090D0A040B, 0x000F010E05020C03, 0x070806090D0A040B, 0x000F010E05020C03
        )
    );
}

HASH_TARGET static inline void mix(State *state, __m256i packet) {
    state->v1 = _mm256_add_epi64(state->v1, _mm256_add_epi64(state->mul0, packet));
    state->mul0 = _mm256_xor_si256(state->mul0, _mm256_mul_epu32(state->v1, _mm256_srli_epi64(state->v0, 32)));
    state->v0 = _mm256_add_epi64(state->v0, state->mul1);
    state->mul1 = _mm256_xor_si256(state->mul1, _mm256_mul_epu32(state->v0, _mm256_srli_epi64(state->v1, 32)));
    state->v0 = _mm256_add_epi64(state->v0, zip(state->v1));
    state->v1 = _mm256_add_epi64(state->v1, zip(state->v0));
}

// What does not fill a packet.
HASH_TARGET static inline void mix_rest(State *state, const uint8_t *rest, int count) {
    state->v0 = _mm256_add_epi64(state->v0, _mm256_set1_epi32(count));
    state->v1 = _mm256_or_si256(
        _mm256_sll_epi32(state->v1, _mm_cvtsi32_si128(count)),
        _mm256_srl_epi32(state->v1, _mm_cvtsi32_si128(32 - count))
    );
    uint8_t packet[32] = {0};
    int whole = count & ~3, odd = count & 3;
    memcpy(packet, rest, (size_t)whole);
    if (count & 16) {
        memcpy(packet + 28, rest + whole + odd - 4, 4);
    } else if (odd > 0) {
        packet[16] = rest[whole];
        packet[17] = rest[whole + (odd >> 1)];
        packet[18] = rest[whole + odd - 1];
    }
    mix(state, _mm256_loadu_si256((const __m256i *)packet));
}

HASH_TARGET uint64_t checksum_highwayhash64(
    const uint64_t keyed[16], const struct checksum_part *parts, size_t count
) {
    State state = {
        _mm256_loadu_si256((const __m256i *)keyed),
        _mm256_loadu_si256((const __m256i *)(keyed + 4)),
        _mm256_loadu_si256((const __m256i *)(keyed + 8)),
        _mm256_loadu_si256((const __m256i *)(keyed + 12)),
    };
    uint8_t rest[32];
    size_t filled = 0;
    for (; count > 0; count--, parts++) {
        const uint8_t *bytes = parts->bytes;
        size_t left = parts->count;
        if (left == 0) continue;
        if (filled > 0) {
            size_t taken = left < 32 - filled ? left : 32 - filled;
            memcpy(rest + filled, bytes, taken);
            filled += taken, bytes += taken, left -= taken;
            if (filled < 32) continue;
            mix(&state, _mm256_loadu_si256((const __m256i *)rest));
        }
        for (; left >= 32; left -= 32, bytes += 32) mix(&state, _mm256_loadu_si256((const __m256i *)bytes));
        filled = left;
        memcpy(rest, bytes, left);
    }
    if (filled > 0) mix_rest(&state, rest, (int)filled);
    for (int round = 0; round < 4; round++) {
        __m256i swapped = _mm256_permute4x64_epi64(state.v0, _MM_SHUFFLE(1, 0, 3, 2));
        mix(&state, _mm256_shuffle_epi32(swapped, _MM_SHUFFLE(2, 3, 0, 1)));
    }
    __m256i sum = _mm256_add_epi64(
        _mm256_add_epi64(state.v0, state.v1), _mm256_add_epi64(state.mul0, state.mul1)
    );
    return (uint64_t)_mm256_extract_epi64(sum, 0);
}
#else
_Bool checksum_highwayhash64_is_available(void) { return 0; }

uint64_t checksum_highwayhash64(const uint64_t keyed[16], const struct checksum_part *parts, size_t count) {
    (void)keyed;
    (void)parts;
    (void)count;
    return 0;
}
#endif
