/* Loaded with LD_PRELOAD: every fsync and fdatasync takes SLOW_SYNC_NS nanoseconds longer.
 *
 * The process sleeps before the real call, as it would wait for a slower disk. SQLite's own code
 * is untouched: it calls the C library for this, and finds these functions first.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

static void wait_longer(void) {
    const char *text = getenv("SLOW_SYNC_NS");
    long long left = text ? atoll(text) : 0;
    struct timespec span = {left / 1000000000LL, left % 1000000000LL};
    while (nanosleep(&span, &span)) {
    }
}

int fsync(int file) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    wait_longer();
    return real(file);
}

int fdatasync(int file) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    wait_longer();
    return real(file);
}
