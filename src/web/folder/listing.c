/*
 * Reading a folder's entries, and their order.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/folder/listing.h"
#include "web/folder/sort.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- Entries as they are kept, without alignment ---- */

struct entry_head {
    int64_t size, modified;
    uint8_t folder, name_len;
} __attribute__((packed));

/* What the kernel writes (getdents64(2)). */
struct entry_raw {
    uint64_t inode;
    int64_t offset;
    uint16_t len; /* of all of it */
    uint8_t type;
    char name[];
} __attribute__((packed));

_Static_assert(sizeof(struct entry_head) < sizeof(struct entry_raw), "an entry shrinks when it is rewritten");

#define RAW_LEAST   ((size_t)24) /* bytes that the kernel takes for an entry at least: it aligns them to 8 */
#define OFFSET_SIZE sizeof(uint32_t)

static uint32_t *offsets_of(const struct listing *l)
{
    return (uint32_t *)(void *)(l->buf + l->room) - l->count;
}

static struct listing_entry entry_at(const struct listing *l, size_t at)
{
    struct entry_head head;
    memcpy(&head, l->buf + at, sizeof head);
    return (struct listing_entry){.name = slice_of(l->buf + at + sizeof head, head.name_len),
                                  .folder = head.folder,
                                  .size = head.size,
                                  .modified = head.modified};
}

struct listing_entry listing_item(const struct listing *l, uint32_t i, size_t *at)
{
    struct listing_entry e = entry_at(l, l->sorted ? offsets_of(l)[i] : *at);
    *at += sizeof(struct entry_head) + e.name.len;
    return e;
}

/* ---- Reading ---- */

/* Looks at what a link leads to: what the mount would open there. False: nothing that is served. */
static bool follow_link(const struct listing *l, const char *name, struct stat *is)
{
    char path[PATH_MAX];
    struct beneath b;
    if (!l->mount->links || snprintf(path, sizeof path, "%s%s", l->path, name) >= PATH_MAX ||
        folder_open_here(l->mount, path, true, &b) != 0)
        return false;
    close(b.fd);
    *is = b.status;
    return true;
}

/* Tells of a name what is shown; false: it is not served, or has gone. */
static bool entry_look(const struct listing *l, const char *name, struct entry_head *head)
{
    struct stat is;
    size_t len = strlen(name);
    if (len > NAME_MAX || (name[0] == '.' && (!l->mount->hidden || len == 1 || (len == 2 && name[1] == '.'))))
        return false;
    if (fstatat(l->fd, name, &is, AT_SYMLINK_NOFOLLOW) != 0)
        return false;
    if (S_ISLNK(is.st_mode) && !follow_link(l, name, &is))
        return false;
    if (!S_ISREG(is.st_mode) && !S_ISDIR(is.st_mode))
        return false;
    *head = (struct entry_head){.folder = S_ISDIR(is.st_mode),
                                .size = S_ISDIR(is.st_mode) ? 0 : is.st_size,
                                .modified = is.st_mtim.tv_sec,
                                .name_len = (uint8_t)len};
    return true;
}

/* Rewrites the len bytes at the end of what is used that the kernel has just put there. */
static void entries_rewrite(struct listing *l, size_t len)
{
    size_t from = l->used, end = from + len;
    while (from < end) {
        const struct entry_raw *raw = (const struct entry_raw *)(const void *)(l->buf + from);
        struct entry_head head;
        from += raw->len;
        if (!entry_look(l, raw->name, &head))
            continue;
        memmove(l->buf + l->used + sizeof head, raw->name, head.name_len);
        memcpy(l->buf + l->used, &head, sizeof head);
        l->used += sizeof head + head.name_len;
        l->count++;
    }
}

