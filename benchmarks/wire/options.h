/* What the load generator is told: NAME=VALUE arguments, explained at the top of load.c, which alone includes this. */
#ifndef WIRE_OPTIONS_H
#define WIRE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "samples.h"

enum { PIDS_MAX = 64 };

typedef struct {
    uint8_t *bytes;
    size_t size;
} blob;

static struct {
    int port, sockets, in_flight, addresses, least;
    bool raw, spin;
    double rate, warmup, seconds, timeout;
    blob request, accept, message, answer, own;
    pid_t pids[PIDS_MAX];
    int pid_count;
} opt = {.sockets = 1, .in_flight = 1, .addresses = 1, .least = 1, .seconds = 1, .timeout = 20};

static blob read_file(const char *path) {
    blob found = {0};
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) fail("%s: %s", path, strerror(errno));
    found.size = (size_t)ftell(file);
    rewind(file);
    if ((found.bytes = malloc(found.size + 1)) == NULL) fail("out of memory");
    if (fread(found.bytes, 1, found.size, file) != found.size) fail("%s cannot be read", path);
    fclose(file);
    return found;
}

static void set(char *argument) {
    char *value = strchr(argument, '=');
    if (value == NULL) fail("%s: not NAME=VALUE", argument);
    *value++ = 0;
#define IS(name) (strcmp(argument, name) == 0)
    if (IS("port")) opt.port = atoi(value);
    else if (IS("sockets")) opt.sockets = atoi(value);
    else if (IS("in_flight")) opt.in_flight = atoi(value);
    else if (IS("least")) opt.least = atoi(value);
    else if (IS("addresses")) opt.addresses = atoi(value);
    else if (IS("raw")) opt.raw = atoi(value) != 0;
    else if (IS("spin")) opt.spin = atoi(value) != 0;
    else if (IS("rate")) opt.rate = atof(value);
    else if (IS("warmup")) opt.warmup = atof(value);
    else if (IS("seconds")) opt.seconds = atof(value);
    else if (IS("timeout")) opt.timeout = atof(value);
    else if (IS("request")) opt.request = read_file(value);
    else if (IS("accept")) opt.accept = read_file(value);
    else if (IS("message")) opt.message = read_file(value);
    else if (IS("answer")) opt.answer = read_file(value);
    else if (IS("own")) opt.own = read_file(value);
    else if (IS("pids")) {
        for (char *pid = strtok(value, ","); pid != NULL && opt.pid_count < PIDS_MAX; pid = strtok(NULL, ","))
            opt.pids[opt.pid_count++] = (pid_t)atoi(pid);
    } else fail("%s: no such option", argument);
#undef IS
}

#endif
