/*
 * Composing and writing log lines.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static const char *const level_names[] = {"", "error", "warning", "info", "debug"};

/* Whether standard error takes a line without a wait for whoever reads it: a full pipe would hold up a worker. */
static bool stderr_has_room(void)
{
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
    return poll(&out, 1, 0) == 1 && (out.revents & POLLOUT);
}

/* Opens standard error's terminal once more, non-blocking; -1: standard error is no terminal, or another user's. A
 * terminal has room for a byte and then waits in the middle of a line; standard error itself is shared with other
 * programs, and so stays as it is. */
static int terminal_open(void)
{
    return isatty(STDERR_FILENO) ? open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC) : -1;
}

/* Writes a line to standard error in one write, so that lines of several threads do not mix. A line for which there is
 * no room is dropped. */
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
    int number = errno; /* the caller's */
    if (stderr_has_room()) {
        int terminal = terminal_open();
        ssize_t ignored = write(terminal < 0 ? STDERR_FILENO : terminal, line, len); /* a failure can be told nowhere */
        (void)ignored;
        if (terminal >= 0)
            close(terminal);
    }
    errno = number;
}

void log_write(const struct log *l, int level, const char *fmt, ...)
{
    if (!log_wants(l, level))
        return;
    char text[LOG_LINE_MAX / 2], line[LOG_LINE_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);

    size_t out = 0;
    for (const char *p = text; *p && out + 9 < sizeof line; p++) {
        bool wide = (unsigned char)p[0] == 0xc2 && (unsigned char)p[1] >= 0x80 && (unsigned char)p[1] < 0xa0;
        for (int i = 0; i < (wide ? 2 : 1); i++) {
            unsigned char byte = (unsigned char)p[i];
            if (byte >= 0x20 && byte != 0x7f && !wide)
                line[out++] = p[i];
            else
                out += (size_t)snprintf(line + out, sizeof line - out, "\\x%02x", byte);
        }
        p += wide; /* control characters beyond ASCII are two bytes in UTF-8 */
    }
    line[out] = '\0';
    if (l->fn)
        l->fn(l->data, level, line);
    else
        log_to_stderr(level, line);
}
