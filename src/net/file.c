/*
 * Open files: the last holder closes.
 *
 * SPDX-License-Identifier: MIT
 */
#include "net/file.h"

#include <unistd.h>

void file_unref(struct file *f)
{
    debug_assert(f->references > 0);
    if (--f->references > 0)
        return;
    close(f->fd);
    pool_give(f->home, f);
}
