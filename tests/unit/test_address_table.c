/*
 * Counting connections by address: the limit, places used again, and the memory that goes back when nobody is left.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "net/address_table.h"

#include <netinet/in.h>
#include <sys/mman.h>
#include <unistd.h>

#define CONNECTIONS 20000
#define LIMIT       3
#define ADDRESSES   5000

struct counted {
    struct memory memory;
    struct address_table table;
    uint32_t slots[ADDRESSES];
};

static int open_table(void **state)
{
    struct counted *c = calloc(1, sizeof *c);
    assert_non_null(c);
    memory_init(&c->memory, 0);
    assert_int_equal(address_table_init(&c->table, &c->memory, CONNECTIONS, LIMIT), 0);
    *state = c;
    return 0;
}

static int close_table(void **state)
{
    struct counted *c = *state;
    address_table_done(&c->table);
    memory_done(&c->memory);
    free(c);
    return 0;
}

static bool enter(struct counted *c, uint32_t address, uint32_t *slot)
{
    struct sockaddr_in peer = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001 + address)};
    return address_table_enter(&c->table, (const struct sockaddr *)&peer, slot);
}

static void enter_all(struct counted *c)
{
    for (uint32_t i = 0; i < ADDRESSES; i++) {
        assert_true(enter(c, i, &c->slots[i]));
        assert_int_not_equal(c->slots[i], 0);
    }
}

static void leave_all(struct counted *c, uint32_t from)
{
    for (uint32_t i = from; i < ADDRESSES; i++)
        address_table_leave(&c->table, c->slots[i]);
}

/* Pages of the table that are in memory. */
static size_t pages(const struct counted *c)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), most = c->table.size / page, found = 0;
    unsigned char *in_memory = calloc(most, 1);
    assert_non_null(in_memory);
    assert_int_equal(mincore(c->table.memory, c->table.size, in_memory), 0);
    for (size_t i = 0; i < most; i++)
        found += in_memory[i] & 1;
    free(in_memory);
    return found;
}

static void limits_each_address(void **state)
{
    struct counted *c = *state;
    uint32_t slots[LIMIT], one;
    for (int i = 0; i < LIMIT; i++)
        assert_true(enter(c, 0, &slots[i]));
    assert_false(enter(c, 0, &one));
    assert_true(enter(c, 1, &one));
    address_table_leave(&c->table, one);
    address_table_leave(&c->table, slots[0]);
    assert_true(enter(c, 0, &slots[0]));
    assert_false(enter(c, 0, &one));
    for (int i = 0; i < LIMIT; i++)
        address_table_leave(&c->table, slots[i]);
}

static void gives_back_when_empty(void **state)
{
    struct counted *c = *state;
    if (c->table.stride % (size_t)sysconf(_SC_PAGESIZE))
        skip(); /* pages so large that shards share them */
    for (int round = 0; round < 3; round++) {
        enter_all(c);
        assert_true(pages(c) > ADDRESS_SHARDS);
        leave_all(c, 0);
        address_table_trim(&c->table);
        assert_int_equal(pages(c), 0);
    }
}

/* What has connections stays as it is, whatever is given back around it. */
static void keeps_what_is_counted(void **state)
{
    struct counted *c = *state;
    uint32_t second, one;
    if (c->table.stride % (size_t)sysconf(_SC_PAGESIZE))
        skip();
    enter_all(c);
    leave_all(c, 1);
    assert_true(enter(c, 0, &second));
    size_t before = pages(c);
    address_table_trim(&c->table);
    assert_true(pages(c) > 0);
    assert_true(pages(c) < before);
    assert_true(enter(c, 0, &one));
    assert_int_equal(one, second);
    assert_false(enter(c, 0, &one));
    for (int i = 0; i < LIMIT; i++)
        address_table_leave(&c->table, c->slots[0]);
    enter_all(c);
    leave_all(c, 0);
    address_table_trim(&c->table);
    assert_int_equal(pages(c), 0);
}

/* Shards of a smaller table share pages: what one gives back must not be its neighbours'. */
static void neighbours_keep_theirs(void **state)
{
    struct counted *c = *state;
    address_table_done(&c->table);
    assert_int_equal(address_table_init(&c->table, &c->memory, 3000, LIMIT), 0);
    for (int round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < 1000; i++)
            assert_true(enter(c, i, &c->slots[i]));
        /* Every second shard is left by all of its addresses. */
        for (uint32_t i = 0; i < 1000; i++)
            if ((c->slots[i] - 1) % ADDRESS_SHARDS % 2 == 0)
                address_table_leave(&c->table, c->slots[i]);
        size_t before = pages(c);
        address_table_trim(&c->table);
        assert_true(pages(c) < before || (size_t)sysconf(_SC_PAGESIZE) > c->table.stride);
        for (uint32_t i = 0; i < 1000; i++) {
            bool left = (c->slots[i] - 1) % ADDRESS_SHARDS % 2 == 0;
            uint32_t slots[LIMIT], one;
            for (int more = left ? 0 : 1; more < LIMIT; more++)
                assert_true(enter(c, i, &slots[more]));
            assert_false(enter(c, i, &one));
            for (int more = left ? 0 : 1; more < LIMIT; more++)
                address_table_leave(&c->table, slots[more]);
            if (!left)
                address_table_leave(&c->table, c->slots[i]);
        }
        address_table_trim(&c->table);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(limits_each_address, open_table, close_table),
        cmocka_unit_test_setup_teardown(gives_back_when_empty, open_table, close_table),
        cmocka_unit_test_setup_teardown(keeps_what_is_counted, open_table, close_table),
        cmocka_unit_test_setup_teardown(neighbours_keep_theirs, open_table, close_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
