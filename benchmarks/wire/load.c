/* The load of the wire benchmark: one thread, epoll, prebuilt frames, every answer compared byte by byte.
 *
 *   load MODE NAME=VALUE ...
 *
 * MODE is one of
 *   echo    `sockets` sockets, each with `in_flight` messages on the way; an answer sends the next message
 *   paced   `rate` messages a second at fixed times over the sockets, without regard to what comes back (no coordinated omission)
 *   storm   `sockets` connections at a time: connect, upgrade, close handshake, wait for the server's FIN, again
 *   fanout  socket 0 sends, all sockets must get `answer` (socket 0 also `own` before it), then the next one
 *   hold    open `sockets`, print "ready"; a line on stdin sends a message on each and prints "answered"; EOF ends
 *
 * Values: port, sockets, in_flight, rate, warmup and seconds (of the window that is measured), least (units in the
 * window, and before it, however long they take), timeout (seconds without any progress that end the run with an error), addresses (how many loopback addresses to connect from),
 * raw=1 (no handshake, no frames: the answer is the message itself), spin=1 (never sleep, so that no server pays for
 * waking this program), pids=1,2 (the server's processes) and the paths
 * of files: request (the upgrade request), accept (the Sec-WebSocket-Accept that must come back), message (a whole
 * masked frame), answer (the payload that must come back), own.
 *
 * Prints one line of JSON. The CPU time of the server's processes and of this one is read at both ends of the window,
 * together with the units, so that start and end of the run are in none of them. Anything that is not as it must be ends the
 * run with a sentence on stderr and exit code 1.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "options.h"

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

enum { HEAD_MAX = 8192, RING = 1024, EVENTS = 256, OPENING_MAX = 64 };
enum { READ_SIZE = 1 << 18, REPEATED_MAX = 1 << 20, BURST_EVERY = 100000 };
enum phase { IDLE, CONNECTING, UPGRADING, OPEN, CLOSING };

typedef struct {
    int fd;
    enum phase phase;
    bool writing;       /* EPOLLOUT is asked for */
    bool pong;          /* a pong waits for a frame's end */
    size_t at;          /* offset in the repeated message of the next byte to send */
    uint64_t owed;      /* bytes of messages still to be sent */
    uint8_t header[10]; /* of the frame that is arriving */
    unsigned header_size;
    uint64_t left; /* of its payload */
    uint8_t opcode, control[126];
    bool fin, in_payload;
    size_t control_size;
    bool own_next; /* the next message must be `own` */
    size_t matched;
    char *head; /* of the HTTP response */
    size_t head_size;
    uint64_t began;                /* of the connection */
    uint64_t times[RING];          /* when the messages on the way were sent, or due */
    unsigned first_time, in_flight;
} conn;

static enum { ECHO_MODE, PACED, STORM, FANOUT, HOLD } mode;
static conn *conns;
static int epoll_fd;
static blob repeated; /* the message as often as fits, so that several leave in one call */
static uint8_t buffer[READ_SIZE];
static uint64_t units, resets, dials, open_count, answered, now, last_progress;
static samples latency, lateness;
static bool measuring, sending, overloaded, between; /* between: no broadcast is on its way */

static uint64_t server_cpu(void) {
    uint64_t sum = 0;
    for (int i = 0; i < opt.pid_count; i++) {
        clockid_t id;
        if (clock_getcpuclockid(opt.pids[i], &id) != 0) fail("process %d has ended", (int)opt.pids[i]);
        sum += clock_of(id);
    }
    return sum;
}

/* Nanoseconds that the main threads of the server stood in the queue of their core: what others took. */
static uint64_t server_waited(void) {
    uint64_t sum = 0;
    for (int i = 0; i < opt.pid_count; i++) {
        char path[64];
        unsigned long long waited;
        snprintf(path, sizeof path, "/proc/%d/schedstat", (int)opt.pids[i]);
        FILE *file = fopen(path, "r");
        if (file == NULL) continue; /* a kernel without it */
        if (fscanf(file, "%*u %llu", &waited) == 1) sum += waited;
        fclose(file);
    }
    return sum;
}

