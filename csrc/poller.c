#define _GNU_SOURCE
#include "poller.h"

#include <errno.h>
#include <unistd.h>

#ifdef __linux__

#include <sys/epoll.h>

int poller_open(void) {
    int poller = epoll_create1(EPOLL_CLOEXEC);
    return poller < 0 ? -errno : poller;
}

static int control(int poller, int operation, int socket, uint64_t token, unsigned wanted) {
    struct epoll_event event = {0};
    event.events = (wanted & POLLER_READ ? (uint32_t)EPOLLIN : 0u) | (wanted & POLLER_WRITE ? (uint32_t)EPOLLOUT : 0u) |
                   (wanted & POLLER_EDGE ? (uint32_t)EPOLLET | (uint32_t)EPOLLRDHUP | (uint32_t)EPOLLPRI : 0u);
    event.data.u64 = token;
    return epoll_ctl(poller, operation, socket, &event) < 0 ? -errno : 0;
}

int poller_change(int poller, int socket, uint64_t token, unsigned before, unsigned wanted) {
    if (before == wanted) {
        return 0;
    }
    int operation = before == 0 ? EPOLL_CTL_ADD : wanted == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
    return control(poller, operation, socket, token, wanted);
}

int poller_again(int poller, int socket, uint64_t token, unsigned wanted) {
    return control(poller, EPOLL_CTL_MOD, socket, token, wanted);
}

int poller_wait(int poller, poller_event *events, int room) {
    struct epoll_event found[POLLER_EVENTS];
    int count = epoll_wait(poller, found, room, 0);
    if (count < 0) {
        return errno == EINTR ? 0 : -errno;
    }
    for (int i = 0; i < count; i++) {
        uint32_t what = found[i].events;
        events[i].token = found[i].data.u64;
        /* An error or a hang-up is reported to both kinds of waiting, for reading and for writing. An urgent byte alone
         * (EPOLLPRI) is nothing to read, and may be reported for as long as the bytes before it have not come. */
        events[i].ready = (what & ~(uint32_t)(EPOLLOUT | EPOLLPRI) ? POLLER_READ : 0u) |
                          (what & ~(uint32_t)(EPOLLIN | EPOLLRDHUP | EPOLLPRI) ? POLLER_WRITE : 0u) |
                          (what & (uint32_t)(EPOLLRDHUP | EPOLLERR | EPOLLHUP | EPOLLPRI) ? POLLER_MORE : 0u);
    }
    return count;
}

#else

#include <fcntl.h>
#include <sys/types.h>
#include <sys/event.h>
#include <sys/time.h>

int poller_open(void) {
    int poller = kqueue();
    if (poller < 0) {
        return -errno;
    }
    if (fcntl(poller, F_SETFD, FD_CLOEXEC) < 0) {
        int error = errno;
        close(poller);
        return -error;
    }
    return poller;
}

static int change_one(int poller, int socket, uint64_t token, int filter, int wanted) {
    struct kevent change;
    EV_SET(&change, (uintptr_t)socket, (int16_t)filter, wanted ? EV_ADD : EV_DELETE, 0, 0, (void *)(uintptr_t)token);
    while (kevent(poller, &change, 1, NULL, 0, NULL) < 0) {
        if (errno != EINTR) {
            return -errno;
        }
    }
    return 0;
}

int poller_change(int poller, int socket, uint64_t token, unsigned before, unsigned wanted) {
    unsigned changed = before ^ wanted;
    int error = 0;
    if (changed & POLLER_READ) {
        error = change_one(poller, socket, token, EVFILT_READ, wanted & POLLER_READ);
    }
    if (error == 0 && (changed & POLLER_WRITE)) {
        error = change_one(poller, socket, token, EVFILT_WRITE, wanted & POLLER_WRITE);
        if (error != 0 && (changed & wanted & POLLER_READ)) {
            (void)change_one(poller, socket, token, EVFILT_READ, 0);
        }
    }
    return error;
}

int poller_again(int poller, int socket, uint64_t token, unsigned wanted) {
    (void)poller;
    (void)socket;
    (void)token;
    (void)wanted;
    return 0;
}

int poller_wait(int poller, poller_event *events, int room) {
    struct kevent found[POLLER_EVENTS];
    const struct timespec at_once = {0, 0};
    int count = kevent(poller, NULL, 0, found, room, &at_once);
    if (count < 0) {
        return errno == EINTR ? 0 : -errno;
    }
    for (int i = 0; i < count; i++) {
        events[i].token = (uint64_t)(uintptr_t)found[i].udata;
        events[i].ready = found[i].filter == EVFILT_WRITE ? POLLER_WRITE : POLLER_READ;
    }
    return count;
}

#endif
