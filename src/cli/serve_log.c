/*
 * What the server has to say.
 *
 * SPDX-License-Identifier: MIT
 */
#include "cli/serve_log.h"
#include "cli/status_line.h"
#include "weir.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PREFIX "weir serve: "

static void keep(struct serve_log *l, const char *line)
{
    pthread_mutex_lock(&l->lock);
    int n = snprintf(l->kept + l->len, sizeof l->kept - l->len, "%s\n", line);
    if (n > 0 && (size_t)n < sizeof l->kept - l->len)
        l->len += (size_t)n;
    l->kept[l->len] = '\0';
    pthread_mutex_unlock(&l->lock);
}

/* Writes a line where that waits for nobody: the caller may be a worker. A status line is drawn again by itself. */
static void print(const struct serve_log *l, const char *line, size_t len)
{
    char text[1200];
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
    int n = snprintf(text, sizeof text, "%s" PREFIX "%.*s\n", l->above_line ? STATUS_LINE_CLEAR : "", (int)len, line);
    if (n > 0 && poll(&out, 1, 0) == 1 && (out.revents & POLLOUT)) {
        ssize_t ignored = write(STDERR_FILENO, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
        (void)ignored; /* a failure can be told nowhere */
    }
}

void serve_log_line(void *data, int level, const char *line)
{
    struct serve_log *l = data;
    (void)level;
    if (atomic_load(&l->runs))
        print(l, line, strlen(line));
    else
        keep(l, line);
}

void serve_log_print(const struct serve_log *l)
{
    for (const char *line = l->kept; *line; line += strcspn(line, "\n") + 1)
        print(l, line, strcspn(line, "\n"));
}

void serve_log_run(struct serve_log *l)
{
    pthread_mutex_lock(&l->lock);
    serve_log_print(l);
    atomic_store(&l->runs, 1);
    pthread_mutex_unlock(&l->lock);
}
