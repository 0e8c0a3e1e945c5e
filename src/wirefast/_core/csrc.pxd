# Declarations of the C libraries under csrc/, whose headers are the documentation.

from libc.stddef cimport size_t
from libc.stdint cimport uint32_t, uint64_t


cdef extern from "path_pattern.h" nogil:
    ctypedef enum path_kind:
        PATH_LITERAL
        PATH_STR
        PATH_PATH
        PATH_INT
        PATH_FLOAT
        PATH_UUID

    ctypedef struct path_token:
        path_kind kind
        bint sure
        uint32_t size
        const char* text

    ctypedef struct path_span:
        size_t start
        size_t end


cdef extern from "path_trie.h" nogil:
    ctypedef struct path_trie:
        pass

    ctypedef enum path_trie_status:
        PATH_TRIE_OK
        PATH_TRIE_NO_MEMORY
        PATH_TRIE_TOO_LONG
        PATH_TRIE_INVALID

    const size_t PATH_TRIE_MAX_TOKENS
    const uint32_t PATH_TRIE_NONE

    path_trie* path_trie_new()
    void path_trie_free(path_trie* trie)
    path_trie_status path_trie_add(path_trie* trie, uint32_t index, const path_token* tokens, size_t count)
    size_t path_trie_max_params(const path_trie* trie)
    size_t path_trie_work_size(const path_trie* trie, size_t size)
    uint32_t path_trie_match(
        const path_trie* trie, const char* path, size_t size, uint32_t lowest, void* work, path_span* spans)


cdef extern from "query.h" nogil:
    ctypedef struct query_cursor:
        const char* at
        const char* end

    ctypedef struct query_text:
        const char* text
        size_t size
        bint escaped
        bint high

    const size_t QUERY_NO_ROOM

    bint query_next(query_cursor* cursor, query_text* name, query_text* value)
    size_t query_decode(const query_text* piece, char* out, size_t room)
    bint cookie_next(query_cursor* cursor, query_text* name, query_text* value)
    size_t cookie_decode(const query_text* value, char* out, size_t room)


cdef extern from "members.h" nogil:
    ctypedef struct members_cursor:
        pass

    ctypedef struct member:
        const char* key
        size_t key_size
        bint escaped
        const char* value
        size_t value_size
        const char* start

    ctypedef enum members_status:
        MEMBERS_END
        MEMBERS_FOUND
        MEMBERS_MALFORMED
        MEMBERS_NO_OBJECT

    members_status members_begin(members_cursor* cursor, const char* text, size_t size)
    members_status members_next(members_cursor* cursor, member* found)
