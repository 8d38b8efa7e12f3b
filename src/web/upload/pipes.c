/*
 * Pipes between sockets and files.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/upload/pipes.h"
#include "base/debug.h"

#include <fcntl.h>
#include <unistd.h>

const struct splice_pipe *pipes_top(struct splice_pipes *p)
{
    if (p->idle_count == 0) {
        int ends[2];
        if (p->open == PIPES_MAX || pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
            return NULL;
        /* A longer pipe saves calls; where the user has many pipes it stays as short as it is. */
        (void)fcntl(ends[1], F_SETPIPE_SZ, PIPE_SIZE);
        p->open++;
        p->idle[p->idle_count++] = (struct splice_pipe){ends[0], ends[1]};
    }
    p->used = true;
    return &p->idle[p->idle_count - 1];
}

struct splice_pipe pipes_take(struct splice_pipes *p)
{
    debug_assert(p->idle_count > 0);
    return p->idle[--p->idle_count];
}

void pipes_give(struct splice_pipes *p, struct splice_pipe pipe, bool empty)
{
    if (empty) {
        p->idle[p->idle_count++] = pipe;
        return;
    }
    close(pipe.read);
    close(pipe.write);
    p->open--;
}

void pipes_close(struct splice_pipes *p)
{
    while (p->idle_count > 0)
        pipes_give(p, pipes_take(p), false);
}

void pipes_close_unused(struct splice_pipes *p)
{
    if (!p->used)
        pipes_close(p);
    p->used = false;
}
