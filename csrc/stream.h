/* A connected stream socket, TCP or Unix: accept, read and write without blocking.
 *
 * What a call of the system says is returned, not kept in errno: a number from 0 on, or -errno. A call that a signal
 * interrupts is made again. No call raises SIGPIPE.
 */
#ifndef WIREFAST_STREAM_H
#define WIREFAST_STREAM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* Most pieces of one call of stream_write. */
enum { STREAM_PIECES = 64 };

enum { STREAM_UNKNOWN = 0, STREAM_IP4 = 4, STREAM_IP6 = 6, STREAM_UNIX = 1 };

/* An address in as few bytes as it has; of a Unix socket nothing but that it is one. */
typedef struct {
    uint8_t address[16];
    uint32_t flow;
    uint32_t zone;
    uint16_t port;
    uint16_t family;
} stream_address;

/* Room for the text of an address. */
enum { STREAM_TEXT = 46 };

/* The next connection of a listening socket, which does not block and is closed in programs that this one starts; or
 * -errno, -EAGAIN where none waits. */
int stream_accept(int listener, stream_address *peer);

/* Reads at most `size` bytes, which is not 0; returns 0 at the end of the stream, or -errno. */
ssize_t stream_read(int socket, void *bytes, size_t size);

/* Writes from the first of `count` pieces on, 1 to STREAM_PIECES, as many bytes as the system takes; or -errno. */
ssize_t stream_write(int socket, const struct iovec *pieces, int count);

/* The socket's own address. Returns 0 or -errno. */
int stream_own_address(int socket, stream_address *own);

/* The text of an IP address, in STREAM_TEXT bytes; 0 for an address of another family. */
int stream_text(const stream_address *address, char *text);

/* Has all sockets of a listener send small pieces at once (TCP_NODELAY), which each inherits. Does nothing to a Unix
 * socket. */
void stream_no_delay(int listener);

#endif
