/* valgrind's client requests as functions, so that Python can call them: see instructions.py, which builds this. */

#include <valgrind/callgrind.h>

void start(void)
{
    CALLGRIND_START_INSTRUMENTATION;
}

void stop(void)
{
    CALLGRIND_STOP_INSTRUMENTATION;
}

/* Write what was counted since the last dump, under this name, and begin again at zero. */
void dump(const char *name)
{
    CALLGRIND_DUMP_STATS_AT(name);
}
