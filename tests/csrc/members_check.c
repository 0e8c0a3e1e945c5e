/* members: known answers, then every prefix of them and random bytes in buffers of the exact size. */
#include "members.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void require(bool holds, const char *what, const char *text) {
    if (!holds) {
        printf("not so: %s, for %s\n", what, text);
        exit(1);
    }
}

static char *put(char *out, const char *text, size_t size) {
    memcpy(out, text, size);
    return out + size;
}

/* The members of `text` as key=value; and how it ended. */
static members_status list_members(const char *text, size_t size, char *out) {
    char *copy = malloc(size > 0 ? size : 1);
    if (copy == NULL)
        exit(2);
    memcpy(copy, text, size);
    members_cursor cursor;
    member found = {0};
    members_status status = members_begin(&cursor, copy, size);
    while (status == MEMBERS_FOUND) {
        status = members_next(&cursor, &found);
        if (status != MEMBERS_FOUND)
            break;
        require(found.start >= copy && found.key == found.start + 1, "a member begins with its key", text);
        require(found.value + found.value_size <= copy + size && found.value_size > 0, "a value lies inside", text);
        out = put(out, found.key, found.key_size);
        out = put(out, found.escaped ? "~" : "=", 1);
        out = put(out, found.value, found.value_size);
        out = put(out, ";", 1);
    }
    *out = 0;
    free(copy);
    return status;
}

static const struct {
    const char *text;
    members_status end;
    const char *members;
} KNOWN[] = {
    {"{}", MEMBERS_END, ""},
    {" \n\r\t{ } ", MEMBERS_END, ""},
    {"{\"a\":1}", MEMBERS_END, "a=1;"},
    {" { \"a\" : 1 , \"b\" : \"x\" } ", MEMBERS_END, "a=1;b=\"x\";"},
    {"{\"a\\\"b\":\"c\\\\\",\"d\":null}", MEMBERS_END, "a\\\"b~\"c\\\\\";d=null;"},
    {"{\"a\":{\"b\":[1,{\"c\":\"}]\\\"\"}]},\"d\":[]}", MEMBERS_END, "a={\"b\":[1,{\"c\":\"}]\\\"\"}]};d=[];"},
    {"{\"a\":1,\"a\":2}", MEMBERS_END, "a=1;a=2;"},
    {"{\"a\":tru}", MEMBERS_END, "a=tru;"},
    {"{\"a\":1 \n}", MEMBERS_END, "a=1;"},
    {"", MEMBERS_NO_OBJECT, ""},
    {"[1]", MEMBERS_NO_OBJECT, ""},
    {"\"{}\"", MEMBERS_NO_OBJECT, ""},
    {"{", MEMBERS_MALFORMED, ""},
    {"{,}", MEMBERS_MALFORMED, ""},
    {"{a:1}", MEMBERS_MALFORMED, ""},
    {"{\"a", MEMBERS_MALFORMED, ""},
    {"{\"a\\", MEMBERS_MALFORMED, ""},
    {"{\"a\"", MEMBERS_MALFORMED, ""},
    {"{\"a\" 1}", MEMBERS_MALFORMED, ""},
    {"{\"a\":", MEMBERS_MALFORMED, ""},
    {"{\"a\":}", MEMBERS_MALFORMED, ""},
    {"{\"a\":,", MEMBERS_MALFORMED, ""},
    {"{\"a\":1", MEMBERS_MALFORMED, "a=1;"},
    {"{\"a\":1,", MEMBERS_MALFORMED, "a=1;"},
    {"{\"a\":1,}", MEMBERS_MALFORMED, "a=1;"},
    {"{\"a\":1 2}", MEMBERS_MALFORMED, "a=1;"},
    {"{\"a\":1}}", MEMBERS_MALFORMED, "a=1;"},
    {"{\"a\":1} x", MEMBERS_MALFORMED, "a=1;"},
    {"{\"a\":[1", MEMBERS_MALFORMED, ""},
    {"{\"a\":[\"", MEMBERS_MALFORMED, ""},
    {"{\"a\":\"b", MEMBERS_MALFORMED, ""},
};

int main(void) {
    char out[512];
    size_t known = sizeof KNOWN / sizeof KNOWN[0];
    for (size_t i = 0; i < known; i++) {
        const char *text = KNOWN[i].text;
        members_status end = list_members(text, strlen(text), out);
        require(end == KNOWN[i].end, "the text ends so", text);
        require(strcmp(out, KNOWN[i].members) == 0, out, text);
        for (size_t size = 0; size < strlen(text); size++)
            list_members(text, size, out);
    }
    const char bytes[] = "{}[]\":,\\ a1\n";
    srand(1);
    for (int round = 0; round < 200000; round++) {
        char text[24] = "{\"";
        size_t size = (size_t)(rand() % 22) + 2;
        for (size_t i = round % 2 ? 2 : 0; i < size; i++)
            text[i] = bytes[(size_t)rand() % (sizeof bytes - 1)];
        list_members(text, size, out);
    }
    printf("all checks passed\n");
    return 0;
}
