/*
 * query: cuts and decodes the two "name=value" lists of a handshake without allocation.
 *
 * The result for a query string is that of urllib.parse.parse_qsl(query.decode("latin-1"), keep_blank_values=True)
 * them: "&" alone separates, empty pieces are left out, a piece without "=" has an empty value, "+" is a space, "%XX" a
 * byte of UTF-8, any other "%" itself, and a raw byte from 0x80 on the Latin-1 character of that number.
 *
 * The result for a Cookie header is that of Starlette's cookie_parser: ";" separates, white space in the sense of
 * str.strip() is removed around names and values, a piece without "=" is a value without a name, and a value between
 * double quotes has the escapes of http.cookies._unquote.
 *
 * Ownership: the spans point into the text that the cursors were made over. The decoders write into the caller's buffer
 * and never past the end of the buffer. The cost is linear in the bytes.
 */
#ifndef WIREFAST_QUERY_H
#define WIREFAST_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The bytes still to be read. */
typedef struct {
    const char *at;
    const char *end;
} query_cursor;

/* A name or a value as in the text, and whether it has to be decoded. */
typedef struct {
    const char *text;
    size_t size;
    bool escaped; /* in a query string: it holds "%" or "+"; in a cookie: it stands between double quotes */
    bool high;    /* in a query string: it holds bytes from 0x80 on */
} query_text;

/* What a decoder returns when `room` is too small. */
#define QUERY_NO_ROOM SIZE_MAX

/* The next pair of a query string; false at the end. */
bool query_next(query_cursor *cursor, query_text *name, query_text *value);

/*
 * Writes a name or value of a query string as UTF-8, which is invalid where the escapes are. Returns the
 * length: at most twice that of the text; at most that of the text where it is not `high`. Decoded with U+FFFD for
 * invalid bytes, the result is that of parse_qsl.
 */
size_t query_decode(const query_text *piece, char *out, size_t room);

/* The next pair of a Cookie header with a name or a value; false at the end. */
bool cookie_next(query_cursor *cursor, query_text *name, query_text *value);

/*
 * Writes an `escaped` cookie value without its quotes and escapes, as Latin-1. Returns the length, which is below that
 * of the text.
 */
size_t cookie_decode(const query_text *value, char *out, size_t room);

#endif
