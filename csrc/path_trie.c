#include "path_trie.h"

#include "path_slots.h"

#include <stdlib.h>
#include <string.h>

/* A node without patterns has NIL (path_slots.h) as its `first`. */

/*
 * A point between two segments. The patterns under the node have indexes from `first` to `last`; the patterns that end
 * at the node are listed in ascending order from `ends` on.
 */
typedef struct {
    uint32_t first, last;
    uint32_t ends, ends_last;
    uint32_t prefixes; /* the lengths of the literal starts of the pattern edges from here */
    uint32_t longest;  /* bytes of the longest literal edge from here, plus 1; 0 without one */
} node;

/* A pattern that ends at a node. */
typedef struct {
    uint32_t index;
    uint32_t next;
} ending;

typedef struct {
    uint32_t size;
    uint32_t next;
} prefix;

/*
 * A segment with parameters, or (`tail`) the rest of a pattern from a segment with a PATH on. A group is the edges of
 * one node with one literal start; they are linked in the order of the `first` of their targets.
 */
typedef struct {
    const path_token *tokens;
    uint32_t count;
    uint32_t params; /* how many tokens are parameters */
    uint32_t target;
    uint32_t next;
    bool tail;
} edge;

/* What a node has under a text: the target of a literal edge, or the first edge of a group. */
typedef enum { LITERAL_EDGE = 0, PATTERN_GROUP = 1 } role;

/* The tokens of one pattern, cut at slashes, and behind them their texts. */
typedef struct block {
    struct block *next;
    path_token tokens[];
} block;

struct path_trie {
    node *nodes;
    edge *edges;
    ending *endings;
    prefix *prefixes;
    uint32_t node_count, edge_count, ending_count, prefix_count;
    uint32_t node_room, edge_room, ending_room, prefix_room;
    slot *slots; /* open addressing, at most half full */
    uint32_t slot_count, slot_room;
    block *blocks;
    size_t max_params;
    size_t max_rows; /* of the largest table of a pattern; 0 when no pattern needs a table */
};

/* ---- Storage ---- */

/* Returns `array` with room for one more item, perhaps at another address; without memory NULL, and `array` is
 * unchanged. */
static void *with_room(void *array, uint32_t count, uint32_t *room, size_t item) {
    if (count < *room)
        return array;
    uint32_t wanted = *room == 0 ? 16 : *room * 2;
    if (wanted <= *room || wanted > SIZE_MAX / item)
        return NULL;
    void *moved = realloc(array, wanted * item);
    if (moved != NULL)
        *room = wanted;
    return moved;
}

static uint32_t new_node(path_trie *trie) {
    node *nodes = with_room(trie->nodes, trie->node_count, &trie->node_room, sizeof *nodes);
    if (nodes == NULL || trie->node_count >= NIL / 2)
        return NIL;
    trie->nodes = nodes;
    nodes[trie->node_count] =
        (node){.first = NIL, .last = 0, .ends = NIL, .ends_last = NIL, .prefixes = NIL, .longest = 0};
    return trie->node_count++;
}

path_trie *path_trie_new(void) {
    path_trie *trie = calloc(1, sizeof *trie);
    if (trie == NULL)
        return NULL;
    if (new_node(trie) == NIL) {
        free(trie);
        return NULL;
    }
    return trie;
}

void path_trie_free(path_trie *trie) {
    if (trie == NULL)
        return;
    while (trie->blocks != NULL) {
        block *next = trie->blocks->next;
        free(trie->blocks);
        trie->blocks = next;
    }
    free(trie->nodes);
    free(trie->edges);
    free(trie->endings);
    free(trie->prefixes);
    free(trie->slots);
    free(trie);
}

/* ---- The hash table of what nodes have ---- */

static uint32_t lookup(const path_trie *trie, uint32_t at, role role, const char *text, size_t size) {
    if (trie->slots == NULL)
        return NIL;
    uint32_t owner = at * 2 + (uint32_t)role;
    const slot *found = find_slot(trie->slots, trie->slot_room, hash_text(owner, text, size), owner, text, size);
    return found->owner == NIL ? NIL : found->value;
}

static bool grow_slots(path_trie *trie) {
    uint32_t room = trie->slot_room == 0 ? 32 : trie->slot_room * 2;
    if (room <= trie->slot_room)
        return false;
    slot *slots = calloc(room, sizeof *slots);
    if (slots == NULL)
        return false;
    for (uint32_t i = 0; i < room; i++)
        slots[i].owner = NIL;
    for (uint32_t i = 0; i < trie->slot_room; i++) {
        const slot *old = &trie->slots[i];
        if (old->owner != NIL)
            *find_slot(slots, room, old->hash, old->owner, old->text, old->size) = *old;
    }
    free(trie->slots);
    trie->slots = slots;
    trie->slot_room = room;
    return true;
}