/* Ticks of 10 ms of the server's processes, in the kernel and in all: fields 14 and 15 of /proc/PID/stat. */
static void server_ticks(unsigned long long *kernel, unsigned long long *all) {
    *kernel = *all = 0;
    for (int i = 0; i < opt.pid_count; i++) {
        char path[64], line[1024];
        unsigned long long user, system;
        snprintf(path, sizeof path, "/proc/%d/stat", (int)opt.pids[i]);
        FILE *file = fopen(path, "r");
        if (file == NULL) fail("process %d has ended", (int)opt.pids[i]);
        char *name_end = fgets(line, sizeof line, file) == NULL ? NULL : strrchr(line, ')');
        fclose(file);
        if (name_end == NULL ||
            sscanf(name_end + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user, &system) != 2)
            fail("%s is not as it must be", path);
        *kernel += system;
        *all += user + system;
    }
}

#include "connections.h"

/* ---- The loop ---- */

static int timer_fd = -1, stdin_closed;
static char command;

/* Waits for events until `until` at the latest and deals with them; does not wait at all with spin=1. */
static void turn(uint64_t until) {
    struct epoll_event events[EVENTS];
    uint64_t wait = until > now ? (until - now) / 1000000 + 1 : 0;
    int count = epoll_wait(epoll_fd, events, EVENTS, opt.spin ? 0 : wait > 100 ? 100 : (int)wait);
    if (count < 0 && errno != EINTR) fail("epoll_wait: %s", strerror(errno));
    now = clock_of(CLOCK_MONOTONIC);
    for (int i = 0; i < count; i++) {
        conn *c = events[i].data.ptr;
        if (c == NULL) {
            if (read(timer_fd, &(uint64_t){0}, 8) < 0 && errno != EAGAIN) fail("timer: %s", strerror(errno));
        } else if (c == (conn *)&command) {
            if (read(0, &command, 1) != 1) stdin_closed = 1;
        } else {
            if (c->writing && (events[i].events & EPOLLOUT)) writable(c);
            if (c->phase != IDLE && (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))) readable(c);
        }
        if ((i & 15) == 15) now = clock_of(CLOCK_MONOTONIC);
    }
    if ((double)now - (double)last_progress > opt.timeout * 1e9) fail("no progress for %.0f s", opt.timeout);
}

static void open_all(void) {
    int next = 0;
    while ((int)open_count < opt.sockets) {
        while (next < opt.sockets && next - (int)open_count < OPENING_MAX) dial(&conns[next++]);
        turn(now + 100000000);
    }
}

/* When a message is due. Above 10,000 a second they come in bursts, one each 100 us: a timer for each message would make
   the load dearer than the fast servers. */
static uint64_t due_at(uint64_t began, uint64_t number) {
    uint64_t after = (uint64_t)((double)number * 1e9 / opt.rate);
    return began + (opt.rate > 1e9 / BURST_EVERY ? after - after % BURST_EVERY : after);
}

static void send_due(uint64_t began, uint64_t *sent) {
    for (uint64_t due; (due = due_at(began, *sent)) <= now; ++*sent) {
        conn *c = &conns[*sent % (uint64_t)opt.sockets];
        if (measuring) sample(&lateness, now - due);
        push(c, due);
        if (!c->writing) flush(c);
        if (overloaded) return;
    }
    if (opt.spin) return; /* the next turn comes at once, and sends what is due then */
    uint64_t due = due_at(began, *sent);
    struct itimerspec at = {.it_value = {(time_t)(due / 1000000000), (long)(due % 1000000000)}};
    timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &at, NULL);
}

static void start(void) {
    sending = true;
    if (mode == STORM) {
        for (int i = 0; i < opt.sockets; i++) dial(&conns[i]);
    } else if (mode == FANOUT) {
        next_fanout();
    } else if (mode == ECHO_MODE) {
        for (int i = 0; i < opt.sockets; i++) {
            for (int n = 0; n < opt.in_flight; n++) push(&conns[i], now);
            flush(&conns[i]);
        }
    }
}

