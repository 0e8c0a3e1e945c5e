/* What the load does to one connection, and what comes back from it. Included by load.c alone, behind its state. */

/* ---- Connections ---- */

static void watch(conn *c, int operation, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = c};
    if (epoll_ctl(epoll_fd, operation, c->fd, &event) != 0) fail("epoll_ctl: %s", strerror(errno));
}

static void dial(conn *c) {
    static const int one = 1;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)opt.port)};
    struct sockaddr_in from = {.sin_family = AF_INET};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)(dials++ % (uint64_t)opt.addresses));
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0) fail("socket: %s", strerror(errno));
    setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (opt.addresses > 1 && bind(c->fd, (struct sockaddr *)&from, sizeof from) != 0)
        fail("bind: %s", strerror(errno));
    if (connect(c->fd, (struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS)
        fail("connect: %s", strerror(errno));
    c->phase = CONNECTING;
    c->began = now;
    c->at = c->head_size = c->matched = 0;
    c->owed = c->header_size = c->in_flight = c->first_time = 0;
    c->pong = c->in_payload = false;
    c->own_next = opt.own.size > 0 && c == conns;
    c->writing = true;
    watch(c, EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT);
}

/* The whole of something small into an empty socket buffer. */
static void send_small(conn *c, const void *bytes, size_t size) {
    if (send(c->fd, bytes, size, MSG_NOSIGNAL) != (ssize_t)size) fail("send: %s", strerror(errno));
}

static void send_control(conn *c, uint8_t opcode, const uint8_t *payload, size_t size) {
    uint8_t frame[6 + 125] = {(uint8_t)(0x80 | opcode), (uint8_t)(0x80 | size), 1, 2, 3, 4};
    for (size_t i = 0; i < size; i++) frame[6 + i] = payload[i] ^ frame[2 + i % 4];
    send_small(c, frame, 6 + size);
}

static void send_close(conn *c) {
    static const uint8_t normal[2] = {0x03, 0xe8};
    send_control(c, 8, normal, sizeof normal);
    c->phase = CLOSING;
}

static void flush(conn *c) {
    while (c->owed > 0 || c->pong) {
        if (c->pong && c->at % opt.message.size == 0) {
            send_control(c, 10, c->control, c->control_size);
            c->pong = false;
            continue;
        }
        size_t size = repeated.size - c->at;
        if (size > c->owed) size = c->owed;
        ssize_t sent = send(c->fd, repeated.bytes + c->at, size, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno != EAGAIN) fail("send: %s", strerror(errno));
            if (!c->writing) watch(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
            c->writing = true;
            return;
        }
        c->owed -= (uint64_t)sent;
        c->at = (c->at + (size_t)sent) % repeated.size;
    }
    if (c->writing) watch(c, EPOLL_CTL_MOD, EPOLLIN);
    c->writing = false;
}

/* One more message for the server; the caller flushes. */
static void push(conn *c, uint64_t at) {
    if (c->in_flight == RING) {
        overloaded = true;
        return;
    }
    c->times[(c->first_time + c->in_flight++) % RING] = at;
    c->owed += opt.message.size;
}

static void next_fanout(void) {
    answered = 0;
    between = false;
    push(conns, now);
    flush(conns);
}

/* A whole message came, and it is the right one. */
static void arrived(conn *c, bool own) {
    last_progress = now;
    if (own) return;
    answered++;
    units++;
    if (mode == FANOUT) {
        if (measuring) sample(&latency, now - conns->times[conns->first_time]);
        if (answered == (uint64_t)opt.sockets) {
            conns->first_time = (conns->first_time + 1) % RING;
            conns->in_flight--;
            between = true;
        }
        return;
    }
    /* What is still owed has not been sent, so nothing can answer it. */
    if (c->owed >= c->in_flight * (uint64_t)opt.message.size) fail("a message came that was not asked for");
    if (measuring) sample(&latency, now - c->times[c->first_time]);
    c->first_time = (c->first_time + 1) % RING;
    c->in_flight--;
    if (mode == ECHO_MODE && sending) push(c, now);
}

static void hung_up(conn *c) {
    if (c->phase != CLOSING) fail("the server closed a connection");
    close(c->fd);
    c->phase = IDLE;
    open_count--;
    last_progress = now;
    if (mode == STORM) {
        units++;
        if (measuring) sample(&latency, now - c->began);
        if (sending) dial(c);
    }
}

/* ---- What comes back ---- */

static void opened(conn *c) {
    c->phase = OPEN;
    open_count++;
    last_progress = now;
    if (mode == STORM) send_close(c);
}

/* Bytes of the response to the upgrade; returns how many were of its head. */
static size_t take_head(conn *c, const uint8_t *bytes, size_t size) {
    if (c->head == NULL && (c->head = malloc(HEAD_MAX + 1)) == NULL) fail("out of memory");
    size_t before = c->head_size, room = HEAD_MAX - before;
    memcpy(c->head + before, bytes, size < room ? size : room);
    c->head_size += size < room ? size : room;
    c->head[c->head_size] = 0;
    char *end = memmem(c->head, c->head_size, "\r\n\r\n", 4);
    if (end == NULL) {
        if (c->head_size == HEAD_MAX) fail("the response to the upgrade has no end");
        return size;
    }
    if (strncmp(c->head, "HTTP/1.1 101", 12) != 0) fail("the upgrade was refused: %s", c->head);
    if (memmem(c->head, c->head_size, opt.accept.bytes, opt.accept.size) == NULL)
        fail("no Sec-WebSocket-Accept, or a wrong one: %s", c->head);
    size_t used = (size_t)(end + 4 - c->head) - before;
    if (mode != STORM) {
        free(c->head);
        c->head = NULL;
    }
    opened(c);
    return used;
}

static void control_frame(conn *c) {
    if (c->opcode == 9) {
        c->pong = true;
        if (c->owed == 0) flush(c);
    } else if (c->opcode == 8) {
        if (c->phase != CLOSING) fail("the server closed with a close frame");
        if (c->control_size != 0 && (c->control[0] != 0x03 || c->control[1] != 0xe8))
            fail("close code %d", c->control[0] << 8 | c->control[1]);
    }
}

static void end_of_frame(conn *c, const blob *expected) {
    c->in_payload = false;
    c->header_size = 0;
    if (c->opcode >= 8) {
        control_frame(c);
    } else if (c->fin) {
        if (c->matched != expected->size) fail("a message of %zu bytes, not %zu", c->matched, expected->size);
        c->matched = 0;
        bool own = c->own_next;
        c->own_next = mode == FANOUT && c == conns && opt.own.size > 0 && !own;
        arrived(c, own);
    }
}

static void take_frames(conn *c, const uint8_t *bytes, size_t size) {
    while (size > 0 || (c->in_payload && c->left == 0)) {
        const blob *expected = c->own_next ? &opt.own : &opt.answer;
        if (!c->in_payload) {
            c->header[c->header_size++] = *bytes++;
            size--;
            if (c->header_size < 2) continue;
            unsigned length = c->header[1], more = length == 126 ? 2 : length == 127 ? 8 : 0;
            if (length & 0x80) fail("a masked frame");
            if (c->header_size < 2 + more) continue;
            c->left = more ? 0 : length;
            for (unsigned i = 0; i < more; i++) c->left = c->left << 8 | c->header[2 + i];
            c->opcode = c->header[0] & 0x0f;
            c->fin = c->header[0] & 0x80;
            if (c->header[0] & 0x70) fail("reserved bits in a frame");
            if (c->opcode >= 8 && c->left > 125) fail("a control frame of %llu bytes", (unsigned long long)c->left);
            /* Text in, text out; the rest of a fragmented message has opcode 0. */
            if (c->opcode < 8 && c->opcode != (c->matched ? 0 : 1)) fail("opcode %d", c->opcode);
            c->control_size = 0;
            c->in_payload = true;
            continue;
        }
        size_t part = size < c->left ? size : (size_t)c->left;
        if (c->opcode >= 8) {
            memcpy(c->control + c->control_size, bytes, part);
            c->control_size += part;
        } else {
            if (part > expected->size - c->matched || memcmp(expected->bytes + c->matched, bytes, part) != 0)
                fail("a wrong answer: %.*s", part < 200 ? (int)part : 200, (const char *)bytes);
            c->matched += part;
        }
        bytes += part;
        size -= part;
        c->left -= part;
        if (c->left == 0) end_of_frame(c, expected);
    }
}

static void take_raw(conn *c, const uint8_t *bytes, size_t size) {
    while (size > 0) {
        size_t part = opt.message.size - c->matched;
        if (part > size) part = size;
        if (memcmp(opt.message.bytes + c->matched, bytes, part) != 0) fail("wrong bytes");
        c->matched += part;
        bytes += part;
        size -= part;
        if (c->matched == opt.message.size) {
            c->matched = 0;
            arrived(c, false);
        }
    }
}

static void readable(conn *c) {
    ssize_t got = recv(c->fd, buffer, sizeof buffer, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got < 0 && errno == ECONNRESET && c->phase == CLOSING) {
        resets++;
        got = 0;
    }
    if (got < 0) fail("recv: %s", strerror(errno));
    if (got == 0) {
        hung_up(c);
        return;
    }
    size_t size = (size_t)got, used = 0;
    if (opt.raw) {
        take_raw(c, buffer, size);
    } else {
        if (c->phase == UPGRADING) used = take_head(c, buffer, size);
        if (c->phase != UPGRADING) take_frames(c, buffer + used, size - used);
    }
    if (c->owed > 0 && !c->writing) flush(c);
}

static void writable(conn *c) {
    if (c->phase == CONNECTING) {
        int error = 0;
        socklen_t size = sizeof error;
        getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error != 0) fail("connect: %s", strerror(error));
        c->writing = false;
        watch(c, EPOLL_CTL_MOD, EPOLLIN);
        if (opt.raw) {
            opened(c);
        } else {
            send_small(c, opt.request.bytes, opt.request.size);
            c->phase = UPGRADING;
        }
    } else {
        flush(c);
    }
}
