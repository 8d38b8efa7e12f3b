/*
 * A folder's entries: the order of names, reading in pieces of every size, and what is left out.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web_fixture.h"

#include "web/folder/listing.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES 300

static void test_names(void **state)
{
    /* Each belongs before the next one. */
    static const char *const ordered[] = {
        "",
        "0",
        "00",
        "01",
        "1",
        "1.txt",
        "1a",
        "2",
        "10",
        "A",
        "a",
        "a0",
        "a1",
        "a1b",
        "a01c",
        "a02",
        "a2",
        "a10",
        "ab",
        "b",
        "file9x",
        "file10",
        "file10a",
        "file100",
        "file100000000000000000000000000000000000000",
        "file100000000000000000000000000000000000001",
        "z",
        "\xc3\xa4",
    };
    const size_t count = sizeof ordered / sizeof *ordered;
    (void)state;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < count; j++)
            if (listing_name_before(slice_from(ordered[i]), slice_from(ordered[j])) != (i < j))
                fail_msg("\"%s\" and \"%s\"", ordered[i], ordered[j]);
}

/* Of names of a few letters, zeros and digits the order is one: no circle of three. */
static void test_is_an_order(void **state)
{
    static const char letters[] = "0012aA";
    enum { NAMES = 6 * 6 * 6 };
    char names[NAMES][4];
    (void)state;
    for (size_t i = 0; i < NAMES; i++)
        snprintf(names[i], 4, "%c%c%c", letters[i % 6], letters[i / 6 % 6], letters[i / 36]);
    for (size_t i = 0; i < NAMES; i++) {
        for (size_t j = 0; j < NAMES; j++) {
            bool before = listing_name_before(slice_from(names[i]), slice_from(names[j]));
            bool behind = listing_name_before(slice_from(names[j]), slice_from(names[i]));
            assert_int_equal(before || behind, strcmp(names[i], names[j]) != 0);
            assert_false(before && behind);
            for (size_t k = 0; before && k < NAMES; k++)
                if (listing_name_before(slice_from(names[j]), slice_from(names[k])))
                    assert_true(listing_name_before(slice_from(names[i]), slice_from(names[k])));
        }
    }
}

struct place {
    char root[32];
    int fd;
};

