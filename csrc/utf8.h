/* Checks UTF-8 (RFC 3629) while it arrives, so that invalid text fails at the first invalid byte and not at the end of
 * the message. Overlong forms, surrogates and code points past U+10FFFF are refused.
 */
#ifndef WIREFAST_UTF8_H
#define WIREFAST_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* The state inside a sequence; all zero at the start of a text. `low` and `high` bound the next byte. */
typedef struct {
    uint8_t missing;
    uint8_t low;
    uint8_t high;
} utf8_state;

/* Checks the next `size` bytes. Returns 1 when the text so far is valid or can become valid, else 0. */
int utf8_feed(utf8_state *state, const uint8_t *bytes, size_t size);

/* Returns 1 when the `size` bytes are a complete valid text, else 0. */
int utf8_valid(const uint8_t *bytes, size_t size);

#endif
