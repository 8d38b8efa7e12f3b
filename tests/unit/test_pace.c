/*
 * What is known of a disk: who writes, and for how long that holds.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "web/upload/pace.h"

#define QUICK 100000
#define SLOW  (PACE_SLOW_NS + 1)

static void first_elsewhere(void **state)
{
    (void)state;
    struct disk_pace p = {0};
    assert_true(pace_is_elsewhere(&p, 5));
    pace_note(&p, QUICK, 5);
    assert_false(pace_is_elsewhere(&p, 5));
    assert_false(pace_is_elsewhere(&p, 5 + PACE_KNOWN_MS - 1));
    pace_note(&p, QUICK, 5 + PACE_KNOWN_MS - 1); /* each write makes it longer */
    assert_false(pace_is_elsewhere(&p, 4 + 2 * PACE_KNOWN_MS - 1));
    assert_true(pace_is_elsewhere(&p, 4 + 2 * PACE_KNOWN_MS)); /* after a pause nothing is known */
    assert_true(pace_is_elsewhere(&p, 4 + 2 * PACE_KNOWN_MS));
}

static void slow(void **state)
{
    (void)state;
    struct disk_pace p = {0};
    pace_note(&p, QUICK, 0);
    pace_note(&p, SLOW, 10);
    pace_note(&p, QUICK, 500); /* which was made elsewhere */
    assert_true(pace_is_elsewhere(&p, 500));
    pace_note(&p, SLOW, 900);
    pace_note(&p, QUICK, 1899);
    assert_true(pace_is_elsewhere(&p, 1899));
    assert_true(pace_is_elsewhere(&p, 1900)); /* the first one after a second without a slow one */
    pace_note(&p, QUICK, 1901);
    assert_false(pace_is_elsewhere(&p, 1901));
}

static uint32_t later(uint32_t tick, uint32_t by)
{
    return (uint32_t)((uint64_t)tick + by);
}

/* Ticks begin anew after 49 days. */
static void wraps(void **state)
{
    (void)state;
    struct disk_pace p = {0};
    uint32_t now = UINT32_MAX - 10;
    pace_note(&p, QUICK, now);
    assert_false(pace_is_elsewhere(&p, later(now, 100)));
    pace_note(&p, SLOW, later(now, 100));
    assert_true(pace_is_elsewhere(&p, later(now, 1000)));
    pace_note(&p, QUICK, later(now, 1100));
    assert_false(pace_is_elsewhere(&p, later(now, 1100)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_elsewhere),
        cmocka_unit_test(slow),
        cmocka_unit_test(wraps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
