/* path_trie where no table of routes comes: full tables, equal hashes, the last index. The source itself, for its parts. */
#include "path_trie.c"

#include <stdio.h>

static void require(bool holds, const char *what) {
    if (!holds) {
        printf("not so: %s\n", what);
        exit(1);
    }
}

static void check_room(void) {
    uint32_t room = UINT32_C(1) << 31;
    char item = 0;
    require(with_room(&item, 1, &room, 1) == &item, "there is room");
    require(with_room(&item, room, &room, 1) == NULL && room == UINT32_C(1) << 31, "the count stays in 32 bits");
    room = 0;
    require(with_room(NULL, 0, &room, SIZE_MAX / 8) == NULL && room == 0, "the size stays in a size_t");
}

static void check_hashes(void) {
    slot slots[8] = {{0}};
    for (size_t i = 0; i < 8; i++)
        slots[i].owner = NIL;
    slots[3] = (slot){.hash = 3, .owner = 2, .text = "abc", .size = 3, .value = 0};
    slots[4] = (slot){.hash = 3, .owner = 4, .text = "abc", .size = 3, .value = 1};
    slots[5] = (slot){.hash = 3, .owner = 4, .text = "abcd", .size = 4, .value = 2};
    slots[6] = (slot){.hash = 3, .owner = 4, .text = "abd", .size = 3, .value = 3};
    slots[7] = (slot){.hash = 3, .owner = 6, .text = NULL, .size = 0, .value = 4};
    require(find_slot(slots, 8, 3, 4, "abd", 3) == &slots[6], "equal hashes do not make keys equal");
    require(find_slot(slots, 8, 3, 6, NULL, 0) == &slots[7], "an empty text is a key");
    require(find_slot(slots, 8, 3, 4, "xyz", 3) == &slots[0], "what is not there has a free slot, past the end too");

    path_trie trie = {.slots = slots, .slot_room = UINT32_C(1) << 31};
    require(!grow_slots(&trie) && trie.slots == slots, "the table stays in 32 bits");
}

static void check_full(void) {
    path_trie *trie = path_trie_new();
    path_token name = {.kind = PATH_LITERAL, .text = "/a-name-of-more-than-eight-bytes", .size = 32};
    path_span spans[1];
    require(trie != NULL, "memory for a trie");

    trie->ending_count = PATH_TRIE_MAX_PATTERNS;
    require(path_trie_add(trie, 0, &name, 1) == PATH_TRIE_TOO_LONG, "patterns have a limit");
    trie->ending_count = 0;
    require(path_trie_add(trie, 0, &name, 1) == PATH_TRIE_OK, "below it they are added");
    require(path_trie_match(trie, name.text, name.size, 0, NULL, spans) == 0, "a long name is found");

    uint32_t nodes = trie->node_count;
    trie->node_count = NIL / 2;
    trie->node_room = NIL;
    require(new_node(trie) == NIL, "nodes have a limit");
    trie->node_count = trie->node_room = nodes;
    path_trie_free(trie);
}

int main(void) {
    check_room();
    check_hashes();
    check_full();
    puts("all checks passed");
    return 0;
}
