#include "mask.h"

#include <string.h>

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define HAVE_AVX2 1
#include <immintrin.h>
#endif

typedef int apply_function(uint8_t *out, const uint8_t *in, size_t size, const uint8_t key[4]);

/* In all functions below, `key` is already rotated so that key[0] masks the first byte. */

#define NOT_ASCII UINT64_C(0x8080808080808080)

static int apply_portable(uint8_t *out, const uint8_t *in, size_t size, const uint8_t key[4]) {
    uint8_t twice[8];
    uint64_t pattern, word, seen = 0;
    memcpy(twice, key, 4);
    memcpy(twice + 4, key, 4);
    memcpy(&pattern, twice, 8);
    size_t i = 0;
    for (; size - i >= 8; i += 8) {
        memcpy(&word, in + i, 8);
        word ^= pattern;
        seen |= word;
        memcpy(out + i, &word, 8);
    }
    for (; i < size; i++) {
        out[i] = in[i] ^ key[i & 3];
        seen |= out[i];
    }
    return (seen & NOT_ASCII) == 0;
}

#ifdef HAVE_AVX2
__attribute__((target("avx2"))) static int apply_avx2(uint8_t *out, const uint8_t *in, size_t size,
                                                      const uint8_t key[4]) {
    int32_t word;
    memcpy(&word, key, 4);
    const __m256i pattern = _mm256_set1_epi32(word);
    __m256i seen = _mm256_setzero_si256();
    size_t i = 0;
    for (; size - i >= 32; i += 32) {
        __m256i block = _mm256_loadu_si256((const __m256i *)(const void *)(in + i));
        block = _mm256_xor_si256(block, pattern);
        seen = _mm256_or_si256(seen, block);
        _mm256_storeu_si256((__m256i *)(void *)(out + i), block);
    }
    /* i is a multiple of 4, so key[0] masks the next byte. */
    int ascii = i == size || apply_portable(out + i, in + i, size - i, key);
    return ascii && _mm256_movemask_epi8(seen) == 0;
}
#endif

static apply_function *chosen;
static const char *chosen_name = "portable";

int mask_select(const char *name) {
#ifdef HAVE_AVX2
    if ((name == NULL || strcmp(name, "avx2") == 0) && __builtin_cpu_supports("avx2")) {
        chosen = apply_avx2;
        chosen_name = "avx2";
        return 0;
    }
#endif
    if (name == NULL || strcmp(name, "portable") == 0) {
        chosen = apply_portable;
        chosen_name = "portable";
        return 0;
    }
    return -1;
}

/* The chosen implementation. The first use chooses the fastest that the processor has. */
static apply_function *choice(void) {
    if (chosen == NULL) {
        mask_select(NULL);
    }
    return chosen;
}

const char *mask_name(void) {
    choice();
    return chosen_name;
}

int mask_apply(uint8_t *out, const uint8_t *in, size_t size, const uint8_t key[4], size_t phase) {
    uint8_t rotated[4];
    if (phase % 4 == 0) {
        return choice()(out, in, size, key);
    }
    for (size_t i = 0; i < 4; i++) {
        rotated[i] = key[(phase + i) & 3];
    }
    return choice()(out, in, size, rotated);
}
