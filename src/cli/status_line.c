/*
 * A line that is rewritten in place.
 *
 * SPDX-License-Identifier: MIT
 */
#include "cli/status_line.h"
#include "cli/terminal.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WIDTH_MIN 20

bool status_line_fits(void)
{
    return terminal_is_at(STDERR_FILENO);
}

size_t status_line_width(void)
{
    int width, height;
    terminal_size(STDERR_FILENO, &width, &height);
    if (width < WIDTH_MIN)
        return 0;
    return width < STATUS_LINE_SIZE ? (size_t)width - 1 : STATUS_LINE_SIZE - 1; /* the last column may wrap */
}

/* Whether the terminal shows what this process writes: not in the background, where it would be in another's way. */
static bool is_in_front(void)
{
    pid_t group = tcgetpgrp(STDERR_FILENO);
    return group < 0 || group == getpgrp();
}

/* Writes where that waits for nobody. False: the terminal takes nothing now. */
static bool put(const char *text, size_t len)
{
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
    return poll(&out, 1, 0) == 1 && (out.revents & POLLOUT) && write(STDERR_FILENO, text, len) == (ssize_t)len;
}

/* Takes the line from the terminal. With the lock. */
static void take_away(struct status_line *l)
{
    if (l->drawn && (!is_in_front() || put(STATUS_LINE_CLEAR, sizeof STATUS_LINE_CLEAR - 1)))
        l->drawn = false;
}

/* Draws the line over what was drawn before. With the lock. */
static void draw(struct status_line *l)
{
    char out[STATUS_LINE_SIZE + sizeof STATUS_LINE_CLEAR];
    int len = snprintf(out, sizeof out, "\r%s\x1b[K", l->text);
    if (len > 0 && is_in_front() && put(out, (size_t)len))
        l->drawn = true;
}

void status_line_set(struct status_line *l, const char *text)
{
    if (pthread_mutex_trylock(&l->lock) != 0)
        return;
    snprintf(l->text, sizeof l->text, "%s", text);
    if (*l->text)
        draw(l);
    else
        take_away(l);
    pthread_mutex_unlock(&l->lock);
}

void status_line_hide(struct status_line *l)
{
    if (!l)
        return;
    pthread_mutex_lock(&l->lock);
    take_away(l);
}

void status_line_show(struct status_line *l)
{
    if (!l)
        return;
    if (*l->text)
        draw(l);
    pthread_mutex_unlock(&l->lock);
}
