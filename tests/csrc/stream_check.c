/* stream.h: connections of every family, pieces in order, and calls of the system that fail or are interrupted. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* The error of the next call, or 0; then `interrupted` more calls end with EINTR before one is made. */
static int failure, interrupted;

static int fails(void) {
    if (interrupted > 0) {
        interrupted--;
        errno = EINTR;
        return 1;
    }
    errno = failure;
    failure = 0;
    return errno != 0;
}

#ifdef __linux__
static int accepting(int listener, struct sockaddr *from, socklen_t *size, int flags) {
    return fails() ? -1 : accept4(listener, from, size, flags);
}
#define accept4 accepting
#endif

static ssize_t receiving(int socket, void *bytes, size_t size, int flags) {
    return fails() ? -1 : recv(socket, bytes, size, flags);
}

static ssize_t sending(int socket, const void *bytes, size_t size, int flags) {
    return fails() ? -1 : send(socket, bytes, size, flags);
}

static ssize_t sending_many(int socket, const struct msghdr *message, int flags) {
    return fails() ? -1 : sendmsg(socket, message, flags);
}

static int naming(int socket, struct sockaddr *own, socklen_t *size) {
    return fails() ? -1 : getsockname(socket, own, size);
}

#define recv receiving
#define send sending
#define sendmsg sending_many
#define getsockname naming

#include "stream.c"

#undef getsockname

static int listening(int family, void *address, socklen_t size) {
    int made = socket(family, SOCK_STREAM, 0);
    assert(made >= 0 && bind(made, address, size) == 0 && listen(made, 4) == 0);
    assert(fcntl(made, F_SETFL, O_NONBLOCK) == 0);
    return made;
}

/* A connection through a listener, with both addresses as each side knows them. */
static void check_connection(int listener, int family, const char *text, uint16_t code) {
    struct sockaddr_storage name;
    socklen_t size = sizeof name;
    stream_address peer, own;
    char shown[STREAM_TEXT];
    assert(stream_accept(listener, &peer) == -EAGAIN);
    stream_no_delay(listener);
    assert(getsockname(listener, (struct sockaddr *)&name, &size) == 0);
    int client = socket(family, SOCK_STREAM, 0);
    assert(client >= 0 && connect(client, (struct sockaddr *)&name, size) == 0);
    interrupted = 2;
    int made = stream_accept(listener, &peer);
    assert(made >= 0 && interrupted == 0);
    assert((fcntl(made, F_GETFL) & O_NONBLOCK) && (fcntl(made, F_GETFD) & FD_CLOEXEC));
    assert(peer.family == code);
    assert(stream_own_address(made, &own) == 0 && own.family == code);
    assert(stream_text(&own, shown) == (text != NULL));
    if (text != NULL) {
        int on = 0;
        size = sizeof on;
        assert(strcmp(shown, text) == 0);
        assert(getsockopt(made, IPPROTO_TCP, TCP_NODELAY, &on, &size) == 0 && on);
        struct sockaddr_in6 other;
        size = sizeof other;
        assert(getsockname(client, (struct sockaddr *)&other, &size) == 0);
        /* The port is at the same place in both families. */
        assert(peer.port == ntohs(other.sin6_port) && own.port != peer.port);
    }

    char bytes[64];
    struct iovec pieces[] = {{"one", 3}, {"", 0}, {" two", 4}};
    interrupted = 1;
    assert(stream_write(made, pieces, 3) == 7);
    interrupted = 1;
    assert(stream_write(made, pieces, 1) == 3);
    assert(read(client, bytes, sizeof bytes) >= 7 && memcmp(bytes, "one two", 7) == 0);
    assert(stream_read(made, bytes, sizeof bytes) == -EAGAIN);
    assert(write(client, "back", 4) == 4);
    interrupted = 1;
    assert(stream_read(made, bytes, 2) == 2 && stream_read(made, bytes + 2, 10) == 2);
    assert(memcmp(bytes, "back", 4) == 0);
    close(client);
    ssize_t got = stream_read(made, bytes, sizeof bytes);
    assert(got == 0 || got == -ECONNRESET);
    while ((got = stream_write(made, pieces, 1)) > 0) {
    }
    assert(got == -EPIPE || got == -ECONNRESET); /* and no SIGPIPE */
    close(made);
    close(listener);
}

static void check_families(void) {
    struct sockaddr_in ip4 = {.sin_family = AF_INET};
    ip4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    check_connection(listening(AF_INET, &ip4, sizeof ip4), AF_INET, "127.0.0.1", STREAM_IP4);
    struct sockaddr_in6 ip6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int probe = socket(AF_INET6, SOCK_STREAM, 0);
    if (probe >= 0 && bind(probe, (struct sockaddr *)&ip6, sizeof ip6) == 0) {
        check_connection(listening(AF_INET6, &ip6, sizeof ip6), AF_INET6, "::1", STREAM_IP6);
    }
    close(probe);
    struct sockaddr_un path = {.sun_family = AF_UNIX, .sun_path = "stream_check.sock"};
    check_connection(listening(AF_UNIX, &path, sizeof path), AF_UNIX, NULL, STREAM_UNIX);

    struct sockaddr_storage from = {.ss_family = AF_UNSPEC};
    stream_address address;
    read_address(&from, &address);
    assert(address.family == STREAM_UNKNOWN);
    struct sockaddr_in6 *full = (struct sockaddr_in6 *)&from;
    full->sin6_family = AF_INET6;
    full->sin6_flowinfo = htonl(7);
    full->sin6_scope_id = 3;
    full->sin6_port = htons(80);
    read_address(&from, &address);
    assert(address.flow == 7 && address.zone == 3 && address.port == 80 && address.family == STREAM_IP6);
    char shown[STREAM_TEXT];
    assert(stream_text(&address, shown) && strcmp(shown, "::") == 0);
}

static void check_failures(void) {
    stream_address address;
    struct iovec pieces[] = {{"a", 1}, {"b", 1}};
    char bytes[1];
    const int errors[] = {EMFILE, ENOBUFS, ECONNABORTED, ECONNRESET};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
#ifdef __linux__
        failure = errors[i];
        assert(stream_accept(0, &address) == -errors[i]);
#endif
        failure = errors[i];
        assert(stream_read(0, bytes, 1) == -errors[i]);
        failure = errors[i];
        assert(stream_write(0, pieces, 1) == -errors[i]);
        failure = errors[i];
        assert(stream_write(0, pieces, 2) == -errors[i]);
        failure = errors[i];
        assert(stream_own_address(0, &address) == -errors[i]);
    }
}

int main(void) {
    check_families();
    check_failures();
    printf("all checks passed\n");
    return 0;
}
