/*
 * What this process may use of the machine: its affinity, and what its control group allows, of either version.
 *
 * SPDX-License-Identifier: MIT
 */
#include "server/settings.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Reads a small file as text. False if there is none. */
static bool read_text(const char *path, char *buf, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, buf, size - 1);
    close(fd);
    if (n <= 0)
        return false;
    buf[n] = '\0';
    return true;
}

static int quota_processors(long long quota, long long period)
{
    if (quota <= 0 || period <= 0)
        return INT_MAX;
    long long count = (quota + period - 1) / period;
    return count > INT_MAX ? INT_MAX : (int)count;
}

/* cgroup version 2: "max 100000" or "150000 100000". */
static int quota_unified(const char *group)
{
    char path[PATH_MAX], text[64], *end;
    snprintf(path, sizeof path, "/sys/fs/cgroup%s/cpu.max", group);
    if (!read_text(path, text, sizeof text))
        return INT_MAX;
    long long quota = strtoll(text, &end, 10);
    return end == text ? INT_MAX : quota_processors(quota, strtoll(end, NULL, 10));
}

/* cgroup version 1: two files. */
static int quota_legacy(const char *group)
{
    char path[PATH_MAX], quota[64], period[64];
    snprintf(path, sizeof path, "/sys/fs/cgroup/cpu%s/cpu.cfs_quota_us", group);
    if (!read_text(path, quota, sizeof quota))
        return INT_MAX;
    snprintf(path, sizeof path, "/sys/fs/cgroup/cpu%s/cpu.cfs_period_us", group);
    if (!read_text(path, period, sizeof period))
        return INT_MAX;
    return quota_processors(strtoll(quota, NULL, 10), strtoll(period, NULL, 10));
}

/* A limit of memory: digits; "max", or a number beyond any machine, is none. */
static uint64_t memory_read(const char *path)
{
    char text[64], *end;
    if (!read_text(path, text, sizeof text))
        return 0;
    unsigned long long bytes = strtoull(text, &end, 10);
    return end == text || bytes >= UINT64_C(1) << 50 ? 0 : bytes;
}

static uint64_t least_of(uint64_t a, uint64_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

static uint64_t memory_of(const char *group, bool unified)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path,
             unified ? "/sys/fs/cgroup%s/memory.max" : "/sys/fs/cgroup/memory%s/memory.limit_in_bytes", group);
    return memory_read(path);
}

static int min_of(int a, int b)
{
    return a < b ? a : b;
}

struct group_limits {
    int processors;  /* INT_MAX: any */
    uint64_t memory; /* 0: any */
};

/* The least that this process's groups allow; inside a container its own group is mounted as the root. */
static struct group_limits group_read(void)
{
    char text[4096], *state = NULL;
    struct group_limits least = {.processors = min_of(quota_unified(""), quota_legacy("")),
                                 .memory = least_of(memory_of("", true), memory_of("", false))};
    if (!read_text("/proc/self/cgroup", text, sizeof text))
        return least;
    for (char *line = strtok_r(text, "\n", &state); line; line = strtok_r(NULL, "\n", &state)) {
        char *controllers = strchr(line, ':');
        char *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group)
            continue;
        *group++ = '\0';
        bool unified = strcmp(controllers + 1, "") == 0;
        if (unified)
            least.processors = min_of(least.processors, quota_unified(group));
        else if (strstr(controllers + 1, "cpu"))
            least.processors = min_of(least.processors, quota_legacy(group));
        if (unified || strstr(controllers + 1, "memory"))
            least.memory = least_of(least.memory, memory_of(group, unified));
    }
    return least;
}

uint64_t settings_group_memory(void)
{
    return group_read().memory;
}

int settings_processors(void)
{
    cpu_set_t set;
    int count = 1;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        count = CPU_COUNT(&set);
    else
        count = (int)sysconf(_SC_NPROCESSORS_ONLN);
    count = min_of(min_of(count, group_read().processors), WORKERS_MAX);
    return count > 0 ? count : 1;
}
