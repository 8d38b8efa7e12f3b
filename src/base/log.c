/*
 * Composing and writing log lines.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/log.h"

#include <poll.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static const char *const level_names[] = {"", "error", "warning", "info", "debug"};

/* Whether a line can be written without waiting for whoever reads it: a pipe that is full would hold up a worker. */
static bool stderr_has_room(void)
{
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
    return poll(&out, 1, 0) == 1 && (out.revents & POLLOUT);
}

/* Standard error in one write, so that lines of several threads do not mix. A line for which there is no room is dropped. */
static void log_to_stderr(int level, const char *text)
{
    struct timespec now;
    struct tm utc;
    char line[LOG_LINE_MAX + 64];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t len = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%S", &utc);
    int n =
        snprintf(line + len, sizeof line - len, ".%03ldZ %s: %s\n", now.tv_nsec / 1000000, level_names[level], text);
    len = n < 0 ? len : len + (size_t)n;
    if (len >= sizeof line)
        len = sizeof line - 1;
    if (!stderr_has_room())
        return;
    ssize_t ignored = write(STDERR_FILENO, line, len); /* there is nowhere to report a failure to */
    (void)ignored;
}

void log_write(const struct log *l, int level, const char *fmt, ...)
{
    if (!l || level > l->level)
        return;
    char text[LOG_LINE_MAX / 2], line[LOG_LINE_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);

    size_t out = 0;
    for (const char *p = text; *p && out + 5 < sizeof line; p++) {
        unsigned char byte = (unsigned char)*p;
        if (byte >= 0x20 && byte != 0x7f)
            line[out++] = *p;
        else
            out += (size_t)snprintf(line + out, sizeof line - out, "\\x%02x", byte);
    }
    line[out] = '\0';
    if (l->fn)
        l->fn(l->data, level, line);
    else
        log_to_stderr(level, line);
}