/* Gives a node a `value` under a text that the node does not have yet; the text is not copied. */
static bool hang(path_trie *trie, uint32_t at, role role, const char *text, uint32_t size, uint32_t value) {
    if (trie->slot_count >= trie->slot_room / 2 && !grow_slots(trie))
        return false;
    uint32_t owner = at * 2 + (uint32_t)role;
    uint32_t hash = hash_text(owner, text, size);
    *find_slot(trie->slots, trie->slot_room, hash, owner, text, size) =
        (slot){.hash = hash, .owner = owner, .text = text, .size = size, .value = value};
    trie->slot_count++;
    return true;
}

/* ---- Building ---- */

static bool equal_tokens(const path_token *left, const path_token *right, uint32_t count) {
    for (uint32_t j = 0; j < count; j++) {
        if (left[j].kind != right[j].kind || left[j].size != right[j].size)
            return false;
        if (left[j].kind == PATH_LITERAL && memcmp(left[j].text, right[j].text, left[j].size) != 0)
            return false;
    }
    return true;
}

static bool note_prefix(path_trie *trie, uint32_t at, uint32_t size) {
    for (uint32_t i = trie->nodes[at].prefixes; i != NIL; i = trie->prefixes[i].next) {
        if (trie->prefixes[i].size == size)
            return true;
    }
    prefix *prefixes = with_room(trie->prefixes, trie->prefix_count, &trie->prefix_room, sizeof *prefixes);
    if (prefixes == NULL)
        return false;
    trie->prefixes = prefixes;
    prefixes[trie->prefix_count] = (prefix){.size = size, .next = trie->nodes[at].prefixes};
    trie->nodes[at].prefixes = trie->prefix_count++;
    return true;
}

/* The node behind a literal segment; made where it does not exist. NIL without memory. */
static uint32_t literal_target(path_trie *trie, uint32_t at, const char *text, uint32_t size) {
    uint32_t target = lookup(trie, at, LITERAL_EDGE, text, size);
    if (target != NIL)
        return target;
    target = new_node(trie);
    if (target == NIL || !hang(trie, at, LITERAL_EDGE, text, size, target))
        return NIL;
    if (trie->nodes[at].longest <= size)
        trie->nodes[at].longest = size + 1;
    return target;
}

/* The node behind a segment with parameters or a tail; made where it does not exist. NIL without memory. */
static uint32_t pattern_target(path_trie *trie, uint32_t at, path_token *tokens, uint32_t count, bool tail) {
    const char *text = tokens[0].kind == PATH_LITERAL ? tokens[0].text : NULL;
    uint32_t size = tokens[0].kind == PATH_LITERAL ? tokens[0].size : 0;
    uint32_t group = lookup(trie, at, PATTERN_GROUP, text, size);
    uint32_t last = NIL;
    for (uint32_t i = group; i != NIL; i = trie->edges[i].next) {
        const edge *known = &trie->edges[i];
        if (known->tail == tail && known->count == count && equal_tokens(known->tokens, tokens, count))
            return known->target;
        last = i;
    }

    size_t rows = path_pattern_prepare(tokens, count);
    if (rows > trie->max_rows)
        trie->max_rows = rows;
    edge *edges = with_room(trie->edges, trie->edge_count, &trie->edge_room, sizeof *edges);
    if (edges == NULL)
        return NIL;
    trie->edges = edges;
    uint32_t target = new_node(trie);
    if (target == NIL)
        return NIL;
    uint32_t made = trie->edge_count++;
    edges[made] = (edge){.tokens = tokens, .count = count, .target = target, .next = NIL, .tail = tail};
    for (uint32_t j = 0; j < count; j++)
        edges[made].params += tokens[j].kind != PATH_LITERAL;
    if (last != NIL) {
        edges[last].next = made;
        return target;
    }
    if (!note_prefix(trie, at, size) || !hang(trie, at, PATTERN_GROUP, text, size, made))
        return NIL;
    return target;
}

static uint32_t segment_target(path_trie *trie, uint32_t at, path_token *tokens, uint32_t count) {
    if (count == 0)
        return literal_target(trie, at, NULL, 0);
    if (count == 1 && tokens[0].kind == PATH_LITERAL)
        return literal_target(trie, at, tokens[0].text, tokens[0].size);
    return pattern_target(trie, at, tokens, count, false);
}

