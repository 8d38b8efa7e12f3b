/*
 * Files that are kept open: found by both halves of their path, bounded, let go of, and not kept where that would not
 * be safe.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web_fixture.h"

#include "io/timer.h"
#include "web/file/file_cache.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define FILES   200
#define SETTLED 3 /* seconds */

struct folder {
    struct fixture fixture;
    struct file_cache files;
    char root[32];
};

static void file_name(char name[16], int number)
{
    snprintf(name, 16, "%d.txt", number);
}

static int open_folder(void **state)
{
    struct folder *f = calloc(1, sizeof *f);
    assert_non_null(f);
    fixture_open(&f->fixture);
    snprintf(f->root, sizeof f->root, "/tmp/weir-files-XXXXXX");
    assert_non_null(mkdtemp(f->root));
    int folder = open(f->root, O_PATH | O_DIRECTORY);
    for (int i = 0; i < FILES; i++) {
        char name[16];
        file_name(name, i);
        int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
        assert_int_equal(write(fd, name, strlen(name)), (ssize_t)strlen(name));
        close(fd);
    }
    close(folder);
    assert_int_equal(nanosleep(&(struct timespec){.tv_sec = SETTLED}, NULL), 0);
    *state = f;
    return 0;
}

static int close_folder(void **state)
{
    struct folder *f = *state;
    int folder = open(f->root, O_PATH | O_DIRECTORY);
    for (int i = 0; i < FILES; i++) {
        char name[16];
        file_name(name, i);
        unlinkat(folder, name, 0);
    }
    close(folder);
    rmdir(f->root);
    fixture_close(&f->fixture);
    free(f);
    return 0;
}

/* Opens a file and offers it. Whether it was kept. */
static bool keep(struct folder *f, const char *root, const char *path, uint32_t now)
{
    struct beneath b = {.root = root, .path = path, .cached_only = true};
    assert_int_equal(beneath_open(&b), 0);
    struct file_marks marks;
    file_marks_make(&marks, &b.status, time(NULL));
    bool kept = file_cache_keep(&f->files, &b, &marks, now) != NULL;
    if (!kept)
        close(b.fd);
    return kept;
}

static bool keep_number(struct folder *f, int number, uint32_t now)
{
    char name[16];
    file_name(name, number);
    return keep(f, f->root, name, now);
}

/* Whether a file is found, and is the one that was asked for. */
static bool find_number(struct folder *f, int number, uint32_t now)
{
    char name[16], text[16] = "";
    file_name(name, number);
    const struct kept_file *k = file_cache_find(&f->files, f->root, name, now);
    if (k) {
        assert_int_equal((off_t)k->version.size, strlen(name));
        assert_int_equal(pread(k->file->fd, text, sizeof text, 0), (off_t)k->version.size);
        assert_string_equal(text, name);
    }
    return k != NULL;
}

static uint64_t count(const struct folder *f)
{
    return counter_read(&f->files.account.objects);
}

/* Both halves are the key, and where the path is cut is a part of it. */
static void found(void **state)
{
    struct folder *f = *state;
    file_cache_init(&f->files, &f->fixture.memory, FILE_CACHE_MAX, 0);
    assert_false(find_number(f, 1, 0));
    assert_true(keep_number(f, 1, 0));
    assert_true(find_number(f, 1, 1));
    assert_false(find_number(f, 11, 1));
    char cut[64];
    snprintf(cut, sizeof cut, "%s/1.txt", f->root + strlen("/tmp/"));
    assert_null(file_cache_find(&f->files, "/tmp", cut, 1));
    assert_null(file_cache_find(&f->files, f->root, "1.tx", 1));
    assert_null(file_cache_find(&f->files, f->root, "", 1));
    assert_true(keep(f, "/tmp", cut, 1));
    assert_non_null(file_cache_find(&f->files, "/tmp", cut, 1));
    assert_int_equal(count(f), 2);
    file_cache_done(&f->files);
}

/* The places are never more than asked for, and those used the longest ago make room. */
static void bounded(void **state)
{
    struct folder *f = *state;
    for (uint32_t most = 0; most <= FILE_CACHE_MAX; most += FILE_CACHE_WAYS) {
        file_cache_init(&f->files, &f->fixture.memory, most, 0);
        for (int i = 0; i < FILES; i++) {
            assert_int_equal(keep_number(f, i, (uint32_t)i), most > 0);
            assert_int_equal(find_number(f, i, (uint32_t)i), most > 0);
            assert_true(count(f) <= most);
        }
        assert_int_equal(count(f), most);
        assert_true(counter_read(&f->files.account.reserved) <= FILE_CACHE_SLAB);
        file_cache_done(&f->files);
    }
    file_cache_init(&f->files, &f->fixture.memory, FILE_CACHE_WAYS, 0);
    uint32_t tick = UINT32_MAX - 2; /* ticks wrap meanwhile */
    for (int i = 0; i < FILE_CACHE_WAYS; i++)
        assert_true(keep_number(f, i, tick_after(tick, (uint32_t)i)));
    tick = tick_after(tick, FILE_CACHE_WAYS);
    assert_true(find_number(f, 0, tick));
    assert_true(keep_number(f, FILE_CACHE_WAYS, tick));
    assert_true(find_number(f, 0, tick));
    assert_false(find_number(f, 1, tick));
    file_cache_done(&f->files);
}

