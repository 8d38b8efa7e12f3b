/*
 * Tables of pools: what opening, making, trimming and closing do to each kind of row, and what the rows of the real
 * tables have to be for that.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "server/pools.h"
#include "server/server.h"

#include <string.h>

/* ---- An owner with a row of each kind ---- */

struct owner {
    struct account shared, late_account, own_account, waiting_account;
    struct pool plain, row[3], late, own, waiting;
};

static size_t any_size(const struct pool_basis *b, uint32_t i)
{
    (void)b;
    return i == 1 ? 0 : 1000; /* there is no second one */
}

#define AT(member, account_member)                                                                                     \
    .pool = offsetof(struct owner, member), .account = offsetof(struct owner, account_member)

static const struct pool_kind kinds[] = {
    {"shared", AT(plain, shared), .count = 1, .object_size = any_size, .align = 8, .held = 1,
     .made = offsetof(struct pool_basis, buffers)},
    {NULL, AT(row, shared), .count = 3, .object_size = any_size, .align = 64, .slab_size = 8192},
    {"late", AT(late, late_account), .count = 1, .start = POOL_AT_USE, .object_size = any_size, .align = 8},
    {"own", AT(own, own_account), .count = 1, .start = POOL_BY_OWNER, .object_size = any_size, .align = 8},
    {"waiting", AT(waiting, waiting_account), .count = 1, .object_size = any_size, .align = 8, .holder = POOL_WAITING,
     .kept = true},
};
static const struct pool_table table = {kinds, sizeof kinds / sizeof kinds[0]};

static void open_make_close(void **state)
{
    (void)state;
    struct memory m;
    struct owner o = {0};
    struct pool_basis basis = {.buffers = 100};
    memory_init(&m, 0);
    pools_open(table, &o, &m, &basis);
    assert_string_equal(o.shared.name, "shared");
    assert_ptr_equal(o.plain.account, &o.shared);
    assert_ptr_equal(o.row[0].account, &o.shared);
    assert_int_equal(o.row[0].slab_size, 8192);
    assert_int_equal(o.row[2].stride, 1024); /* 1000 by 64 */
    assert_null(o.row[1].account);           /* it is not there */
    assert_string_equal(o.late_account.name, "late");
    assert_null(o.late.account); /* whoever takes opens it */
    assert_null(o.own_account.memory);
    assert_null(o.own.account);
    assert_null(o.waiting_account.memory); /* nothing is bounded */
    assert_int_equal(pools_make(table, &o, &basis), 0);
    assert_true((uint64_t)o.plain.slabs * o.plain.per_slab >= 100);
    assert_int_equal(o.row[0].slabs, 0);
    pools_close(table, &o);
    assert_null(o.shared.memory);
    assert_null(o.late_account.memory);
    assert_null(o.plain.account);
    pools_close(table, &o); /* nothing is open */
    memory_done(&m);
}

static void trim(void **state)
{
    (void)state;
    struct memory m;
    struct owner o = {0};
    const struct pool_basis basis = {.limited = true};
    memory_init(&m, 0);
    pools_open(table, &o, &m, &basis);
    account_open(&o.own_account, &m, "own");
    pool_init(&o.own, &o.own_account, 1000, 8, 0);
    struct pool *const all[] = {&o.plain, &o.row[0], &o.row[2], &o.own, &o.waiting};
    for (size_t i = 0; i < 5; i++) {
        void *object = pool_take(all[i]);
        assert_non_null(object);
        pool_give(all[i], object);
    }
    pools_trim(table, &o, true);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(all[i]->slabs, 0);
    assert_int_equal(o.waiting.slabs, 1); /* kept */
    pools_close(table, &o);
    assert_ptr_equal(o.own.account, &o.own_account); /* its owner closes it */
    pool_done(&o.own);
    account_close(&o.own_account);
    memory_done(&m);
}

static void make_refused(void **state)
{
    (void)state;
    struct memory m;
    struct owner o = {0};
    const struct pool_basis basis = {.buffers = 1000};
    memory_init(&m, 65536);
    pools_open(table, &o, &m, &basis);
    assert_int_equal(pools_make(table, &o, &basis), WEIR_ENOMEM);
    pools_close(table, &o);
    memory_done(&m);
}

/* ---- The real ones ---- */

static bool opened_before(struct pool_table t, const struct pool_kind *k)
{
    for (const struct pool_kind *before = t.kinds; before < k; before++)
        if (before->name && before->account == k->account)
            return true;
    return false;
}

static void check_rows(struct pool_table t)
{
    for (const struct pool_kind *k = t.kinds; k < t.kinds + t.count; k++) {
        assert_true(k->count > 0 && k->object_size && k->align >= 8);
        assert_true(k->name || opened_before(t, k));
        assert_true(k->holder == POOL_NOBODY || k->held > 0);
        assert_true(k->bound == 0 || (k->holder == POOL_SET && k->count == 1)); /* bounds are of sets */
        assert_true(k->made == 0 || k->start != POOL_AT_USE);
        assert_true(k->start == POOL_AT_START || (k->holder != POOL_SET && k->holder != POOL_CLASS));
    }
}

static void rows(void **state)
{
    (void)state;
    check_rows(http_pools);
    check_rows(worker_pools);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(open_make_close), cmocka_unit_test(trim),
                                       cmocka_unit_test(make_refused), cmocka_unit_test(rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
