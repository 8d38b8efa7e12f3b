/*
 * Reading contents for their tags.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/file/content.h"
#include "base/sha2.h"
#include "web/cache/cache.h"

#include <sys/uio.h>
#include <unistd.h>

#define PIECE      4096               /* bytes that are read at once */
#define HERE_MOST  (4 * PIECE)        /* bytes that a worker reads itself */
#define THERE_MOST ((size_t)16 << 10) /* bytes that an offload thread reads at once */

_Static_assert(sizeof(struct file_version) == 7 * sizeof(uint64_t), "a key without padding");

struct reading {
    int fd;
    const struct file_version *version;
    uint8_t digest[SHA2_LEN_MAX];
};

static struct slice key_of(const struct file_version *version)
{
    return slice_of((const char *)version, sizeof *version);
}

/* Adds the file's bytes, read into a buffer of size. 0, or WEIR_EIO: there are fewer, or they cannot be read so. */
static int add_bytes(const struct reading *r, struct sha2 *sha, char *buf, size_t size, int flags)
{
    for (uint64_t at = 0; at < r->version->size;) {
        struct iovec part = {.iov_base = buf, .iov_len = size};
        ssize_t n = preadv2(r->fd, &part, 1, (off_t)at, flags);
        if (n <= 0)
            return WEIR_EIO;
        sha2_add(sha, buf, (size_t)n);
        at += (uint64_t)n;
    }
    return 0;
}

/* Whether what was read is the version: nobody has written to the file meanwhile. */
static bool is_version(const struct reading *r)
{
    struct stat is;
    if (fstat(r->fd, &is) != 0)
        return false;
    const struct file_version version = file_version_of(&is);
    return file_version_equal(&version, r->version);
}

static int read_all(struct reading *r, char *buf, size_t size, int flags)
{
    struct sha2 sha;
    sha2_begin(&sha, SHA2_256);
    int error = add_bytes(r, &sha, buf, size, flags);
    if (error)
        return error;
    (void)sha2_end(&sha, r->digest);
    return is_version(r) ? 0 : WEIR_EBUSY;
}

static int read_there(void *arg)
{
    char buf[THERE_MOST];
    return read_all(arg, buf, sizeof buf, 0);
}

/* Reads a few bytes that are in memory. */
static int read_here(struct reading *r)
{
    char buf[PIECE];
    return read_all(r, buf, sizeof buf, RWF_NOWAIT);
}

static int fill(weir_ctx *c, weir_cache_slot *slot, void *arg)
{
    struct reading *r = arg;
    int error = r->version->size <= HERE_MOST ? read_here(r) : WEIR_EIO;
    if (error == WEIR_EIO)
        error = weir_offload(c, read_there, r);
    return error ? error : weir_cache_put(slot, r->digest, ETAG_CONTENT_LEN);
}

bool content_is_asked(const weir_ctx *c, int own)
{
    if (!own && c->chain)
        own = container_of(c->chain, const weir_group, chain)->settings.content_tags;
    return own == WEIR_ON && c->web->digests;
}

bool content_find(weir_ctx *c, const struct file_version *version, struct file_marks *marks)
{
    struct weir_value *found = cache_find(c->web->digests, key_of(version), context_loop(c)->now_ns);
    if (!found)
        return false;
    file_marks_use_content(marks, value_data(found));
    value_unref(found);
    return true;
}

/* The descriptor while others are waited for: a handler that is ended there leaves it. */
static void close_left(void *arg)
{
    const int *fd = arg;
    if (*fd >= 0)
        close(*fd);
}

void content_read(weir_ctx *c, int fd, const struct file_version *version, struct file_marks *marks)
{
    if (!marks->settled || version->size > CONTENT_MAX || content_find(c, version, marks))
        return;
    struct reading *r = arena_alloc(context_arena(c), sizeof *r);
    int *left = arena_alloc(context_arena(c), sizeof *left);
    struct weir_value *value;
    bool hit;
    if (!r || !left)
        return;
    *left = -1;
    if (weir_defer(c, close_left, left) != 0)
        return;
    *left = fd;
    *r = (struct reading){.fd = fd, .version = version};
    if (context_cache_get(c, c->web->digests, key_of(version), fill, r, &value, &hit) == 0)
        file_marks_use_content(marks, value_data(value));
    *left = -1;
}
