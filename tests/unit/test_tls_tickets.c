/*
 * Keys of session tickets: how they change, and who shares them.
 *
 * SPDX-License-Identifier: MIT
 */
#include "net/tls/tickets.h"
#include "openssl_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define PERIOD ((int64_t)TICKET_PERIOD_S)

static struct ticket_key seal_key(struct tickets *t)
{
    struct ticket_key key;
    assert_true(tickets_seal_key(t, &key));
    return key;
}

/* How a key of that name is found. */
static int found(struct tickets *t, const struct ticket_key *key)
{
    struct ticket_key opened;
    int result = tickets_open_key(t, key->name, &opened);
    if (result > 0)
        assert_memory_equal(&opened, key, sizeof opened);
    return result;
}

static void test_random_keys_change_by_themselves(void **state)
{
    (void)state;
    struct tickets t;
    struct ticket_key none;
    tickets_init(&t);
    assert_false(tickets_seal_key(&t, &none));
    assert_true(tickets_turn(&t, 100 * PERIOD));
    struct ticket_key first = seal_key(&t);
    assert_int_equal(found(&t, &first), 1);
    assert_true(tickets_turn(&t, 101 * PERIOD - 1));
    assert_int_equal(found(&t, &first), 1);
    assert_true(tickets_turn(&t, 99 * PERIOD)); /* a clock that was set back */
    assert_int_equal(found(&t, &first), 1);
    assert_true(tickets_turn(&t, 101 * PERIOD));
    struct ticket_key second = seal_key(&t);
    assert_memory_not_equal(&first, &second, sizeof first);
    assert_int_equal(found(&t, &second), 1);
    assert_int_equal(found(&t, &first), 2);
    assert_true(tickets_turn(&t, 102 * PERIOD));
    assert_int_equal(found(&t, &first), 0);
    assert_int_equal(found(&t, &second), 2);
    assert_true(tickets_turn(&t, 104 * PERIOD)); /* one period was missed: the key before is too old */
    assert_int_equal(found(&t, &second), 0);
    tickets_done(&t);
}

static void test_a_file_gives_the_same_keys_to_all(void **state)
{
    (void)state;
    static const char secret[] = "0123456789abcdef0123456789abcdef", other[] = "x123456789abcdef0123456789abcdef";
    struct tickets a, b, stranger;
    tickets_init(&a);
    tickets_init(&b);
    tickets_init(&stranger);
    assert_true(tickets_turn(&a, 7 * PERIOD)); /* random keys that there were before are gone */
    struct ticket_key random = seal_key(&a);
    assert_true(tickets_share(&a, secret, sizeof secret - 1, 7 * PERIOD));
    assert_true(tickets_share(&b, secret, sizeof secret - 1, 7 * PERIOD + 5));
    assert_true(tickets_share(&stranger, other, sizeof other - 1, 7 * PERIOD));
    struct ticket_key of_a = seal_key(&a), of_b = seal_key(&b);
    assert_memory_equal(&of_a, &of_b, sizeof of_a);
    assert_memory_not_equal(&of_a, &random, sizeof of_a);
    assert_int_equal(found(&a, &random), 0);
    assert_int_equal(found(&stranger, &of_a), 0);
    assert_true(tickets_turn(&b, 8 * PERIOD)); /* one whose clock is ahead */
    struct ticket_key ahead = seal_key(&b);
    assert_int_equal(found(&a, &ahead), 2);
    assert_int_equal(found(&b, &of_a), 2);
    assert_true(tickets_turn(&a, 8 * PERIOD));
    assert_int_equal(found(&a, &ahead), 1);
    assert_true(tickets_turn(&a, 9 * PERIOD + 1));
    assert_int_equal(found(&a, &of_a), 0);
    tickets_done(&a);
    tickets_done(&b);
    tickets_done(&stranger);
}

static void test_a_file_is_replaced(void **state)
{
    (void)state;
    static const char secret[] = "0123456789abcdef0123456789abcdef", next[] = "x123456789abcdef0123456789abcdef";
    struct tickets t;
    tickets_init(&t);
    assert_true(tickets_share(&t, secret, sizeof secret - 1, 7 * PERIOD));
    struct ticket_key first = seal_key(&t);
    assert_true(tickets_share(&t, secret, sizeof secret - 1, 7 * PERIOD + 1)); /* read again: nothing changes */
    assert_int_equal(found(&t, &first), 1);
    assert_true(tickets_share(&t, next, sizeof next - 1, 7 * PERIOD + 2));
    assert_int_equal(found(&t, &first), 2);
    struct ticket_key second = seal_key(&t);
    assert_memory_not_equal(&first, &second, sizeof first);
    assert_true(tickets_turn(&t, 8 * PERIOD));
    assert_int_equal(found(&t, &first), 0);
    assert_int_equal(found(&t, &second), 2);
    tickets_done(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_keys_change_by_themselves),
        cmocka_unit_test(test_a_file_gives_the_same_keys_to_all),
        cmocka_unit_test(test_a_file_is_replaced),
    };
    return cmocka_run_group_tests(tests, load_openssl, NULL);
}
