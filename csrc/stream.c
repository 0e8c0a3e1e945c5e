#define _GNU_SOURCE
#include "stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef MSG_NOSIGNAL
/* macOS has no flag of send() for this. The socket has an option instead: see stream_accept. */
#define MSG_NOSIGNAL 0
#endif

static void read_address(const struct sockaddr_storage *from, stream_address *to) {
    memset(to, 0, sizeof *to);
    if (from->ss_family == AF_INET) {
        const struct sockaddr_in *ip4 = (const struct sockaddr_in *)from;
        memcpy(to->address, &ip4->sin_addr, 4);
        to->port = ntohs(ip4->sin_port);
        to->family = STREAM_IP4;
    } else if (from->ss_family == AF_INET6) {
        const struct sockaddr_in6 *ip6 = (const struct sockaddr_in6 *)from;
        memcpy(to->address, &ip6->sin6_addr, 16);
        to->port = ntohs(ip6->sin6_port);
        to->flow = ntohl(ip6->sin6_flowinfo);
        to->zone = ip6->sin6_scope_id;
        to->family = STREAM_IP6;
    } else {
        to->family = from->ss_family == AF_UNIX ? STREAM_UNIX : STREAM_UNKNOWN;
    }
}

static int accept_one(int listener, struct sockaddr_storage *from, socklen_t *size) {
#ifdef __linux__
    return accept4(listener, (struct sockaddr *)from, size, SOCK_NONBLOCK | SOCK_CLOEXEC);
#else
    int made = accept(listener, (struct sockaddr *)from, size);
    if (made >= 0) {
        int flags = fcntl(made, F_GETFL);
        if (flags < 0 || fcntl(made, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(made, F_SETFD, FD_CLOEXEC) < 0) {
            int error = errno;
            close(made);
            errno = error;
            return -1;
        }
#ifdef SO_NOSIGPIPE
        int on = 1;
        (void)setsockopt(made, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
#endif
    }
    return made;
#endif
}

int stream_accept(int listener, stream_address *peer) {
    struct sockaddr_storage from;
    socklen_t size;
    int made;
    do {
        memset(&from, 0, sizeof from);
        size = sizeof from;
        made = accept_one(listener, &from, &size);
    } while (made < 0 && errno == EINTR);
    if (made < 0) {
        return -errno;
    }
    read_address(&from, peer);
    return made;
}

ssize_t stream_read(int socket, void *bytes, size_t size) {
    ssize_t got;
    do {
        got = recv(socket, bytes, size, 0);
    } while (got < 0 && errno == EINTR);
    return got < 0 ? -errno : got;
}

ssize_t stream_write(int socket, const struct iovec *pieces, int count) {
    struct msghdr message = {0};
    ssize_t taken;
    message.msg_iov = (struct iovec *)pieces;
    /* The type of this member differs between systems. */
    message.msg_iovlen = (__typeof__(message.msg_iovlen))count;
    do {
        taken = count == 1 ? send(socket, pieces->iov_base, pieces->iov_len, MSG_NOSIGNAL)
                           : sendmsg(socket, &message, MSG_NOSIGNAL);
    } while (taken < 0 && errno == EINTR);
    return taken < 0 ? -errno : taken;
}

int stream_own_address(int socket, stream_address *own) {
    struct sockaddr_storage from;
    socklen_t size = sizeof from;
    memset(&from, 0, sizeof from);
    if (getsockname(socket, (struct sockaddr *)&from, &size) < 0) {
        return -errno;
    }
    read_address(&from, own);
    return 0;
}

int stream_text(const stream_address *address, char *text) {
    if (address->family != STREAM_IP4 && address->family != STREAM_IP6) {
        return 0;
    }
    int family = address->family == STREAM_IP4 ? AF_INET : AF_INET6;
    return inet_ntop(family, address->address, text, STREAM_TEXT) != NULL;
}

void stream_no_delay(int listener) {
    int on = 1;
    (void)setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}
