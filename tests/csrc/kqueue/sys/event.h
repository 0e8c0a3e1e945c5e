/* kqueue's calls over epoll, as far as csrc/poller.c makes them: the part for macOS is checked on Linux too. */
#ifndef KQUEUE_SYS_EVENT_H
#define KQUEUE_SYS_EVENT_H

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <time.h>

enum { EVFILT_READ = -1, EVFILT_WRITE = -2, EV_ADD = 1, EV_DELETE = 2, KQUEUE_SOCKETS = 1024 };

struct kevent {
    uintptr_t ident;
    int16_t filter;
    uint16_t flags;
    uint32_t fflags;
    intptr_t data;
    void *udata;
};

#define EV_SET(event, i, f, a, ff, d, u) (*(event) = (struct kevent){(i), (f), (a), (ff), (d), (u)})

/* What each socket is watched for, reading first; a filter has its own udata. */
static struct {
    unsigned watched;
    void *udata[2];
} kqueue_sockets[KQUEUE_SOCKETS];

static int kqueue(void) {
    return epoll_create1(0);
}

static int kqueue_change(int queue, const struct kevent *change) {
    int socket = (int)change->ident;
    unsigned which = change->filter == EVFILT_WRITE;
    assert(socket < KQUEUE_SOCKETS);
    unsigned before = kqueue_sockets[socket].watched;
    if (change->flags == EV_DELETE && !(before & 1u << which)) {
        errno = ENOENT;
        return -1;
    }
    unsigned after = change->flags == EV_ADD ? before | 1u << which : before & ~(1u << which);
    struct epoll_event event = {0};
    event.events = (after & 1u ? (uint32_t)EPOLLIN : 0u) | (after & 2u ? (uint32_t)EPOLLOUT : 0u);
    event.data.fd = socket;
    int operation = before == 0 ? EPOLL_CTL_ADD : after == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
    if (epoll_ctl(queue, operation, socket, &event) < 0) {
        return -1;
    }
    kqueue_sockets[socket].watched = after;
    kqueue_sockets[socket].udata[which] = change->udata;
    return 0;
}

/* One event for each filter of a socket that is ready, as kqueue has them. */
static int kevent(int queue, const struct kevent *changes, int count, struct kevent *events, int room,
                  const struct timespec *timeout) {
    struct epoll_event found[64];
    int told = 0;
    for (int i = 0; i < count; i++) {
        if (kqueue_change(queue, &changes[i]) < 0) {
            return -1;
        }
    }
    if (room == 0) {
        return 0;
    }
    assert(timeout->tv_sec == 0 && timeout->tv_nsec == 0);
    int ready = epoll_wait(queue, found, room < 64 ? room : 64, 0);
    for (int i = 0; i < ready; i++) {
        int socket = found[i].data.fd;
        for (unsigned which = 0; which < 2 && told < room; which++) {
            uint32_t others = which ? (uint32_t)EPOLLIN : (uint32_t)EPOLLOUT;
            if ((kqueue_sockets[socket].watched & 1u << which) && (found[i].events & ~others)) {
                void *udata = kqueue_sockets[socket].udata[which];
                EV_SET(&events[told], (uintptr_t)socket, which ? EVFILT_WRITE : EVFILT_READ, 0, 0, 0, udata);
                told++;
            }
        }
    }
    return ready < 0 ? -1 : told;
}

#endif
