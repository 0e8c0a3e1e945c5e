/* Has calls of the system that wirefast's compiled modules make fail, or do less than they could; all other calls are
 * left alone. Loaded before the C library: LD_PRELOAD. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum { ACCEPT, RECV, SEND, SENDMSG, CTL, WAIT, CALLS };
static const char *const names[CALLS] = {"accept4", "recv", "send", "sendmsg", "epoll_ctl", "epoll_wait"};
static struct {
    int error; /* 0: the call is made with one byte alone */
    int times;
    int seen;
} faults[CALLS];

static int call_of(const char *name) {
    for (int call = 0; call < CALLS; call++) {
        if (strcmp(names[call], name) == 0) {
            return call;
        }
    }
    return -1;
}

/* Has the next calls of this name fail. */
void faults_set(const char *name, int error, int times) {
    int call = call_of(name);
    faults[call].error = error;
    faults[call].times = times;
    faults[call].seen = 0;
}

/* How many have. */
int faults_seen(const char *name) {
    return faults[call_of(name)].seen;
}

static int is_ours(const void *caller) {
    Dl_info found;
    return dladdr(caller, &found) && found.dli_fname != NULL && strstr(found.dli_fname, "/sockets/") != NULL;
}

/* Whether this call is to fail. */
static int fails(int call, const void *caller) {
    if (faults[call].times == 0 || !is_ours(caller)) {
        return 0;
    }
    faults[call].times--;
    faults[call].seen++;
    errno = faults[call].error;
    return 1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int accept4(int socket, struct sockaddr *from, socklen_t *size, int flags) {
    return fails(ACCEPT, __builtin_return_address(0)) ? -1 : REAL(accept4)(socket, from, size, flags);
}

ssize_t recv(int socket, void *bytes, size_t size, int flags) {
    if (fails(RECV, __builtin_return_address(0))) {
        if (errno != 0) {
            return -1;
        }
        size = 1;
    }
    return REAL(recv)(socket, bytes, size, flags);
}

ssize_t send(int socket, const void *bytes, size_t size, int flags) {
    if (fails(SEND, __builtin_return_address(0))) {
        if (errno != 0) {
            return -1;
        }
        size = 1;
    }
    return REAL(send)(socket, bytes, size, flags);
}

ssize_t sendmsg(int socket, const struct msghdr *message, int flags) {
    if (fails(SENDMSG, __builtin_return_address(0))) {
        if (errno != 0) {
            return -1;
        }
        return REAL(send)(socket, message->msg_iov[0].iov_base, 1, flags);
    }
    return REAL(sendmsg)(socket, message, flags);
}

int epoll_ctl(int poller, int operation, int socket, struct epoll_event *event) {
    if (operation != EPOLL_CTL_DEL && fails(CTL, __builtin_return_address(0))) {
        return -1;
    }
    return REAL(epoll_ctl)(poller, operation, socket, event);
}

int epoll_wait(int poller, struct epoll_event *events, int room, int milliseconds) {
    return fails(WAIT, __builtin_return_address(0)) ? -1 : REAL(epoll_wait)(poller, events, room, milliseconds);
}
