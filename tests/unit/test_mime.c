/*
 * Media types by names: the built-in tables, databases of both formats, and which of them counts.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web_fixture.h"

#include "web/folder/mime.h"

#include <stdio.h>
#include <stdlib.h>

static const char globs[] = "# a comment\n"
                            "80:text/x-odd:*.odd\n"
                            "60:application/wrong:*.js\n"
                            "60:text/wrong:*.HTML\n"
                            "50:application/x-compressed-tar:*.tar.gz\n"
                            "50:text/x-c++src:*.C:cs\n"
                            "50:application/x-late:*.odd\n"
                            "50:application/x-star:*.a*\n"
                            "50:text/x-makefile:makefile\n"
                            "50:no type:*.none\n"
                            "50:application/x-\x01:*.ctl\n"
                            "50:text/html; x=y:*.inject\n"
                            "50:\n:\n::\n50:a/b\n"
                            "50:application/X-Upper:*.UPP";

static const char types[] = "# type  ends\n"
                            "application/x-one\tone ein\r\n"
                            "application/x-none\n"
                            "text/x-two two # three\n"
                            "broken four\n";

static struct mime_types *make(struct fixture *f, const char *text, enum mime_format format)
{
    size_t len = strlen(text);
    char *copy = fixture_exact(text, len);
    struct mime_types *made = mime_types_new(&f->account, slice_of(copy, len), format);
    free(copy);
    return made;
}

static void assert_type(const struct mime_types *system, const char *name, const char *type)
{
    const char *got = mime_type_of(system, name);
    if (strcmp(got, type) != 0)
        fail_msg("%s: %s, not %s", name ? name : "(null)", got, type);
}

static void test_tables_are_sorted(void **state)
{
    const struct mime_table *tables[] = {&mime_web, &mime_usual};
    (void)state;
    for (size_t t = 0; t < 2; t++) {
        for (size_t i = 0; i < tables[t]->count; i++) {
            const struct mime_row *row = &tables[t]->rows[i];
            assert_true(strlen(row->end) <= MIME_END_MAX);
            assert_true(i == 0 || strcmp(tables[t]->rows[i - 1].end, row->end) < 0);
            bool is_text = strncmp(row->type, "text/", 5) == 0;
            assert_int_equal(strstr(row->type, "; charset=utf-8") != NULL, is_text);
            char name[MIME_END_MAX + 4];
            snprintf(name, sizeof name, "a.%s", row->end);
            assert_type(NULL, name, row->type);
        }
    }
}

static void test_names(void **state)
{
    (void)state;
    assert_type(NULL, "index.html", "text/html; charset=utf-8");
    assert_type(NULL, "INDEX.HTML", "text/html; charset=utf-8");
    assert_type(NULL, "a/b.c/app.min.js", "text/javascript; charset=utf-8");
    assert_type(NULL, "a.js/data", "application/octet-stream");
    assert_type(NULL, "backup.tar.gz", "application/gzip");
    assert_type(NULL, ".html", "application/octet-stream");
    assert_type(NULL, "html", "application/octet-stream");
    assert_type(NULL, "a.", "application/octet-stream");
    assert_type(NULL, "a..png", "image/png");
    assert_type(NULL, "", "application/octet-stream");
    assert_type(NULL, "dir/", "application/octet-stream");
    assert_type(NULL, NULL, "application/octet-stream");
    assert_type(NULL, "a.anendthatislongerthananythatthereis", "application/octet-stream");
    assert_type(NULL, "\xff\xfe.\xff", "application/octet-stream");
}

static void test_globs(void **state)
{
    struct fixture f;
    (void)state;
    fixture_open(&f);
    struct mime_types *t = make(&f, globs, MIME_GLOBS2);
    assert_non_null(t);
    assert_type(t, "a.odd", "text/x-odd; charset=utf-8");
    assert_type(t, "a.js", "text/javascript; charset=utf-8"); /* the web's own stay */
    assert_type(t, "a.html", "text/html; charset=utf-8");
    assert_type(t, "a.tar.gz", "application/x-compressed-tar");
    assert_type(t, "a.TAR.gz", "application/x-compressed-tar");
    assert_type(t, "a.gz", "application/gzip");
    assert_type(t, "a.C", "text/x-c; charset=utf-8"); /* by case: not the system's */
    assert_type(t, "a.upp", "application/x-upper");
    assert_type(t, "a.zst", "application/zstd"); /* not the system's, but usual */
    assert_type(t, "a.none", "application/octet-stream");
    assert_type(t, "a.ctl", "application/octet-stream");
    assert_type(t, "a.inject", "application/octet-stream");
    assert_type(t, "makefile", "application/octet-stream");
    mime_types_free(&f.account, t);
    fixture_close(&f);
}

static void test_types(void **state)
{
    struct fixture f;
    (void)state;
    fixture_open(&f);
    struct mime_types *t = make(&f, types, MIME_TYPES);
    assert_non_null(t);
    assert_type(t, "a.one", "application/x-one");
    assert_type(t, "a.ein", "application/x-one");
    assert_type(t, "a.two", "text/x-two; charset=utf-8");
    assert_type(t, "a.three", "application/octet-stream");
    assert_type(t, "a.four", "application/octet-stream");
    mime_use(t);
    assert_string_equal(weir_mime_type("a.one"), "application/x-one");
    mime_use(NULL);
    assert_string_equal(weir_mime_type("a.one"), "application/octet-stream");
    mime_types_free(&f.account, t);
    fixture_close(&f);
}

static void test_nothing(void **state)
{
    struct fixture f;
    (void)state;
    fixture_open(&f);
    struct mime_types *t = make(&f, "", MIME_GLOBS2);
    assert_type(t, "a.css", "text/css; charset=utf-8");
    mime_types_free(&f.account, t);
    mime_types_free(&f.account, NULL);
    f.fail_after = 0;
    assert_null(make(&f, globs, MIME_GLOBS2));
    f.fail_after = -1;
    fixture_close(&f);
}

/* Many rows, in the worst of orders: all are found. */
static void test_many(void **state)
{
    enum { MANY = 3000, LINE = 40 };
    struct fixture f;
    (void)state;
    fixture_open(&f);
    char *text = malloc((size_t)MANY * LINE);
    size_t len = 0;
    for (int i = MANY; i-- > 0;)
        len += (size_t)snprintf(text + len, LINE, "50:application/x-%d:*.e%04d\n", i / 2, i);
    struct mime_types *t = mime_types_new(&f.account, slice_of(text, len), MIME_GLOBS2);
    free(text);
    for (int i = 0; i < MANY; i++) {
        char name[LINE], type[LINE];
        snprintf(name, sizeof name, "n.e%04d", i);
        snprintf(type, sizeof type, "application/x-%d", i / 2);
        assert_type(t, name, type);
    }
    mime_types_free(&f.account, t);
    fixture_close(&f);
}

/* What this machine has, if it has any: no more memory than is stated. */
static void test_system(void **state)
{
    struct fixture f;
    (void)state;
    fixture_open(&f);
    struct mime_types *t = mime_types_load(&f.account);
    assert_true(counter_read(&f.account.reserved) < 160 << 10);
    assert_type(t, "a.html", "text/html; charset=utf-8");
    assert_type(t, "a.tar", "application/x-tar");
    mime_types_free(&f.account, t);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables_are_sorted),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_globs),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_system),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
