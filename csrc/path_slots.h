#ifndef WIREFAST_PATH_SLOTS_H
#define WIREFAST_PATH_SLOTS_H

/* The hash table of path_trie.c: open addressing, at most half full, so that a search ends. Only path_trie.c includes
 * this file. */

#include <stdint.h>
#include <string.h>

/* The index that means: no such node, edge or slot. */
#define NIL UINT32_MAX

typedef struct {
    uint32_t hash;
    uint32_t owner; /* node * 2 + role; NIL in a free slot */
    const char *text;
    uint32_t size;
    uint32_t value;
} slot;

static uint32_t hash_text(uint32_t owner, const char *text, size_t size) {
    const uint64_t factor = 0x9E3779B97F4A7C15u;
    uint64_t hash = (uint64_t)owner * factor + size;
    uint64_t word;
    for (; size >= 8; text += 8, size -= 8) {
        memcpy(&word, text, 8);
        hash = (hash ^ word) * factor;
        hash ^= hash >> 32;
    }
    word = 0;
    for (size_t i = 0; i < size; i++)
        word |= (uint64_t)(unsigned char)text[i] << (8 * i);
    hash = (hash ^ word) * factor;
    return (uint32_t)(hash >> 32);
}

/* The slot of this key, or the free slot where the key belongs; the table always has a free slot. */
static slot *find_slot(slot *slots, uint32_t room, uint32_t hash, uint32_t owner, const char *text, size_t size) {
    uint32_t at = hash & (room - 1);
    while (slots[at].owner != NIL) {
        slot *found = &slots[at];
        if (found->hash == hash && found->owner == owner && found->size == size &&
            (size == 0 || memcmp(found->text, text, size) == 0))
            return found;
        at = (at + 1) & (room - 1);
    }
    return &slots[at];
}

#endif
