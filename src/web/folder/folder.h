/*
 * Serving a mounted folder.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_FOLDER_FOLDER_H
#define WEIR_WEB_FOLDER_FOLDER_H

#include "web/context.h"
#include "web/folder/mount.h"

/* Handles what is below a mount, whose data is the mount and whose last parameter is the path beneath its root. */
void folder_handle(weir_ctx *c);

/* Handles the path of a mount itself, without a slash behind it. */
void folder_handle_bare(weir_ctx *c);

/* Opens what a mount has at a path, as its settings allow: a regular file or, with folders, a folder. b->fd is the
 * caller's. 0 or an error as of beneath_open(), but for a link that is not followed: WEIR_ENOENT. May suspend. */
int folder_open(weir_ctx *c, const struct folder_mount *m, const char *path, bool folders, struct beneath *b);

/* Likewise, on any thread, and blocking. */
int folder_open_here(const struct folder_mount *m, const char *path, bool folders, struct beneath *b);

#endif
