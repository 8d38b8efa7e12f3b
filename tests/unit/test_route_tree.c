/*
 * The router's tree by itself: texts whose hashes are equal, and blocks of memory as they grow.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web_fixture.h"

#include "base/siphash.h"
#include "web/route/tree.h"

#define CANDIDATES   300000 /* of which some 10 pairs have the same hash of 32 bits */
#define TEXT_LEN_MAX 32

/* Texts of len to len + lens - 1 bytes, of which `same` at the beginning are the same. */
struct kind {
    size_t len, lens, same;
};

struct candidate {
    uint32_t hash;
    uint32_t number;
};

static struct candidate candidates[CANDIDATES];

static int compare_hashes(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    return (x->hash > y->hash) - (x->hash < y->hash);
}

static struct slice text_of(char buf[TEXT_LEN_MAX], struct kind kind, uint32_t number)
{
    struct siphash_key key = {{number, 1}};
    memset(buf, 'x', TEXT_LEN_MAX);
    for (size_t at = kind.same; at < TEXT_LEN_MAX; at += 8) {
        uint64_t word = siphash(&key, slice_of(buf, at));
        for (size_t i = at; i < at + 8 && i < TEXT_LEN_MAX; i++, word >>= 8)
            buf[i] = (char)('a' + word % 16);
    }
    return slice_of(buf, kind.len + number % kind.lens);
}

static uint32_t hash_of(struct slice text)
{
    struct route_key key = text.len > KEY_WORDS_LEN ? route_key_long(NODE_ANY_HOST, text.data, text.len)
                                                    : route_key_short(NODE_ANY_HOST, text.data, text.len);
    return route_hash(&key);
}

/* Finds two texts with the same hash, of the same length if there is only one, else of different lengths. */
static void find_pair(struct kind kind, uint32_t pair[2])
{
    char buf[TEXT_LEN_MAX];
    for (uint32_t i = 0; i < CANDIDATES; i++)
        candidates[i] = (struct candidate){hash_of(text_of(buf, kind, i)), i};
    qsort(candidates, CANDIDATES, sizeof *candidates, compare_hashes);
    for (uint32_t i = 1; i < CANDIDATES; i++) {
        pair[0] = candidates[i - 1].number;
        pair[1] = candidates[i].number;
        if (candidates[i - 1].hash == candidates[i].hash &&
            (kind.lens == 1 || pair[0] % kind.lens != pair[1] % kind.lens))
            return;
    }
    fail_msg("no two hashes are equal");
}

/* One of two texts with the same hash is registered: the other one is not found, until it is too. */
static void check_kind(struct kind kind)
{
    struct fixture f;
    struct route_tree tree;
    uint32_t pair[2];
    char bufs[2][TEXT_LEN_MAX];
    find_pair(kind, pair);
    struct slice a = text_of(bufs[0], kind, pair[0]), b = text_of(bufs[1], kind, pair[1]);
    assert_false(slice_equal(a, b));
    fixture_open(&f);
    assert_true(route_tree_init(&tree, &f.account));
    uint32_t first = route_tree_text(&tree, NODE_ANY_HOST, a);
    assert_int_not_equal(first, NODE_NONE);
    assert_int_equal(route_tree_find(&tree, NODE_ANY_HOST, b.data, b.len), NODE_NONE);
    uint32_t second = route_tree_text(&tree, NODE_ANY_HOST, b);
    assert_true(second != NODE_NONE && second != first);
    assert_int_equal(route_tree_find(&tree, NODE_ANY_HOST, a.data, a.len), first);
    assert_int_equal(route_tree_find(&tree, NODE_ANY_HOST, b.data, b.len), second);
    route_tree_done(&tree);
    fixture_close(&f);
}

static void test_equal_hashes(void **state)
{
    (void)state;
    check_kind((struct kind){.len = 16, .lens = 1, .same = 0});
    check_kind((struct kind){.len = 16, .lens = 1, .same = 8}); /* the first word of the key is the same too */
    check_kind((struct kind){.len = 9, .lens = 8, .same = 0});
    check_kind((struct kind){.len = 24, .lens = 1, .same = 0});
    check_kind((struct kind){.len = 17, .lens = 8, .same = 0});
}

/* What is stored is aligned, whole and apart from all else, however much there is of it. */
static void test_store(void **state)
{
    enum { COUNT = 4000 };
    struct fixture f;
    struct route_tree tree;
    static char *stored[COUNT];
    (void)state;
    fixture_open(&f);
    assert_true(route_tree_init(&tree, &f.account));
    for (size_t i = 0; i < COUNT; i++) {
        size_t size = i % 97 == 0 ? 40000 : i % 61 + 1;
        stored[i] = route_tree_store(&tree, size);
        assert_non_null(stored[i]);
        assert_int_equal((uintptr_t)stored[i] % 8, 0);
        memset(stored[i], (int)(i % 251), size);
    }
    for (size_t i = 0; i < COUNT; i++)
        for (size_t at = 0, size = i % 97 == 0 ? 40000 : i % 61 + 1; at < size; at++)
            assert_int_equal((unsigned char)stored[i][at], i % 251);
    route_tree_done(&tree);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_hashes),
        cmocka_unit_test(test_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
