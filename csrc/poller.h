/* One descriptor that is readable while any of many sockets is ready: epoll, and kqueue where there is no epoll.
 *
 * Level-triggered: a socket that is ready and is not served is told again. What is watched is the caller's to remember:
 * each change names what was watched before. Nothing here blocks, allocates or keeps anything of its own.
 *
 * A token says whose an event is. The caller makes one that no earlier user of the same descriptor had, so that a late
 * event is known for what it is.
 */
#ifndef WIREFAST_POLLER_H
#define WIREFAST_POLLER_H

#include <stdint.h>

enum { POLLER_READ = 1, POLLER_WRITE = 2 };

/* Most events that one call of poller_wait can be asked for. */
enum { POLLER_EVENTS = 64 };

typedef struct {
    uint64_t token;
    /* POLLER_READ, POLLER_WRITE; both where the socket has failed or its peer is gone. */
    unsigned ready;
} poller_event;

/* A new poller's descriptor, closed in programs that this one starts; or -errno. */
int poller_open(void);

/* Watches `socket` for `wanted` in place of `before`; 0 for either is not at all. A socket that is watched must not be
 * closed: change to 0 first. Returns 0 or -errno; after an error nothing is watched that was not before. */
int poller_change(int poller, int socket, uint64_t token, unsigned before, unsigned wanted);

/* Writes what is ready now to `events`, at most `room` of them, 1 to POLLER_EVENTS. Returns their number; 0 also after a
 * signal; or -errno. */
int poller_wait(int poller, poller_event *events, int room);

#endif
