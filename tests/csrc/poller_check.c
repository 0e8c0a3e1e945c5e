/* poller.h: what is ready is told until it is served, to the token of its watcher; every call of the system may fail. */
#define _GNU_SOURCE
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* The error of the next call, or 0. */
static int failure;

#ifdef __linux__
#include <sys/epoll.h>

static int failing(int (*call)(int), int argument) {
    if (failure) {
        errno = failure;
        failure = 0;
        return -1;
    }
    return call(argument);
}

static int changing(int poller, int operation, int socket, struct epoll_event *event) {
    if (failure) {
        errno = failure;
        failure = 0;
        return -1;
    }
    return epoll_ctl(poller, operation, socket, event);
}

static int waiting(int poller, struct epoll_event *events, int room, int milliseconds) {
    if (failure) {
        errno = failure;
        failure = 0;
        return -1;
    }
    assert(milliseconds == 0);
    return epoll_wait(poller, events, room, milliseconds);
}

#define epoll_create1(flags) failing(epoll_create1, flags)
#define epoll_ctl changing
#define epoll_wait waiting
#endif

#include "poller.c"

static const uint64_t TOKEN = UINT64_C(0xfedcba9876543210);

static void check_watching(void) {
    int ends[2];
    poller_event events[POLLER_EVENTS];
    int poller = poller_open();
    assert(poller >= 0 && (fcntl(poller, F_GETFD) & FD_CLOEXEC));
    assert(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    assert(poller_change(poller, ends[0], TOKEN, 0, 0) == 0);
    assert(poller_wait(poller, events, POLLER_EVENTS) == 0);

    assert(poller_change(poller, ends[0], TOKEN, 0, POLLER_READ) == 0);
    assert(poller_wait(poller, events, POLLER_EVENTS) == 0);
    assert(write(ends[1], "!", 1) == 1);
    for (int again = 0; again < 3; again++) {
        assert(poller_wait(poller, events, POLLER_EVENTS) == 1);
        assert(events[0].token == TOKEN && events[0].ready == POLLER_READ);
    }

    assert(poller_change(poller, ends[0], TOKEN, POLLER_READ, POLLER_READ | POLLER_WRITE) == 0);
    unsigned ready = 0;
    int count = poller_wait(poller, events, POLLER_EVENTS);
    assert(count == 1 || count == 2); /* kqueue tells of each */
    for (int i = 0; i < count; i++) {
        ready |= events[i].ready;
    }
    assert(ready == (POLLER_READ | POLLER_WRITE));
    assert(poller_wait(poller, events, 1) == 1);

    assert(poller_change(poller, ends[0], TOKEN, POLLER_READ | POLLER_WRITE, POLLER_WRITE) == 0);
    assert(poller_wait(poller, events, POLLER_EVENTS) == 1);
    assert(events[0].ready == POLLER_WRITE);

    /* A peer that is gone is told to whoever waits. */
    close(ends[1]);
    assert(poller_wait(poller, events, POLLER_EVENTS) >= 1);
    assert(events[0].ready & POLLER_WRITE);
    assert(poller_change(poller, ends[0], TOKEN, POLLER_WRITE, 0) == 0);
    assert(poller_wait(poller, events, POLLER_EVENTS) == 0);
    close(ends[0]);
    assert(poller_change(poller, ends[0], TOKEN, 0, POLLER_READ) == -EBADF);
    close(poller);
    assert(poller_wait(poller, events, POLLER_EVENTS) == -EBADF);
}

/* A socket that is watched with POLLER_EDGE is reported once for what comes, and when poller_again asks; with its end, too.
 */
static void check_edges(void) {
#ifdef __linux__
    int ends[2];
    char bytes[4];
    const unsigned wanted = POLLER_READ | POLLER_EDGE;
    poller_event events[POLLER_EVENTS];
    int poller = poller_open();
    assert(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    assert(write(ends[1], "12", 2) == 2);
    assert(poller_change(poller, ends[0], TOKEN, 0, wanted) == 0);
    assert(poller_wait(poller, events, POLLER_EVENTS) == 1);
    assert(events[0].token == TOKEN && events[0].ready == POLLER_READ);
    assert(poller_wait(poller, events, POLLER_EVENTS) == 0);

    assert(poller_again(poller, ends[0], TOKEN, wanted) == 0);
    assert(poller_wait(poller, events, POLLER_EVENTS) == 1);
    assert(poller_wait(poller, events, POLLER_EVENTS) == 0);

    assert(write(ends[1], "3", 1) == 1);
    assert(poller_wait(poller, events, POLLER_EVENTS) == 1);
    assert(read(ends[0], bytes, sizeof bytes) == 3);
    assert(poller_again(poller, ends[0], TOKEN, wanted) == 0);
    assert(poller_wait(poller, events, POLLER_EVENTS) == 0);

    /* A socket that was ready under another watch is reported to the new one. */
    assert(write(ends[1], "4", 1) == 1);
    assert(poller_change(poller, ends[0], TOKEN, wanted, POLLER_READ) == 0);
    assert(poller_wait(poller, events, POLLER_EVENTS) == 1);
    assert(poller_wait(poller, events, POLLER_EVENTS) == 1);
    assert(poller_change(poller, ends[0], TOKEN, POLLER_READ, wanted) == 0);
    assert(poller_wait(poller, events, POLLER_EVENTS) == 1);
    assert(poller_wait(poller, events, POLLER_EVENTS) == 0);

    /* The end comes with the last bytes: a read returns the bytes, and the next one the end. */
    assert(shutdown(ends[1], SHUT_WR) == 0);
    assert(poller_wait(poller, events, POLLER_EVENTS) == 1);
    assert(events[0].ready == (POLLER_READ | POLLER_MORE));
    assert(read(ends[0], bytes, sizeof bytes) == 1);
    assert(poller_again(poller, ends[0], TOKEN, wanted) == 0);
    assert(poller_wait(poller, events, POLLER_EVENTS) == 1 && events[0].ready & POLLER_MORE);
    assert(read(ends[0], bytes, sizeof bytes) == 0);
    assert(poller_change(poller, ends[0], TOKEN, wanted, 0) == 0);
    assert(poller_again(poller, ends[0], TOKEN, wanted) == -ENOENT);
    close(ends[0]);
    close(ends[1]);
    close(poller);
#endif
}

static void check_failures(void) {
#ifdef __linux__
    poller_event events[POLLER_EVENTS];
    failure = EMFILE;
    assert(poller_open() == -EMFILE);
    int poller = poller_open();
    failure = ENOSPC;
    assert(poller_change(poller, 0, TOKEN, 0, POLLER_READ) == -ENOSPC);
    failure = EINTR;
    assert(poller_wait(poller, events, POLLER_EVENTS) == 0);
    close(poller);
#endif
    assert(failure == 0);
}

int main(void) {
    check_watching();
    check_edges();
    check_failures();
    printf("all checks passed\n");
    return 0;
}