static void enter(path_trie *trie, uint32_t at, uint32_t index) {
    if (trie->nodes[at].first == NIL)
        trie->nodes[at].first = index;
    trie->nodes[at].last = index;
}

static bool add_ending(path_trie *trie, uint32_t at, uint32_t index) {
    ending *endings = with_room(trie->endings, trie->ending_count, &trie->ending_room, sizeof *endings);
    if (endings == NULL)
        return false;
    trie->endings = endings;
    uint32_t made = trie->ending_count++;
    endings[made] = (ending){.index = index, .next = NIL};
    if (trie->nodes[at].ends == NIL)
        trie->nodes[at].ends = made;
    else
        endings[trie->nodes[at].ends_last].next = made;
    trie->nodes[at].ends_last = made;
    return true;
}

typedef struct {
    size_t text;
    size_t slashes;
    size_t params;
} extent;

static path_trie_status measure(const path_token *tokens, size_t count, extent *sum) {
    *sum = (extent){0, 0, 0};
    if (count > PATH_TRIE_MAX_TOKENS)
        return PATH_TRIE_TOO_LONG;
    for (size_t j = 0; j < count; j++) {
        if (tokens[j].kind != PATH_LITERAL) {
            if (tokens[j].kind > PATH_UUID)
                return PATH_TRIE_INVALID;
            sum->params++;
            continue;
        }
        if (tokens[j].size == 0 || (j > 0 && tokens[j - 1].kind == PATH_LITERAL))
            return PATH_TRIE_INVALID;
        sum->text += tokens[j].size;
        if (sum->text > PATH_TRIE_MAX_TEXT)
            return PATH_TRIE_TOO_LONG;
        for (uint32_t i = 0; i < tokens[j].size; i++)
            sum->slashes += tokens[j].text[i] == '/';
    }
    return sum->slashes > PATH_TRIE_MAX_SLASHES ? PATH_TRIE_TOO_LONG : PATH_TRIE_OK;
}

/* The node where the pattern of these tokens ends; made, with the way to it, where it does not exist. NIL without
 * memory. */
static uint32_t place(path_trie *trie, path_token *cut, uint32_t index, const path_token *tokens, size_t count) {
    uint32_t at = 0;
    path_token *segment = cut; /* the segment being collected is segment[0:cut - segment] */
    enter(trie, at, index);
    for (size_t j = 0; j < count; j++) {
        if (tokens[j].kind == PATH_PATH) {
            memcpy(cut, tokens + j, (count - j) * sizeof *cut);
            cut += count - j;
            at = pattern_target(trie, at, segment, (uint32_t)(cut - segment), true);
            if (at != NIL)
                enter(trie, at, index);
            return at;
        }
        if (tokens[j].kind != PATH_LITERAL) {
            *cut++ = tokens[j];
            continue;
        }
        const char *text = tokens[j].text;
        const char *end = text + tokens[j].size;
        for (;;) {
            const char *slash = text < end ? memchr(text, '/', (size_t)(end - text)) : NULL;
            const char *stop = slash == NULL ? end : slash;
            if (stop > text)
                *cut++ = (path_token){.kind = PATH_LITERAL, .text = text, .size = (uint32_t)(stop - text)};
            if (slash == NULL)
                break;
            at = segment_target(trie, at, segment, (uint32_t)(cut - segment));
            if (at == NIL)
                return NIL;
            enter(trie, at, index);
            segment = cut;
            text = slash + 1;
        }
    }
    at = segment_target(trie, at, segment, (uint32_t)(cut - segment));
    if (at != NIL)
        enter(trie, at, index);
    return at;
}

path_trie_status path_trie_add(path_trie *trie, uint32_t index, const path_token *tokens, size_t count) {
    extent sum;
    path_trie_status status = measure(tokens, count, &sum);
    if (status != PATH_TRIE_OK)
        return status;
    if (index == PATH_TRIE_NONE || (trie->nodes[0].first != NIL && index <= trie->nodes[0].last))
        return PATH_TRIE_INVALID;
    if (trie->ending_count >= PATH_TRIE_MAX_PATTERNS)
        return PATH_TRIE_TOO_LONG;

    /* Copies the given tokens, then the same tokens cut at the slashes, then the texts of both. */
    size_t all = count + count + sum.slashes;
    block *made = malloc(sizeof *made + all * sizeof(path_token) + sum.text);
    if (made == NULL)
        return PATH_TRIE_NO_MEMORY;
    made->next = trie->blocks;
    trie->blocks = made;
    char *text = (char *)(made->tokens + all);
    for (size_t j = 0; j < count; j++) {
        made->tokens[j] = tokens[j];
        if (tokens[j].kind == PATH_LITERAL) {
            memcpy(text, tokens[j].text, tokens[j].size);
            made->tokens[j].text = text;
            text += tokens[j].size;
        }
    }

    uint32_t at = place(trie, made->tokens + count, index, made->tokens, count);
    if (at == NIL || !add_ending(trie, at, index))
        return PATH_TRIE_NO_MEMORY;
    if (sum.params > trie->max_params)
        trie->max_params = sum.params;
    return PATH_TRIE_OK;
}

