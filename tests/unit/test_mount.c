/*
 * Mounting folders: what is refused and how, what is kept, and that nothing is left.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "web/folder/mount.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct fixture {
    struct memory memory;
    struct site site;
    weir_group *group;
    long fail_after; /* allocations that still succeed; negative: all */
};

static bool fixture_fault(void *arg, const struct account *account, size_t size)
{
    struct fixture *f = arg;
    (void)account;
    (void)size;
    return f->fail_after >= 0 && f->fail_after-- == 0;
}

static int fixture_open(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->fail_after = -1;
    memory_init(&f->memory, 0);
    f->memory.fault = fixture_fault;
    f->memory.fault_arg = f;
    assert_int_equal(site_init(&f->site, &f->memory, NULL), 0);
    f->group = site_add_group(&f->site, NULL, "/group", NULL);
    *state = f;
    return 0;
}

static int fixture_close(void **state)
{
    struct fixture *f = *state;
    site_done(&f->site);
    assert_int_equal(counter_read(&f->memory.granted), 0);
    memory_done(&f->memory);
    free(f);
    return 0;
}

static void test_refused(void **state)
{
    struct fixture *f = *state;
    static const weir_files_header no_pattern = {NULL, "A", "b"},
                                   long_pattern = {"0123456789012345678901234567890123456789012345678901234567890123",
                                                   "A", "b"},
                                   no_token = {"*", "A b", "b"}, reserved = {"*", "content-length", "1"},
                                   injected = {"*", "A", "b\r\nC: d"}, no_value = {"*", "A", NULL};
    static const struct {
        weir_files_options options;
        const char *prefix, *message;
    } cases[] = {
        {{.root = NULL}, "/x", "files at \"/group/x\": root \"(null)\" is no folder"},
        {{.root = ""}, "/x", "root \"\" is no folder"},
        {{.root = "/nowhere at all"}, "/x", "root \"/nowhere at all\" is no folder"},
        {{.root = "/etc/passwd"}, "/x", "is no folder"},
        {{.root = "/"}, "x", "a prefix is empty, or begins with a slash"},
        {{.root = "/"}, NULL, "a prefix is empty"},
        {{.root = "/"}, "/x//", "a prefix is empty"},
        {{.root = "/", .listing = 2}, "/x", "WEIR_ON or WEIR_OFF"},
        {{.root = "/", .hidden = -2}, "/x", "WEIR_ON or WEIR_OFF"},
        {{.root = "/", .fallback = "/index.html"}, "/x", "fallback is the path of a file beneath the root"},
        {{.root = "/", .fallback = ""}, "/x", "fallback"},
        {{.root = "/", .fallback = "a/"}, "/x", "fallback"},
        {{.root = "/", .index = "a/b"}, "/x", "index holds names"},
        {{.root = "/", .header_count = 1}, "/x", "headers"},
        {{.root = "/", .headers = &no_pattern, .header_count = 65}, "/x", "headers are at most 64"},
        {{.root = "/", .headers = &no_pattern, .header_count = 1}, "/x", "a pattern has 1 to 63 bytes"},
        {{.root = "/", .headers = &long_pattern, .header_count = 1}, "/x", "a pattern has 1 to 63 bytes"},
        {{.root = "/", .headers = &no_token, .header_count = 1}, "/x", "is no token"},
        {{.root = "/", .headers = &reserved, .header_count = 1}, "/x", "weir sets by itself"},
        {{.root = "/", .headers = &injected, .header_count = 1}, "/x", "value is none"},
        {{.root = "/", .headers = &no_value, .header_count = 1}, "/x", "value is none"},
        {{.root = "/"}, "/{path}", "path"}, /* the name of what is behind the prefix */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        f->site.errors_len = 0;
        f->site.errors[0] = '\0';
        assert_int_equal(weir_files(f->group, cases[i].prefix, &cases[i].options), WEIR_EINVAL);
        if (!strstr(f->site.errors, cases[i].message))
            fail_msg("%zu: \"%s\", not \"%s\"", i, f->site.errors, cases[i].message);
    }
    assert_int_equal(weir_files(NULL, "/x", &cases[0].options), WEIR_EINVAL);
    assert_int_equal(weir_files(f->group, "/x", NULL), WEIR_EINVAL);
    assert_int_equal(weir_files(f->group, "/y", &(weir_files_options){.root = "/"}), 0);
    assert_int_equal(weir_files(f->group, "/y", &(weir_files_options){.root = "/"}), WEIR_EEXIST);
}

static void test_kept(void **state)
{
    struct fixture *f = *state;
    char here[PATH_MAX], pattern[] = "*.js", value[] = "immutable", index[] = "  a.html  b.html ";
    weir_files_header header = {pattern, "Cache-Control", value};
    assert_int_equal(chdir("/"), 0);
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(weir_files(f->group, "/one/",
                                &(weir_files_options){.root = "tmp",
                                                      .index = index,
                                                      .fallback = "a/b",
                                                      .headers = &header,
                                                      .header_count = 1,
                                                      .listing = WEIR_ON}),
                     0);
    memset(pattern, 'x', 4);
    memset(value, 'x', 9);
    memset(index, 'x', 5);
    const struct folder_mount *m = f->site.folders->mounts;
    assert_string_equal(m->root, "//tmp");
    assert_string_equal(m->fallback, "a/b");
    assert_memory_equal(m->indexes, "a.html\0b.html\0", 15);
    assert_int_equal(m->header_count, 1);
    assert_string_equal(m->headers[0].pattern, "*.js");
    assert_string_equal(m->headers[0].value, "immutable");
    assert_true(m->listing && m->links && !m->hidden && !m->precompressed);
    assert_int_equal(folders_memory(&f->site), LISTINGS_MEMORY);

    /* Callers of an older version, whose options are shorter: what is beyond is left at its default. */
    weir_files_options options = {.root = "/tmp", .listing = WEIR_ON, .hidden = WEIR_ON};
    assert_int_equal(weir_files_sized(f->group, "/two", &options, offsetof(weir_files_options, listing)), 0);
    m = f->site.folders->mounts;
    assert_string_equal(m->indexes, "index.html");
    assert_true(!m->listing && !m->hidden);
    assert_int_equal(weir_files(f->group, "/three", &(weir_files_options){.root = "/tmp", .index = ""}), 0);
    assert_string_equal(f->site.folders->mounts->indexes, "");
}

/* Any allocation may fail. What is there stays, and all comes back. */
static void test_no_memory(void **state)
{
    struct fixture *f = *state;
    int error = WEIR_ENOMEM;
    for (long n = 0; error == WEIR_ENOMEM && n < 1000; n++) {
        char prefix[16];
        snprintf(prefix, sizeof prefix, "/p%ld", n);
        f->fail_after = n;
        error = weir_files(f->group, prefix, &(weir_files_options){.root = "/tmp"});
        f->fail_after = -1;
    }
    assert_int_equal(error, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_refused, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(test_kept, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(test_no_memory, fixture_open, fixture_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
