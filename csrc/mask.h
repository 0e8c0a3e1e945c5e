/* RFC 6455 section 5.3: XOR of a payload with its masking key.
 *
 * Reads exactly `size` bytes at `in` and writes exactly `size` bytes at `out`, at any alignment; the two
 * may be the same buffer and may not overlap otherwise. The implementation is chosen once, by what the
 * processor can do; the portable one is always compiled and may be chosen instead, as tests do.
 */
#ifndef WIREFAST_MASK_H
#define WIREFAST_MASK_H

#include <stddef.h>
#include <stdint.h>

/* Masks or unmasks. `phase` is how many bytes of this payload came before `in`: its first byte is XORed
 * with key[phase % 4]. */
void mask_apply(uint8_t *out, const uint8_t *in, size_t size, const uint8_t key[4], size_t phase);

/* Chooses the implementation: "portable", "avx2", or NULL for the best there is. Returns 0, or -1 when
 * this processor (or this build) has no such one. For tests and benchmarks; not while another thread masks. */
int mask_select(const char *name);

/* The name of the implementation in use; for the same. */
const char *mask_name(void);

#endif