/* ---- Matching ---- */

typedef struct {
    const path_trie *trie;
    const char *path;
    size_t size;
    uint32_t lowest;
    uint32_t best; /* the smallest index found so far */
    uint64_t *table;
    path_span *taken; /* what the parameters on the way to the current node took */
    path_span *spans; /* the same for `best` */
} search;

size_t path_trie_max_params(const path_trie *trie) {
    return trie->max_params;
}

size_t path_trie_work_size(const path_trie *trie, size_t size) {
    size_t spans = trie->max_params * sizeof(path_span);
    size_t words = path_pattern_row_words(size);
    if (trie->max_rows > (SIZE_MAX - spans) / sizeof(uint64_t) / words)
        return SIZE_MAX;
    return spans + trie->max_rows * words * sizeof(uint64_t);
}

/* Whether a pattern under this node could still be the best match. */
static bool is_worth(const search *search, uint32_t at) {
    const node *here = &search->trie->nodes[at];
    return here->first < search->best && here->last >= search->lowest;
}

/* Ends a match: the whole path led to this node, and the parameters on the way took `params` spans. */
static void arrive(search *search, uint32_t at, size_t params) {
    const path_trie *trie = search->trie;
    for (uint32_t next = trie->nodes[at].ends; next != NIL; next = trie->endings[next].next) {
        uint32_t index = trie->endings[next].index;
        if (index < search->lowest)
            continue;
        if (index < search->best) {
            search->best = index;
            for (size_t i = 0; i < params; i++)
                search->spans[i] = search->taken[i];
        }
        return;
    }
}

/* Matches the segment at `start` and all behind it from this node, to which the path up to `start` has led. */
static void walk(search *search, uint32_t at, size_t start, size_t params) {
    const path_trie *trie = search->trie;
    const char *path = search->path;
    for (;;) {
        const node *here = &trie->nodes[at];
        const char *slash = start < search->size ? memchr(path + start, '/', search->size - start) : NULL;
        size_t end = slash == NULL ? search->size : (size_t)(slash - path);
        bool final = slash == NULL;
        size_t size = end - start;

        uint32_t target = size < here->longest ? lookup(trie, at, LITERAL_EDGE, path + start, size) : NIL;
        if (final) {
            if (target != NIL)
                arrive(search, target, params);
            if (size > 0 && size - 1 < here->longest && path[end - 1] == '\n') {
                target = lookup(trie, at, LITERAL_EDGE, path + start, size - 1);
                if (target != NIL)
                    arrive(search, target, params);
            }
        } else if (target != NIL && is_worth(search, target)) {
            if (here->prefixes == NIL) {
                at = target;
                start = end + 1;
                continue;
            }
            walk(search, target, end + 1, params);
        }

        for (uint32_t i = here->prefixes; i != NIL; i = trie->prefixes[i].next) {
            if (trie->prefixes[i].size > size)
                continue;
            uint32_t next = lookup(trie, at, PATTERN_GROUP, path + start, trie->prefixes[i].size);
            for (; next != NIL; next = trie->edges[next].next) {
                const edge *tried = &trie->edges[next];
                if (trie->nodes[tried->target].first >= search->best)
                    break;
                if (!is_worth(search, tried->target))
                    continue;
                bool whole = tried->tail || final;
                if (!path_pattern_match(tried->tokens, tried->count, path, start, tried->tail ? search->size : end,
                                        whole, search->table, search->taken + params))
                    continue;
                if (whole)
                    arrive(search, tried->target, params + tried->params);
                else
                    walk(search, tried->target, end + 1, params + tried->params);
            }
        }
        return;
    }
}

uint32_t path_trie_match(const path_trie *trie, const char *path, size_t size, uint32_t lowest, void *work,
                         path_span *spans) {
    search search = {.trie = trie, .path = path, .size = size, .lowest = lowest, .best = PATH_TRIE_NONE};
    search.taken = work;
    search.table = (uint64_t *)((char *)work + trie->max_params * sizeof(path_span));
    search.spans = spans;
    if (is_worth(&search, 0))
        walk(&search, 0, 0, 0);
    return search.best;
}
