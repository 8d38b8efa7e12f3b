/*
 * Prefixes and roots.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/mount.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int mount_refuse(const weir_group *g, const char *what, const char *prefix, int error, const char *why)
{
    site_error(g->site, "%s at \"%.60s%.60s\": %s", what, g->prefix, prefix ? prefix : "(null)", why);
    return error;
}

int mount_read_prefix(const weir_group *g, const char *what, const char *prefix, char copy[MOUNT_PREFIX_MAX])
{
    size_t len = prefix ? strlen(prefix) : MOUNT_PREFIX_MAX;
    bool good = len < MOUNT_PREFIX_MAX && (len == 0 || prefix[0] == '/');
    if (g->site->sealed)
        return mount_refuse(g, what, prefix, WEIR_EINVAL, "the server has started");
    if (good) {
        len -= len > 0 && prefix[len - 1] == '/';
        memcpy(copy, prefix, len);
        copy[len] = '\0';
        good = len == 0 || copy[len - 1] != '/';
    }
    return good ? 0 : mount_refuse(g, what, prefix, WEIR_EINVAL, "a prefix is empty, or begins with a slash");
}

static bool root_find(const char *given, char root[PATH_MAX])
{
    struct stat is;
    char here[PATH_MAX] = "";
    if (!given || given[0] == '\0' || (given[0] != '/' && !getcwd(here, sizeof here)))
        return false;
    int len = snprintf(root, PATH_MAX, "%s%s%s", here, here[0] ? "/" : "", given);
    return len < PATH_MAX && stat(root, &is) == 0 && S_ISDIR(is.st_mode);
}

int mount_read_root(const weir_group *g, const char *what, const char *prefix, const char *root, char copy[PATH_MAX])
{
    char why[240];
    if (root_find(root, copy))
        return 0;
    snprintf(why, sizeof why, "root \"%.200s\" is no folder", root ? root : "(null)");
    return mount_refuse(g, what, prefix, WEIR_EINVAL, why);
}
