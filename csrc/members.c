#include "members.h"

static bool is_space(char byte) {
    return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

static void skip_space(members_cursor *cursor) {
    while (cursor->at < cursor->end && is_space(*cursor->at))
        cursor->at++;
}

/* Moves from an opening quote to behind the closing quote; false when there is no closing quote. */
static bool skip_string(members_cursor *cursor, bool *escaped) {
    const char *at = cursor->at + 1, *end = cursor->end;
    while (at < end && *at != '"') {
        if (*at == '\\') {
            *escaped = true;
            if (++at == end)
                break;
        }
        at++;
    }
    if (at == end)
        return false;
    cursor->at = at + 1;
    return true;
}

/* Moves from an opening bracket to behind the closing bracket. Brackets are counted; their kinds are not compared. */
static bool skip_nested(members_cursor *cursor) {
    size_t depth = 0;
    bool escaped;
    while (cursor->at < cursor->end) {
        char byte = *cursor->at;
        if (byte == '"') {
            if (!skip_string(cursor, &escaped))
                return false;
            continue;
        }
        cursor->at++;
        if (byte == '{' || byte == '[')
            depth++;
        else if ((byte == '}' || byte == ']') && --depth == 0)
            return true;
    }
    return false;
}

static bool skip_value(members_cursor *cursor) {
    const char *start = cursor->at;
    bool escaped;
    if (start == cursor->end)
        return false;
    if (*start == '"')
        return skip_string(cursor, &escaped);
    if (*start == '{' || *start == '[')
        return skip_nested(cursor);
    while (cursor->at < cursor->end && !is_space(*cursor->at) && *cursor->at != ',' && *cursor->at != '}')
        cursor->at++;
    return cursor->at > start;
}

/* Takes white space and then this one byte; false when another byte follows the white space. */
static bool take(members_cursor *cursor, char byte) {
    skip_space(cursor);
    if (cursor->at == cursor->end || *cursor->at != byte)
        return false;
    cursor->at++;
    return true;
}

members_status members_begin(members_cursor *cursor, const char *text, size_t size) {
    cursor->at = text;
    cursor->end = text + size;
    cursor->first = true;
    return take(cursor, '{') ? MEMBERS_FOUND : MEMBERS_NO_OBJECT;
}

members_status members_next(members_cursor *cursor, member *found) {
    if (take(cursor, '}')) {
        skip_space(cursor);
        return cursor->at == cursor->end ? MEMBERS_END : MEMBERS_MALFORMED;
    }
    if (!cursor->first && !take(cursor, ','))
        return MEMBERS_MALFORMED;
    cursor->first = false;
    skip_space(cursor);
    if (cursor->at == cursor->end || *cursor->at != '"')
        return MEMBERS_MALFORMED;
    found->start = cursor->at;
    found->key = cursor->at + 1;
    found->escaped = false;
    if (!skip_string(cursor, &found->escaped))
        return MEMBERS_MALFORMED;
    found->key_size = (size_t)(cursor->at - 1 - found->key);
    if (!take(cursor, ':'))
        return MEMBERS_MALFORMED;
    skip_space(cursor);
    found->value = cursor->at;
    if (!skip_value(cursor))
        return MEMBERS_MALFORMED;
    found->value_size = (size_t)(cursor->at - found->value);
    return MEMBERS_FOUND;
}
