/*
 * How many processors this process may use.
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

static int min_of(int a, int b)
{
    return a < b ? a : b;
}

/* The least quota of this process's group; inside a container its own group is mounted as the root. */
static int quota_of_group(void)
{
    char text[4096], *state = NULL;
    int count = min_of(quota_unified(""), quota_legacy(""));
    if (!read_text("/proc/self/cgroup", text, sizeof text))
        return count;
    for (char *line = strtok_r(text, "\n", &state); line; line = strtok_r(NULL, "\n", &state)) {
        char *controllers = strchr(line, ':');
        char *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group)
            continue;
        *group++ = '\0';
        if (strcmp(controllers + 1, "") == 0)
            count = min_of(count, quota_unified(group));
        else if (strstr(controllers + 1, "cpu"))
            count = min_of(count, quota_legacy(group));
    }
    return count;
}

int settings_processors(void)
{
    cpu_set_t set;
    int count = 1;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        count = CPU_COUNT(&set);
    else
        count = (int)sysconf(_SC_NPROCESSORS_ONLN);
    count = min_of(min_of(count, quota_of_group()), WORKERS_MAX);
    return count > 0 ? count : 1;
}