static void let_go(void **state)
{
    struct folder *f = *state;
    uint32_t start = UINT32_MAX - 100;
    file_cache_init(&f->files, &f->fixture.memory, FILE_CACHE_MAX, 0);
    assert_true(keep_number(f, 1, start) && keep_number(f, 2, tick_after(start, 500)));
    file_cache_close_old(&f->files, tick_after(start, FILE_CACHE_KEEP_MS - 1));
    assert_int_equal(count(f), 2);
    assert_true(find_number(f, 1, tick_after(start, FILE_CACHE_KEEP_MS - 1))); /* which does not keep it for longer */
    file_cache_close_old(&f->files, tick_after(start, FILE_CACHE_KEEP_MS));
    assert_int_equal(count(f), 1);
    assert_true(find_number(f, 2, tick_after(start, FILE_CACHE_KEEP_MS)));
    file_cache_clear(&f->files);
    assert_int_equal(count(f), 0);
    file_cache_done(&f->files);
}

/* Whoever sends a file may do so for longer than it is kept. */
static void shared(void **state)
{
    struct folder *f = *state;
    char text[16];
    file_cache_init(&f->files, &f->fixture.memory, FILE_CACHE_MAX, 0);
    assert_true(keep_number(f, 1, 0));
    struct file *file = file_ref(file_cache_find(&f->files, f->root, "1.txt", 1)->file);
    int fd = file->fd;
    assert_int_equal(file->references, 2);
    file_cache_clear(&f->files);
    pool_trim(&f->files.handles, true);
    assert_int_equal(count(f), 0);
    assert_int_equal(pread(file->fd, text, sizeof text, 0), strlen("1.txt"));
    assert_int_equal(counter_read(&f->files.handle_account.objects), 1);
    file_unref(file);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    assert_int_equal(counter_read(&f->files.handle_account.objects), 0);
    pool_trim(&f->files.handles, true);
    assert_int_equal(counter_read(&f->files.handle_account.reserved), 0);
    file_cache_done(&f->files);
}

/* Whether a look is due, whatever the tick's size. */
static void looks_after_a_while(void **state)
{
    struct folder *f = *state;
    uint32_t start = UINT32_MAX - 2;
    int folder = open(f->root, O_PATH | O_DIRECTORY);
    for (uint32_t valid = 0; valid < 4; valid++) {
        int number = 5 + (int)valid; /* another one: what was renamed has just changed */
        char name[16];
        file_name(name, number);
        file_cache_init(&f->files, &f->fixture.memory, FILE_CACHE_MAX, valid);
        assert_true(keep_number(f, number, start));
        uint32_t looked = tick_after(start, valid); /* when it looks, and finds it unchanged */
        assert_true(find_number(f, number, looked));
        assert_int_equal(renameat(folder, name, folder, "away"), 0);
        if (valid > 0)
            assert_true(find_number(f, number, tick_after(looked, valid - 1)));
        assert_false(find_number(f, number, tick_after(looked, valid)));
        assert_int_equal(count(f), 0);
        assert_int_equal(renameat(folder, "away", folder, name), 0);
        file_cache_done(&f->files);
    }
    close(folder);
}

static void refused(void **state)
{
    struct folder *f = *state;
    char deep[FILE_CACHE_PATH + 16] = "";
    file_cache_init(&f->files, &f->fixture.memory, FILE_CACHE_MAX, 0);
    for (size_t len = FILE_CACHE_PATH - 3; len <= FILE_CACHE_PATH + 1; len++) { /* ".//.../1.txt", with its NUL */
        size_t own = len - strlen(f->root) - 1;
        memset(deep, '/', own);
        deep[0] = '.';
        memcpy(deep + own - 5, "1.txt", sizeof "1.txt");
        assert_int_equal(keep(f, f->root, deep, 0), len < FILE_CACHE_PATH);
        assert_int_equal(file_cache_find(&f->files, f->root, deep, 0) != NULL, len < FILE_CACHE_PATH);
    }
    /* Its status may be from before a long wait. */
    struct beneath b = {.root = f->root, .path = "3.txt", .cached_only = false};
    struct file_marks marks;
    assert_int_equal(beneath_open(&b), 0);
    file_marks_make(&marks, &b.status, time(NULL));
    assert_true(marks.settled);
    assert_false(file_cache_keep(&f->files, &b, &marks, 0));
    /* It has just changed. */
    assert_int_equal(fchmod(b.fd, 0640), 0);
    close(b.fd);
    assert_false(keep_number(f, 3, 0));
    file_cache_done(&f->files);
    /* No memory, for the record or the handle. */
    for (int after = 0; after <= 1; after++) {
        f->fixture.fail_after = after;
        file_cache_init(&f->files, &f->fixture.memory, FILE_CACHE_MAX, 0);
        assert_false(keep_number(f, 4, 0));
        assert_int_equal(count(f), 0);
        assert_true(keep_number(f, 4, 0));
        f->fixture.fail_after = -1;
        file_cache_done(&f->files);
    }
    file_cache_done(&(struct file_cache){0});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(found),   cmocka_unit_test(bounded),
        cmocka_unit_test(let_go),  cmocka_unit_test(looks_after_a_while),
        cmocka_unit_test(refused), cmocka_unit_test(shared),
    };
    return cmocka_run_group_tests(tests, open_folder, close_folder);
}
