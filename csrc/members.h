/*
 * members: the members of a JSON object (RFC 8259, section 4), found without reading their values.
 *
 * For what has to know one or two members of a message before a validator reads the whole of it. Each member is given
 * as spans of the text: key and value as they stand there, undecoded. What ends a value is checked, what a value holds
 * is not: `{"a": tru, "b": 1}` has two members here and is left to the validator. Supported: any depth, in constant
 * memory and linear time. Not supported: other encodings than UTF-8, comments, trailing commas.
 *
 * Ownership: what the cursor gives points into the text that it was made over. Nothing past its end is read.
 */
#ifndef WIREFAST_MEMBERS_H
#define WIREFAST_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>

/* The bytes still to be read. */
typedef struct {
    const char *at;
    const char *end;
    bool first; /* no member was given yet */
} members_cursor;

typedef struct {
    const char *key; /* between the quotes */
    size_t key_size;
    bool escaped; /* the key holds a backslash */
    const char *value;
    size_t value_size;
    const char *start; /* of the member: the key's first quote; it ends where its value does */
} member;

typedef enum {
    MEMBERS_END,       /* the object is whole, and nothing but white space follows it */
    MEMBERS_FOUND,     /* one member was given */
    MEMBERS_MALFORMED, /* no JSON text can begin or go on like this */
    MEMBERS_NO_OBJECT  /* the text does not begin with an object */
} members_status;

/* Stands before the first member: MEMBERS_FOUND, or MEMBERS_NO_OBJECT. */
members_status members_begin(members_cursor *cursor, const char *text, size_t size);

/* The next member: MEMBERS_FOUND, MEMBERS_END or MEMBERS_MALFORMED. */
members_status members_next(members_cursor *cursor, member *found);

#endif
