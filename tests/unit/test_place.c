/*
 * The place of a file that is being written: names, folders beneath the root, and what is left behind.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "web/upload/place.h"
#include "weir.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct fixture {
    char outer[64], root[72]; /* the root is a folder of the outer one */
};

static int fixture_open(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    snprintf(f->outer, sizeof f->outer, "/dev/shm/weir-place-XXXXXX");
    assert_non_null(mkdtemp(f->outer));
    snprintf(f->root, sizeof f->root, "%s/root", f->outer);
    assert_int_equal(mkdir(f->root, 0700), 0);
    umask(022);
    *state = f;
    return 0;
}

static int remove_all(int parent, const char *name)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (fd < 0)
        return unlinkat(parent, name, 0);
    DIR *d = fdopendir(fd);
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            (void)remove_all(fd, e->d_name);
    closedir(d);
    return unlinkat(parent, name, AT_REMOVEDIR);
}

static int fixture_close(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(remove_all(AT_FDCWD, f->outer), 0);
    free(f);
    return 0;
}

/* The names in a folder beneath the root. */
static int count_names(const struct fixture *f, const char *folder)
{
    char path[PATH_MAX];
    int count = 0;
    snprintf(path, sizeof path, "%s/%s", f->root, folder);
    DIR *d = opendir(path);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        count += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(d);
    return count;
}

static void assert_holds(const struct fixture *f, const char *name, const char *text)
{
    char path[PATH_MAX], buf[64];
    snprintf(path, sizeof path, "%s/%s", f->root, name);
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    ssize_t n = read(fd, buf, sizeof buf);
    close(fd);
    assert_int_equal(n, strlen(text));
    assert_memory_equal(buf, text, strlen(text));
}

static struct place place_at(const struct fixture *f, const char *path, bool nameless_off)
{
    return (struct place){
        .root = f->root, .path = path, .name = place_name(path), .mode = 0666, .nameless_off = nameless_off};
}

static int save(struct place *p, const char *text)
{
    int error = place_open(p);
    if (error)
        return error;
    assert_int_equal(write(p->fd, text, strlen(text)), strlen(text));
    return place_publish(p);
}

static void names(void **state)
{
    (void)state;
    char longest[NAME_MAX + 2];
    memset(longest, 'a', sizeof longest);
    longest[NAME_MAX + 1] = '\0';
    assert_null(place_name(longest));
    assert_non_null(place_name(longest + 1));
    assert_null(place_name(""));
    assert_null(place_name("a/"));
    assert_null(place_name("."));
    assert_null(place_name("a/.."));
    assert_string_equal(place_name("a"), "a");
    assert_string_equal(place_name("a/b.txt"), "b.txt");
    assert_string_equal(place_name("/...."), "....");
}

static void is_made(void **state)
{
    struct fixture *f = *state;
    for (int named = 0; named < 2; named++) {
        const char *name = named ? "named" : "nameless";
        struct place p = place_at(f, name, named);
        assert_int_equal(place_open(&p), 0);
        assert_int_equal(p.named, named);
        assert_int_equal(count_names(f, "."), named ? 2 : 0); /* the one before, and the temporary name */
        assert_int_equal(write(p.fd, "x", 1), 1);
        assert_int_equal(place_publish(&p), 0);
        assert_false(p.replaced);
        assert_holds(f, name, "x");
        assert_int_equal(count_names(f, "."), named + 1);
        struct stat status;
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/%s", f->root, name);
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(status.st_mode & 07777, 0644);
    }
}

static void replaces(void **state)
{
    struct fixture *f = *state;
    for (int named = 0; named < 2; named++) {
        for (int sync = 0; sync < 2; sync++) {
            struct place p = place_at(f, "it", named), q = place_at(f, "it", named), r = place_at(f, "it", named);
            r.exclusive = true;
            p.sync = q.sync = r.sync = sync;
            assert_int_equal(save(&p, "first"), 0);
            assert_false(p.replaced);
            assert_int_equal(save(&r, "exclusive"), WEIR_EEXIST);
            assert_holds(f, "it", "first");
            assert_int_equal(save(&q, "second"), 0);
            assert_true(q.replaced);
            assert_holds(f, "it", "second");
            assert_int_equal(count_names(f, "."), 1);
            char path[PATH_MAX];
            snprintf(path, sizeof path, "%s/it", f->root);
            assert_int_equal(unlink(path), 0);
        }
    }
}