/* Bytes that the kernel may fill: with sorting, as many as leave room for the offsets of all that they can hold. */
static size_t piece_size(const struct listing *l)
{
    size_t left = l->room - l->used;
    if (l->sorted) {
        size_t offsets = l->count * OFFSET_SIZE;
        left = left > offsets ? (left - offsets) / (RAW_LEAST + OFFSET_SIZE) * RAW_LEAST : 0;
    }
    return left < LISTING_PIECE ? left : LISTING_PIECE;
}

static int read_piece(struct listing *l)
{
    size_t size = piece_size(l);
    if (size < LISTING_LEAST) {
        l->overflowed = true;
        return 0;
    }
    long len = syscall(SYS_getdents64, l->fd, l->buf + l->used, size);
    if (len < 0 && errno != ENOENT) /* a folder that has been removed meanwhile has no more */
        return WEIR_EIO;
    if (len <= 0)
        l->ended = true;
    else
        entries_rewrite(l, (size_t)len);
    return 0;
}

/* ---- Order ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The number at the beginning of text, without zeros before it, is cut off. */
static struct slice cut_number(struct slice *text)
{
    size_t from = 0;
    while (from < text->len && text->data[from] == '0')
        from++;
    size_t to = from;
    while (to < text->len && is_digit(text->data[to]))
        to++;
    struct slice number = slice_of(text->data + from, to - from);
    *text = slice_of(text->data + to, text->len - to);
    return number;
}

static int compare_bytes(struct slice a, struct slice b)
{
    int order = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare_names(struct slice a, struct slice b)
{
    struct slice all_a = a, all_b = b;
    while (a.len > 0 && b.len > 0) {
        if (is_digit(a.data[0]) && is_digit(b.data[0])) {
            struct slice x = cut_number(&a), y = cut_number(&b);
            int order = x.len != y.len ? (x.len > y.len) - (x.len < y.len) : memcmp(x.data, y.data, x.len);
            if (order)
                return order;
            continue;
        }
        unsigned char x = (unsigned char)ascii_lower(a.data[0]), y = (unsigned char)ascii_lower(b.data[0]);
        if (x != y)
            return x < y ? -1 : 1;
        a = slice_of(a.data + 1, a.len - 1);
        b = slice_of(b.data + 1, b.len - 1);
    }
    return a.len || b.len ? (a.len > 0) - (b.len > 0) : compare_bytes(all_a, all_b);
}

bool listing_name_before(struct slice a, struct slice b)
{
    return compare_names(a, b) < 0;
}

static bool entry_before(const void *things, size_t a, size_t b)
{
    const struct listing *l = things;
    const struct listing_entry x = entry_at(l, offsets_of(l)[a]), y = entry_at(l, offsets_of(l)[b]);
    if (x.folder != y.folder)
        return x.folder;
    int order = 0;
    if (l->key == LISTING_SIZE)
        order = (x.size > y.size) - (x.size < y.size);
    else if (l->key == LISTING_TIME)
        order = (x.modified > y.modified) - (x.modified < y.modified);
    if (order == 0) /* of what is alike, names go up where the key is another one */
        order =
            l->key == LISTING_NAME || !l->descending ? compare_names(x.name, y.name) : compare_names(y.name, x.name);
    return l->descending ? order > 0 : order < 0;
}

static void entry_swap(void *things, size_t a, size_t b)
{
    uint32_t *offsets = offsets_of(things), offset = offsets[a];
    offsets[a] = offsets[b];
    offsets[b] = offset;
}

static void put_in_order(struct listing *l)
{
    static const struct sort_ops ops = {.before = entry_before, .swap = entry_swap};
    uint32_t *offsets = offsets_of(l);
    size_t at = 0;
    for (uint32_t i = 0; i < l->count; i++) {
        offsets[i] = (uint32_t)at;
        at += sizeof(struct entry_head) + entry_at(l, at).name.len;
    }
    sort_in_place(l, l->count, &ops);
}

int listing_read(void *arg)
{
    struct listing *l = arg;
    if (!l->sorted)
        l->used = l->count = 0;
    int error = read_piece(l);
    if (!error && l->sorted && l->ended)
        put_in_order(l);
    return error;
}
