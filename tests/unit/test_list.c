/*
 * Intrusive lists.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/list.h"

struct item {
    int number;
    struct list link;
};

static int number(const struct list *l)
{
    return container_of(l, struct item, link)->number;
}

static void order(void **state)
{
    (void)state;
    struct item items[5];
    struct list head, other;
    list_init(&head);
    list_init(&other);
    assert_true(list_empty(&head));
    assert_null(list_pop_front(&head));
    for (int i = 0; i < 5; i++) {
        items[i].number = i;
        list_init(&items[i].link);
    }
    list_push_back(&head, &items[1].link);
    list_push_back(&head, &items[2].link);
    list_push_front(&head, &items[0].link);
    list_splice_back(&head, &other); /* nothing */
    list_push_back(&other, &items[3].link);
    list_push_back(&other, &items[4].link);
    list_splice_back(&head, &other);
    assert_true(list_empty(&other));
    int want = 0;
    list_for_each (l, &head)
        assert_int_equal(number(l), want++);
    assert_int_equal(want, 5);
    list_remove(&items[2].link);
    list_remove(&items[2].link); /* twice is harmless */
    assert_true(list_empty(&items[2].link));
    list_for_each_safe (l, &head)
        if (number(l) != 3)
            list_remove(l);
    assert_int_equal(number(list_pop_front(&head)), 3);
    assert_true(list_empty(&head));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
