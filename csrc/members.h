/*
 * members: the members of a JSON object (RFC 8259, section 4), found without reading their values.
 *
 * For code that needs one or two members of a message before a validator reads the whole message. Each member is given
 * as spans of the text: the undecoded key and the undecoded value. The end of a value is checked; the content of a
 * value is not. `{"a": tru, "b": 1}` has two members here, and the validator finds the error. Supported: any depth, in
 * constant memory and linear time. Not supported: other encodings than UTF-8, comments, trailing commas.
 *
 * Ownership: the spans point into the text that the cursor was made over. Nothing past the end of the text is read.
 */
#ifndef WIREFAST_MEMBERS_H
#define WIREFAST_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>

/* The bytes still to be read. */
typedef struct {
    const char *at;
    const char *end;
    bool first; /* before the first member */
} members_cursor;

typedef struct {
    const char *key; /* between the quotes */
    size_t key_size;
    bool escaped; /* the key holds a backslash */
    const char *value;
    size_t value_size;
    const char *start; /* of the member: the first quote of the key; the member ends where the value ends */
} member;

typedef enum {
    MEMBERS_END,       /* the object is complete, and only white space follows it */
    MEMBERS_FOUND,     /* the next member is in the output */
    MEMBERS_MALFORMED, /* no JSON text can begin or go on like this */
    MEMBERS_NO_OBJECT  /* the text does not begin with an object */
} members_status;

/* Places the cursor before the first member. Returns MEMBERS_FOUND, or MEMBERS_NO_OBJECT. */
members_status members_begin(members_cursor *cursor, const char *text, size_t size);

/* Reads the next member. Returns MEMBERS_FOUND, MEMBERS_END or MEMBERS_MALFORMED. */
members_status members_next(members_cursor *cursor, member *found);

#endif
