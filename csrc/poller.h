/* One descriptor that is readable while any of many sockets is ready: epoll, and kqueue where there is no epoll.
 *
 * Level-triggered: a socket that is ready and is not served is reported again; but see POLLER_EDGE. The caller remembers
 * what is watched: each change names what was watched before. No function here blocks, allocates or keeps state.
 *
 * A token says which socket an event belongs to. The caller gives each user of a descriptor another token, so that a
 * late event of an earlier user is recognised.
 */
#ifndef WIREFAST_POLLER_H
#define WIREFAST_POLLER_H

#include <stdint.h>

enum { POLLER_READ = 1, POLLER_WRITE = 2 };

/* With POLLER_READ alone: the socket may be reported once for each time that something has come, which saves the system
 * a look at the socket after each read. A stream socket is read empty once a read returns less than it had room for. A
 * caller that stops before that, or that cannot know, calls poller_again. kqueue reports such a socket as any other. */
enum { POLLER_EDGE = 4 };

/* With POLLER_EDGE: the peer has ended its side, the socket has failed, or the peer has sent an urgent byte. A read
 * returns the bytes before that; the next read returns the end, the error or the bytes behind the urgent one, which no
 * read returns. kqueue does not report this. */
enum { POLLER_MORE = 8 };

/* Most events that one call of poller_wait can be asked for. */
enum { POLLER_EVENTS = 64 };

typedef struct {
    uint64_t token;
    /* POLLER_READ, POLLER_WRITE, POLLER_MORE; the first two where the socket has failed or the peer has left. */
    unsigned ready;
} poller_event;

/* The descriptor of a new poller, or -errno. Programs that this one starts do not inherit the descriptor. */
int poller_open(void);

/* Watches `socket` for `wanted` in place of `before`; 0 means: not watched. A socket that is watched must not be
 * closed: change to 0 first. Returns 0 or -errno; after an error nothing more is watched than before. */
int poller_change(int poller, int socket, uint64_t token, unsigned before, unsigned wanted);

/* Has a socket that is watched with POLLER_EDGE reported again if it is ready. Returns 0 or -errno. */
int poller_again(int poller, int socket, uint64_t token, unsigned wanted);

/* Writes what is ready now to `events`, at most `room` of them, 1 to POLLER_EVENTS. Returns their number; 0 also after a
 * signal; or -errno. */
int poller_wait(int poller, poller_event *events, int room);

#endif
