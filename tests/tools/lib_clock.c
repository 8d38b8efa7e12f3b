/*
 * A library to preload (LD_PRELOAD) with which a test makes the clocks of one process jump: clock_gettime() and time()
 * add what the file that the variable WEIR_CLOCK_FILE names says, two numbers of nanoseconds, for CLOCK_REALTIME and
 * for CLOCK_MONOTONIC:
 *
 *     -3600000000000 0
 *
 * The file is mapped, so that writing to it takes effect at once; it has to be 64 bytes long, padded with blanks.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define EXPORT    __attribute__((visibility("default")))
#define FILE_SIZE 64

static const char *jumps;

__attribute__((constructor)) static void map_file(void)
{
    const char *path = getenv("WEIR_CLOCK_FILE");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *mapped = fd >= 0 ? mmap(NULL, FILE_SIZE, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
    if (mapped == MAP_FAILED)
        abort();
    close(fd);
    jumps = mapped;
}

EXPORT int clock_gettime(clockid_t clock, struct timespec *now)
{
    long result = syscall(SYS_clock_gettime, clock, now);
    if (result != 0 || !jumps || (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC))
        return (int)result;
    char *end;
    long long jump = strtoll(jumps, &end, 10);
    if (clock == CLOCK_MONOTONIC)
        jump = strtoll(end, NULL, 10);
    long long sum = now->tv_sec * 1000000000LL + now->tv_nsec + jump;
    now->tv_sec = sum / 1000000000;
    now->tv_nsec = sum % 1000000000;
    return 0;
}

EXPORT time_t time(time_t *out)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out)
        *out = now.tv_sec;
    return now.tv_sec;
}
