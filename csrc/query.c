#include "query.h"

#include <string.h>

static bool is_high(char byte) {
    return ((unsigned char)byte & 0x80) != 0;
}

/* The value of a hexadecimal digit, or -1. */
static int hex_value(char digit) {
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F')
        return digit - 'A' + 10;
    return -1;
}

/* Reads up to `stop`, "&" or the end. The cursor stops there. */
static query_text read_piece(query_cursor *cursor, char stop) {
    query_text piece = {.text = cursor->at};
    for (; cursor->at < cursor->end && *cursor->at != stop && *cursor->at != '&'; cursor->at++) {
        piece.escaped |= *cursor->at == '%' || *cursor->at == '+';
        piece.high |= is_high(*cursor->at);
    }
    piece.size = (size_t)(cursor->at - piece.text);
    return piece;
}

bool query_next(query_cursor *cursor, query_text *name, query_text *value) {
    while (cursor->at < cursor->end && *cursor->at == '&')
        cursor->at++;
    if (cursor->at == cursor->end)
        return false;
    *name = read_piece(cursor, '=');
    if (cursor->at < cursor->end && *cursor->at == '=')
        cursor->at++;
    *value = read_piece(cursor, '&');
    return true;
}

size_t query_decode(const query_text *piece, char *out, size_t room) {
    const char *end = piece->text + piece->size;
    size_t written = 0;
    for (const char *at = piece->text; at < end; at++) {
        unsigned char byte = (unsigned char)*at;
        if (byte == '%' && end - at > 2 && hex_value(at[1]) >= 0 && hex_value(at[2]) >= 0) {
            byte = (unsigned char)(hex_value(at[1]) * 16 + hex_value(at[2]));
            at += 2;
        } else if (byte >= 0x80) {
            /* Writes a Latin-1 character as UTF-8. The first byte also ends an incomplete escaped character. */
            if (written == room)
                return QUERY_NO_ROOM;
            out[written++] = (char)(0xC0 | byte >> 6);
            byte = 0x80 | (byte & 0x3F);
        } else if (byte == '+') {
            byte = ' ';
        }
        if (written == room)
            return QUERY_NO_ROOM;
        out[written++] = (char)byte;
    }
    return written;
}

/* Whether str.strip() removes this Latin-1 character. */
static bool is_space(char byte) {
    unsigned char code = (unsigned char)byte;
    return code == ' ' || (code >= 0x09 && code <= 0x0D) || (code >= 0x1C && code <= 0x1F) || code == 0x85 ||
           code == 0xA0;
}

static query_text strip(const char *start, const char *end) {
    while (start < end && is_space(*start))
        start++;
    while (start < end && is_space(end[-1]))
        end--;
    return (query_text){.text = start, .size = (size_t)(end - start)};
}

bool cookie_next(query_cursor *cursor, query_text *name, query_text *value) {
    while (cursor->at < cursor->end) {
        const char *start = cursor->at;
        const char *stop = memchr(start, ';', (size_t)(cursor->end - start));
        if (stop == NULL)
            stop = cursor->end;
        cursor->at = stop < cursor->end ? stop + 1 : stop;

        const char *equals = start < stop ? memchr(start, '=', (size_t)(stop - start)) : NULL;
        *name = equals == NULL ? strip(start, start) : strip(start, equals);
        *value = equals == NULL ? strip(start, stop) : strip(equals + 1, stop);
        if (name->size == 0 && value->size == 0)
            continue;
        value->escaped = value->size >= 2 && value->text[0] == '"' && value->text[value->size - 1] == '"';
        return true;
    }
    return false;
}

static bool is_octal(char digit, char most) {
    return digit >= '0' && digit <= most;
}

size_t cookie_decode(const query_text *value, char *out, size_t room) {
    const char *at = value->text + 1;
    const char *end = value->text + value->size - 1;
    size_t written = 0;
    while (at < end) {
        char byte = *at++;
        if (byte == '\\' && end - at >= 3 && is_octal(at[0], '3') && is_octal(at[1], '7') && is_octal(at[2], '7')) {
            byte = (char)((at[0] - '0') * 64 + (at[1] - '0') * 8 + (at[2] - '0'));
            at += 3;
        } else if (byte == '\\' && at < end && *at != '\n') {
            byte = *at++;
        }
        if (written == room)
            return QUERY_NO_ROOM;
        out[written++] = byte;
    }
    return written;
}
