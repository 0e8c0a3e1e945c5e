/* RFC 6455 section 5.3: XOR of a payload with its masking key.
 *
 * Reads exactly `size` bytes at `in` and writes exactly `size` bytes at `out`, at any alignment; `in` and `out` may be
 * the same buffer and may not overlap otherwise. The implementation is chosen once, by the instructions that the
 * processor has. The portable implementation is always compiled, and tests choose it.
 */
#ifndef WIREFAST_MASK_H
#define WIREFAST_MASK_H

#include <stddef.h>
#include <stdint.h>

/* Masks or unmasks. `phase` is how many bytes of this payload came before `in`: the first byte of `in` is XORed with
 * key[phase % 4]. Returns 1 when all bytes that it wrote are ASCII, else 0. */
int mask_apply(uint8_t *out, const uint8_t *in, size_t size, const uint8_t key[4], size_t phase);

/* Chooses the implementation: "portable", "avx2", or NULL for the fastest. Returns 0, or -1 when this processor or this
 * build does not have it. For tests and benchmarks; call it only while no other thread masks. */
int mask_select(const char *name);

/* The name of the implementation in use. For tests and benchmarks. */
const char *mask_name(void);

#endif
