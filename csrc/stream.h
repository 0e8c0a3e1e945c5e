/* A connected stream socket, TCP or Unix: accept, read and write without blocking.
 *
 * Each function returns the result of its system call: a number from 0 on, or -errno. A call that a signal interrupts
 * is repeated. No call raises SIGPIPE.
 */
#ifndef WIREFAST_STREAM_H
#define WIREFAST_STREAM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* The largest number of pieces of one call of stream_write. */
enum { STREAM_PIECES = 64 };

enum { STREAM_UNKNOWN = 0, STREAM_IP4 = 4, STREAM_IP6 = 6, STREAM_UNIX = 1 };

/* An address in its own few bytes; of a Unix socket only the family. */
typedef struct {
    uint8_t address[16];
    uint32_t flow;
    uint32_t zone;
    uint16_t port;
    uint16_t family;
} stream_address;

/* Room for the text of an address. */
enum { STREAM_TEXT = 46 };

/* Returns the next connection of a listening socket, as a descriptor that does not block and that child programs do not
 * inherit; or -errno: -EAGAIN where no connection waits. */
int stream_accept(int listener, stream_address *peer);

/* Reads at most `size` bytes, which is not 0; returns 0 at the end of the stream, or -errno. */
ssize_t stream_read(int socket, void *bytes, size_t size);

/* Writes `count` pieces, 1 to STREAM_PIECES, in order. Returns how many bytes the system took, or -errno. */
ssize_t stream_write(int socket, const struct iovec *pieces, int count);

/* The socket's own address. Returns 0 or -errno. */
int stream_own_address(int socket, stream_address *own);

/* The text of an IP address, in STREAM_TEXT bytes; 0 for an address of another family. */
int stream_text(const stream_address *address, char *text);

/* Sets TCP_NODELAY on a listener. The accepted sockets inherit the option and send small pieces at once. No effect on a
 * Unix socket. */
void stream_no_delay(int listener);

#endif