static void measure(void) {
    uint64_t began = now, from = began + (uint64_t)(opt.warmup * 1e9), to = from;
    uint64_t paced = 0, units_before = 0, server_before = 0, load_before = 0, began_at = 0, waited_before = 0;
    unsigned long long kernel_before = 0, ticks_before = 0, kernel = 0, ticks = 0;
    start();
    for (;;) {
        if (mode == PACED) send_due(began, &paced);
        turn(now < (measuring ? to : from) ? (measuring ? to : from) : now + 10000000);
        if (overloaded) break;
        bool enough = units - units_before >= (uint64_t)opt.least && (mode != FANOUT || between);
        if (!measuring && now >= from && enough) {
            measuring = true;
            began_at = now;
            to = now + (uint64_t)(opt.seconds * 1e9);
            units_before = units;
            server_before = server_cpu();
            waited_before = server_waited();
            server_ticks(&kernel_before, &ticks_before);
            load_before = clock_of(CLOCK_PROCESS_CPUTIME_ID);
        } else if (measuring && now >= to && enough) {
            break;
        }
        if (mode == FANOUT && between) next_fanout();
    }
    measuring = false;
    sending = false;
    printf("{\"overloaded\": %s", overloaded ? "true" : "false");
    if (!overloaded) {
        printf(", \"units\": %llu", (unsigned long long)(units - units_before));
        printf(", \"server_cpu\": %.9f", (double)(server_cpu() - server_before) * 1e-9);
        printf(", \"server_waited\": %.9f", (double)(server_waited() - waited_before) * 1e-9);
        server_ticks(&kernel, &ticks);
        printf(", \"kernel_ticks\": %llu, \"ticks\": %llu", kernel - kernel_before, ticks - ticks_before);
        printf(", \"load_cpu\": %.9f", (double)(clock_of(CLOCK_PROCESS_CPUTIME_ID) - load_before) * 1e-9);
        printf(", \"seconds\": %.9f", (double)(now - began_at) * 1e-9);
        printf(", \"resets\": %llu", (unsigned long long)resets);
        print_percentiles("latency", &latency);
        if (mode == PACED) print_percentiles("lateness", &lateness);
    }
    printf("}\n");
    fflush(stdout);
}

/* Lets what is on the way arrive, then closes every socket as RFC 6455 wants it. */
static void finish(void) {
    uint64_t until = now + 5000000000u;
    for (;;) {
        bool busy = false;
        for (int i = 0; i < opt.sockets; i++) {
            conn *c = &conns[i];
            if (c->phase == OPEN && c->in_flight == 0) {
                if (opt.raw) {
                    shutdown(c->fd, SHUT_WR);
                    c->phase = CLOSING;
                } else {
                    send_close(c);
                }
            }
            busy |= c->phase != IDLE;
        }
        if (!busy || now >= until) return;
        turn(until);
    }
}

static void hold(void) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &command};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, 0, &event) != 0) fail("stdin must be a pipe");
    puts("ready");
    fflush(stdout);
    while (!stdin_closed) {
        last_progress = now;
        turn(now + 100000000);
        if (command != '\n') continue;
        command = 0;
        answered = 0;
        for (int i = 0; i < opt.sockets; i++) {
            push(&conns[i], now);
            flush(&conns[i]);
        }
        while (answered < (uint64_t)opt.sockets) turn(now + 100000000);
        puts("answered");
        fflush(stdout);
    }
}

int main(int count, char **arguments) {
    static const char *const modes[] = {"echo", "paced", "storm", "fanout", "hold"};
    int chosen = 0;
    while (chosen < 5 && (count < 2 || strcmp(arguments[1], modes[chosen]) != 0)) chosen++;
    if (chosen == 5) fail("the first argument is echo, paced, storm, fanout or hold");
    mode = chosen;
    for (int i = 2; i < count; i++) set(arguments[i]);
    if (opt.sockets < 1 || opt.in_flight < 1 || opt.in_flight > RING || opt.addresses < 1 || opt.addresses > 250)
        fail("sockets, in_flight or addresses out of range");
    if (mode == PACED && opt.rate <= 0) fail("no rate");
    if (mode != STORM && opt.message.size == 0) fail("no message");
    if (mode != STORM) {
        size_t times = REPEATED_MAX / opt.message.size;
        repeated.size = opt.message.size * (times ? times : 1);
        if ((repeated.bytes = malloc(repeated.size)) == NULL) fail("out of memory");
        for (size_t at = 0; at < repeated.size; at += opt.message.size)
            memcpy(repeated.bytes + at, opt.message.bytes, opt.message.size);
    }
    conns = calloc((size_t)opt.sockets, sizeof *conns);
    if (conns == NULL) fail("out of memory");
    latency = new_samples();
    lateness = new_samples();
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    last_progress = now = clock_of(CLOCK_MONOTONIC);
    if (mode == PACED) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
        timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, timer_fd, &event) != 0) fail("timerfd: %s", strerror(errno));
    }
    if (mode != STORM) open_all();
    if (mode == HOLD) {
        hold();
        return 0;
    }
    /* What a server does after the last 101 is done, and in a fan-out every socket is a member. */
    uint64_t settled = now + 100000000;
    while (mode != STORM && now < settled) turn(settled);
    measure();
    if (mode == FANOUT || overloaded) return 0;
    finish();
    return 0;
}
