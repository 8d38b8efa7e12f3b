/*
 * Sets of a few places: a file is looked for in one of them, and takes the place there that was used the longest ago.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/file/file_cache.h"
#include "io/timer.h"

#include <fcntl.h>
#include <string.h>

_Static_assert(FILE_CACHE_MAX * sizeof(struct kept_file) + 256 <= FILE_CACHE_SLAB, "one slab holds all");

void file_cache_init(struct file_cache *f, struct memory *m, uint32_t most, uint32_t valid_ms)
{
    *f = (struct file_cache){.sets = (most < FILE_CACHE_MAX ? most : FILE_CACHE_MAX) / FILE_CACHE_WAYS,
                             .valid_ms = valid_ms};
    account_open(&f->account, m, "open files");
    pool_init(&f->files, &f->account, sizeof(struct kept_file), 8, FILE_CACHE_SLAB);
    account_open(&f->handle_account, m, "file handles");
    pool_init(&f->handles, &f->handle_account, sizeof(struct file), 8, FILE_HANDLE_SLAB);
}

static void place_clear(struct file_cache *f, uint32_t place)
{
    struct kept_file *k = f->places[place];
    f->places[place] = NULL;
    f->hashes[place] = 0;
    file_unref(k->file);
    pool_give(&f->files, k);
}

void file_cache_clear(struct file_cache *f)
{
    for (uint32_t i = 0; i < f->sets * FILE_CACHE_WAYS; i++)
        if (f->places[i])
            place_clear(f, i);
}

void file_cache_done(struct file_cache *f)
{
    if (!f->account.memory)
        return;
    file_cache_clear(f);
    pool_done(&f->files);
    account_close(&f->account);
    pool_done(&f->handles);
    account_close(&f->handle_account);
}

/* The hash of a path. Clients can choose names that collide, but only of files that exist, and gain no more than that
 * these are opened each time. */
static WRAPS uint32_t path_hash(const char *path, size_t len)
{
    uint64_t hash = len;
    for (uint64_t word = 0; len > 0; word = 0) {
        size_t piece = len < sizeof word ? len : sizeof word;
        memcpy(&word, path, piece);
        hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 32;
        path += piece;
        len -= piece;
    }
    return (uint32_t)hash;
}

static uint32_t first_place(const struct file_cache *f, uint32_t hash)
{
    return (uint32_t)((uint64_t)hash * f->sets >> 32) * FILE_CACHE_WAYS;
}

/* Whether the path still leads to the file, and the file is as it was: by a look, or by one that still holds. */
static bool still_same(struct kept_file *k, uint32_t now, uint32_t valid_ms)
{
    if (ticks_between(k->looked, now) < (int32_t)valid_ms)
        return true;
    k->looked = now;
    struct stat is;
    if (fstatat(AT_FDCWD, k->path, &is, 0) != 0)
        return false;
    const struct file_version version = file_version_of(&is);
    return file_version_equal(&version, &k->version);
}

const struct kept_file *file_cache_find(struct file_cache *f, const char *root, const char *path, uint32_t now)
{
    if (f->sets == 0)
        return NULL;
    size_t len = strlen(path), root_len = strlen(root);
    uint32_t hash = path_hash(path, len), place = first_place(f, hash);
    for (uint32_t end = place + FILE_CACHE_WAYS; place < end; place++) {
        struct kept_file *k = f->places[place];
        if (f->hashes[place] != hash || !k || k->len != root_len + 1 + len || k->root_len != root_len ||
            memcmp(k->path, root, root_len) != 0 || memcmp(k->path + root_len + 1, path, len) != 0)
            continue;
        if (still_same(k, now, f->valid_ms)) {
            k->used = now;
            return k;
        }
        place_clear(f, place);
        return NULL;
    }
    return NULL;
}

/* The place in a set for one more: a free one, or that of the file that was asked for the longest ago. */
static uint32_t choose_place(const struct file_cache *f, uint32_t first, uint32_t now)
{
    uint32_t oldest = first;
    for (uint32_t i = first; i < first + FILE_CACHE_WAYS; i++) {
        if (!f->places[i])
            return i;
        if (ticks_between(f->places[i]->used, now) > ticks_between(f->places[oldest]->used, now))
            oldest = i;
    }
    return oldest;
}

struct file *file_cache_keep(struct file_cache *f, const struct beneath *b, const struct file_marks *marks,
                             uint32_t now)
{
    size_t len = strlen(b->path), root_len = strlen(b->root);
    if (f->sets == 0 || root_len >= FILE_CACHE_PATH || len >= FILE_CACHE_PATH - 1 - root_len)
        return NULL;
    if (!b->cached_only || !marks->settled) /* the first: its status may be from before a long wait */
        return NULL;
    uint32_t hash = path_hash(b->path, len), place = choose_place(f, first_place(f, hash), now);
    if (f->places[place])
        place_clear(f, place);
    if (!pool_ready(&f->files) || !pool_ready(&f->handles))
        return NULL;
    struct kept_file *k = pool_take(&f->files);
    struct file *file = pool_take(&f->handles);
    weir_assert(k && file); /* both were ready */
    file_init(file, &f->handles, b->fd);
    k->file = file;
    k->opened = k->used = k->looked = now;
    k->root_len = (uint16_t)root_len;
    k->len = (uint16_t)(root_len + 1 + len);
    k->version = file_version_of(&b->status);
    k->marks = *marks;
    memcpy(k->path, b->root, root_len);
    k->path[root_len] = '/';
    memcpy(k->path + root_len + 1, b->path, len + 1);
    f->places[place] = k;
    f->hashes[place] = hash;
    return file;
}

void file_cache_close_old(struct file_cache *f, uint32_t now)
{
    for (uint32_t i = 0; i < f->sets * FILE_CACHE_WAYS; i++)
        if (f->places[i] && ticks_between(f->places[i]->opened, now) >= FILE_CACHE_KEEP_MS)
            place_clear(f, i);
}
