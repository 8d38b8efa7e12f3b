/*
 * What is mounted at a prefix of a group and lies in a folder: the checks that all such have before the start.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_MOUNT_H
#define WEIR_WEB_MOUNT_H

#include "web/site.h"

#include <limits.h>

#define MOUNT_PREFIX_MAX 1024

/* Keeps what is wrong with a mount, for the start to be refused. what: for people, such as "files". Returns error. */
COLD int mount_refuse(const weir_group *g, const char *what, const char *prefix, int error, const char *why);

/* Copies a prefix without a slash at its end. 0, or WEIR_EINVAL, which has been kept: also once the server has
 * started. */
int mount_read_prefix(const weir_group *g, const char *what, const char *prefix, char copy[MOUNT_PREFIX_MAX]);

/* Makes a root absolute, so that it does not matter where the process goes. 0, or WEIR_EINVAL, which has been kept: it
 * is too long, or no folder. */
int mount_read_root(const weir_group *g, const char *what, const char *prefix, const char *root, char copy[PATH_MAX]);

#endif
