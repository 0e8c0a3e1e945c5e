/* What the load generator knows of time: clocks, and latencies with their percentiles. Included by load.c alone. */
#ifndef WIRE_SAMPLES_H
#define WIRE_SAMPLES_H

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SAMPLES_MAX = 4000000 };

/* Nanoseconds, in the order of their arrival; what finds no room is counted. */
typedef struct {
    uint64_t *values;
    size_t count, lost;
} samples;

/* Ends the run: a sentence on stderr, exit code 1. */
static void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("load: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    exit(1);
}

static uint64_t clock_of(clockid_t id) {
    struct timespec at;
    if (clock_gettime(id, &at) != 0) fail("a clock cannot be read: %s", strerror(errno));
    return (uint64_t)at.tv_sec * 1000000000u + (uint64_t)at.tv_nsec;
}

static void sample(samples *into, uint64_t value) {
    if (into->count == SAMPLES_MAX) into->lost++;
    else into->values[into->count++] = value;
}

static samples new_samples(void) {
    samples made = {.values = malloc(SAMPLES_MAX * sizeof(uint64_t))};
    if (made.values == NULL) fail("out of memory");
    return made;
}

static int by_value(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* A member of a JSON object: the percentiles, in seconds. */
static void print_percentiles(const char *name, samples *found) {
    static const double shares[] = {0.5, 0.9, 0.99, 0.999, 1};
    static const char *const names[] = {"p50", "p90", "p99", "p99.9", "max"};
    size_t count = found->count;
    qsort(found->values, count, sizeof *found->values, by_value);
    printf(", \"%s\": {\"count\": %zu, \"lost\": %zu", name, count, found->lost);
    for (int i = 0; i < 5 && count > 0; i++) {
        size_t at = (size_t)(shares[i] * (double)count);
        printf(", \"%s\": %.9f", names[i], (double)found->values[at < count ? at : count - 1] * 1e-9);
    }
    printf("}");
}

#endif