static void leaves_nothing(void **state)
{
    struct fixture *f = *state;
    for (int named = 0; named < 2; named++) {
        struct place p = place_at(f, "it", named);
        assert_int_equal(place_open(&p), 0);
        place_close(&p);
        assert_int_equal(count_names(f, "."), 0);
        assert_int_equal(p.fd, -1);
        assert_int_equal(p.folder, -1);
    }
}

static void long_names_are_cut(void **state)
{
    struct fixture *f = *state;
    char name[NAME_MAX + 1];
    memset(name, 'n', NAME_MAX);
    name[NAME_MAX] = '\0';
    struct place p = place_at(f, name, true);
    assert_int_equal(save(&p, "x"), 0);
    assert_holds(f, name, "x");
    assert_int_equal(count_names(f, "."), 1);
}

static void folders(void **state)
{
    struct fixture *f = *state;
    struct place p = place_at(f, "a/b//c/it", false), q = p;
    assert_int_equal(save(&p, "x"), WEIR_ENOENT);
    assert_int_equal(count_names(f, "."), 0);
    q.make_folders = q.sync = true;
    assert_int_equal(save(&q, "x"), 0);
    assert_holds(f, "a/b/c/it", "x");
    struct place r = place_at(f, "a/b/other", false);
    r.make_folders = true;
    assert_int_equal(save(&r, "y"), 0);
    struct place s = place_at(f, "a/b/other/below", false);
    s.make_folders = true;
    assert_int_not_equal(save(&s, "y"), 0); /* a file is no folder */
    struct place t = place_at(f, "a/b", false);
    assert_int_equal(save(&t, "y"), WEIR_EEXIST);
    struct place u = place_at(f, "a/b", true);
    assert_int_equal(save(&u, "y"), WEIR_EEXIST);
    assert_int_equal(count_names(f, "a"), 1);
    assert_int_equal(count_names(f, "."), 1);
}

static void nothing_leads_out(void **state)
{
    struct fixture *f = *state;
    char link[PATH_MAX];
    snprintf(link, sizeof link, "%s/out", f->root);
    assert_int_equal(symlink("..", link), 0);
    snprintf(link, sizeof link, "%s/absolute", f->root);
    assert_int_equal(symlink(f->outer, link), 0);
    snprintf(link, sizeof link, "%s/file", f->root);
    char target[PATH_MAX];
    snprintf(target, sizeof target, "%s/target", f->outer);
    assert_int_equal(symlink(target, link), 0);
    static const char *const paths[] = {"../it",       "/it",        "/tmp/it",      "out/it",
                                        "absolute/it", "out/new/it", "a/../../b/it", "../root/a/it",
                                        "out/../it",   "./../it",    "new/../../it"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        for (int make = 0; make < 2; make++) {
            struct place p = place_at(f, paths[i], false);
            p.make_folders = make;
            int error = save(&p, "x");
            if (error != WEIR_EACCES && (make || error != WEIR_ENOENT))
                fail_msg("%s: %d", paths[i], error);
        }
    }
    struct dirent **entries;
    int count = scandir(f->outer, &entries, NULL, NULL);
    for (int i = 0; i < count; i++)
        free(entries[i]);
    free(entries);
    assert_int_equal(count, 3);                  /* ".", ".." and "root" */
    struct place p = place_at(f, "file", false); /* the link is replaced, and nothing is where it led to */
    assert_int_equal(save(&p, "x"), 0);
    assert_true(p.replaced);
    assert_holds(f, "file", "x");
    assert_int_not_equal(access(target, F_OK), 0);
}

static void no_root(void **state)
{
    struct fixture *f = *state;
    struct place p = place_at(f, "it", false);
    p.root = "/dev/shm/weir-there-is-no-such-folder";
    assert_int_equal(place_open(&p), WEIR_ENOENT);
    p.root = "/dev/null";
    assert_int_equal(place_open(&p), WEIR_ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test_setup_teardown(is_made, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(replaces, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(leaves_nothing, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(long_names_are_cut, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(folders, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(nothing_leads_out, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(no_root, fixture_open, fixture_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
