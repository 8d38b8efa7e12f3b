/*
 * Compressed forms that are kept: found by version, coding and level, made by one at a time, and given up where they
 * are cut, too long, or refused memory.
 *
 * SPDX-License-Identifier: MIT
 */
#include "cache_fixture.h"

#include "web/compress/kept.h"

static const struct kept_form form = {
    .version = {.device = 1, .inode = 2, .size = 3, .modified = 4, .modified_ns = 5, .changed = 6, .changed_ns = 7},
    .coding = CODING_GZIP,
    .level = 5};

struct forms {
    struct fixture *fixture;
    struct account account;
};

static void forms_open(struct forms *f, void **state)
{
    f->fixture = *state;
    account_open(&f->account, &f->fixture->memory, "forms");
}

static void forms_close(struct forms *f)
{
    assert_int_equal(counter_read(&f->account.objects), 0);
    account_close(&f->account);
}

static bool begin(struct forms *f, struct kept_form_maker *m, const struct kept_form *of, size_t size)
{
    return kept_form_begin(m, f->fixture->cache, of, &f->account, size, &f->fixture->loop);
}

static void assert_found(struct forms *f, const struct kept_form *of, const char *text)
{
    struct weir_value *v = kept_form_find(f->fixture->cache, of, 0);
    assert_int_equal(v != NULL, text != NULL);
    if (text) {
        assert_int_equal(value_size(v), strlen(text));
        assert_memory_equal(value_data(v), text, strlen(text));
    }
    value_unref(v);
}

static void kept(void **state)
{
    struct forms f;
    struct kept_form_maker m;
    forms_open(&f, state);
    assert_found(&f, &form, NULL);
    assert_true(begin(&f, &m, &form, 6));
    kept_form_add(&m, "abc", 3);
    assert_found(&f, &form, NULL);
    kept_form_add(&m, "def", 3);
    kept_form_end(&m, true);
    kept_form_end(&m, false); /* once more does nothing */
    assert_found(&f, &form, "abcdef");
    struct kept_form others[9] = {form, form, form, form, form, form, form, form, form};
    others[0].version.device++;
    others[1].version.inode++;
    others[2].version.size++;
    others[3].version.modified++;
    others[4].version.modified_ns++;
    others[5].version.changed++;
    others[6].version.changed_ns++;
    others[7].coding = CODING_BR;
    others[8].level++;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_found(&f, &others[i], NULL);
    forms_close(&f);
}

static void one_at_a_time(void **state)
{
    struct forms f;
    struct kept_form_maker first, second, other;
    struct kept_form zstd = form;
    zstd.coding = CODING_ZSTD;
    forms_open(&f, state);
    assert_true(begin(&f, &first, &form, 10));
    assert_false(begin(&f, &second, &form, 10));
    kept_form_add(&second, "nobody's", 8);
    kept_form_end(&second, true);
    assert_true(begin(&f, &other, &zstd, 10));
    kept_form_add(&other, "zstd", 4);
    kept_form_end(&other, true);
    kept_form_end(&first, false); /* its client has gone */
    assert_found(&f, &form, NULL);
    assert_found(&f, &zstd, "zstd");
    assert_true(begin(&f, &second, &form, 10));
    kept_form_add(&second, "second", 6);
    kept_form_end(&second, true);
    assert_found(&f, &form, "second");
    forms_close(&f);
}

static void given_up(void **state)
{
    struct forms f;
    struct kept_form_maker m;
    forms_open(&f, state);
    assert_true(begin(&f, &m, &form, 4));
    kept_form_add(&m, "abc", 3);
    kept_form_add(&m, "de", 2); /* longer than the file is no form to keep */
    kept_form_add(&m, "f", 1);
    kept_form_end(&m, true);
    assert_found(&f, &form, NULL);
    f.fixture->fail = true;
    assert_false(begin(&f, &m, &form, 4));
    f.fixture->fail = false;
    assert_true(begin(&f, &m, &form, 4)); /* the refused one has left nothing behind */
    kept_form_add(&m, "abc", 3);
    f.fixture->fail = true;
    kept_form_end(&m, true);
    f.fixture->fail = false;
    assert_found(&f, &form, NULL);
    forms_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(kept, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(one_at_a_time, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(given_up, fixture_open, fixture_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