static int open_place(void **state)
{
    struct place *p = calloc(1, sizeof *p);
    assert_non_null(p);
    snprintf(p->root, sizeof p->root, "/tmp/weir-listing-XXXXXX");
    assert_non_null(mkdtemp(p->root));
    p->fd = open(p->root, O_RDONLY | O_DIRECTORY);
    assert_true(p->fd >= 0);
    for (int i = 0; i < FILES; i++) {
        char name[NAME_MAX + 1];
        snprintf(name, sizeof name, "%0*d", 1 + i % 200, i);
        int fd = openat(p->fd, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
        assert_true(fd >= 0);
        assert_int_equal(ftruncate(fd, i), 0);
        close(fd);
    }
    assert_int_equal(mkdirat(p->fd, "folder", 0700), 0);
    assert_int_equal(mkdirat(p->fd, ".hidden", 0700), 0);
    assert_int_equal(mkfifoat(p->fd, "pipe", 0600), 0);
    assert_int_equal(symlinkat("folder", p->fd, "inward"), 0);
    assert_int_equal(symlinkat("/etc", p->fd, "outward"), 0);
    *state = p;
    return 0;
}

static int close_place(void **state)
{
    struct place *p = *state;
    for (int i = 0; i < FILES; i++) {
        char name[NAME_MAX + 1];
        snprintf(name, sizeof name, "%0*d", 1 + i % 200, i);
        unlinkat(p->fd, name, 0);
    }
    unlinkat(p->fd, "folder", AT_REMOVEDIR);
    unlinkat(p->fd, ".hidden", AT_REMOVEDIR);
    unlinkat(p->fd, "pipe", 0);
    unlinkat(p->fd, "inward", 0);
    unlinkat(p->fd, "outward", 0);
    close(p->fd);
    assert_int_equal(rmdir(p->root), 0);
    free(p);
    return 0;
}

/* Reads the folder with a buffer of so many bytes, on the heap. Returns the entries that there were; counts each by
 * what its size says it is. */
static unsigned read_all(const struct place *p, struct listing *l, size_t room)
{
    unsigned count = 0, seen[FILES] = {0};
    l->room = room;
    l->fd = p->fd;
    l->path = "";
    l->buf = malloc(room);
    assert_non_null(l->buf);
    assert_int_equal(lseek(p->fd, 0, SEEK_SET), 0);
    while (!l->ended && !l->overflowed) {
        assert_int_equal(listing_read(l), 0);
        if (l->sorted && !l->ended)
            continue;
        size_t at = 0;
        for (uint32_t i = 0; i < l->count; i++, count++) {
            struct listing_entry e = listing_item(l, i, &at);
            assert_true(e.name.len > 0);
            if (!e.folder) {
                char name[NAME_MAX + 1];
                assert_true(e.size >= 0 && e.size < FILES);
                snprintf(name, sizeof name, "%0*d", 1 + (int)e.size % 200, (int)e.size);
                assert_true(slice_equal(e.name, slice_from(name)));
                assert_int_equal(seen[e.size]++, 0);
            }
        }
    }
    free(l->buf);
    return count;
}

static void test_pieces(void **state)
{
    const struct place *p = *state;
    const struct folder_mount mount = {.root = p->root, .links = true}, strict = {.root = p->root},
                              open = {.root = p->root, .links = true, .hidden = true};
    for (size_t room = LISTING_LEAST; room < 40000; room += room < 4096 ? 8 : 1000) {
        struct listing l = {.mount = &mount};
        assert_int_equal(read_all(p, &l, room), FILES + 2); /* and a folder, and a link to it */
    }
    struct listing l = {.mount = &strict};
    assert_int_equal(read_all(p, &l, 4096), FILES + 1);
    l = (struct listing){.mount = &open};
    assert_int_equal(read_all(p, &l, 4096), FILES + 3);
}

static void test_sorted(void **state)
{
    const struct place *p = *state;
    const struct folder_mount mount = {.root = p->root};
    unsigned sorted = 0, overflowed = 0;
    for (size_t room = 2048; room < 256 << 10; room = room * 5 / 4 & ~(size_t)3) {
        struct listing l = {.mount = &mount, .sorted = true};
        unsigned count = read_all(p, &l, room);
        assert_true(l.used + l.count * sizeof(uint32_t) <= room);
        assert_int_equal(count, l.overflowed ? 0 : FILES + 1);
        *(l.overflowed ? &overflowed : &sorted) += 1;
    }
    assert_true(sorted > 0 && overflowed > 0);
}

static void test_order_of_entries(void **state)
{
    const struct place *p = *state;
    const struct folder_mount mount = {.root = p->root};
    for (int down = 0; down < 2; down++) {
        static char buf[LISTING_MEMORY] __attribute__((aligned(16)));
        struct listing l = {.mount = &mount,
                            .path = "",
                            .fd = p->fd,
                            .buf = buf,
                            .room = sizeof buf,
                            .sorted = true,
                            .key = LISTING_SIZE,
                            .descending = down};
        size_t at = 0;
        assert_int_equal(lseek(p->fd, 0, SEEK_SET), 0);
        while (!l.ended)
            assert_int_equal(listing_read(&l), 0);
        assert_true(listing_item(&l, 0, &at).folder); /* folders first, whatever the order */
        for (uint32_t i = 1; i < l.count; i++)
            assert_int_equal(listing_item(&l, i, &at).size, down ? FILES - (int)i : (int)i - 1);
    }
}

static void test_removed(void **state)
{
    const struct folder_mount mount = {.root = "/tmp"};
    char path[] = "/tmp/weir-listing-XXXXXX", buf[4096];
    (void)state;
    assert_non_null(mkdtemp(path));
    struct listing l = {.mount = &mount, .path = "", .fd = open(path, O_RDONLY), .buf = buf, .room = sizeof buf};
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(listing_read(&l), 0);
    assert_true(l.ended && l.count == 0);
    close(l.fd);
    l.ended = false;
    assert_int_equal(listing_read(&l), WEIR_EIO); /* no folder at all */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_is_an_order),
        cmocka_unit_test_setup_teardown(test_pieces, open_place, close_place),
        cmocka_unit_test_setup_teardown(test_sorted, open_place, close_place),
        cmocka_unit_test_setup_teardown(test_order_of_entries, open_place, close_place),
        cmocka_unit_test(test_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
