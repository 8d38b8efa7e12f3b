/*
 * The primitives between fibers under stress: see between_stress.h. The same games find a lost wake-up:
 * between_planted_selftest.c.
 *
 * SPDX-License-Identifier: MIT
 */
#include "between_stress.h"

int main(void)
{
    bool went_on = stress(3000);
    CHECK(went_on);
    int result = selftest_end();
    fflush(NULL);
    if (!went_on)
        _exit(1); /* players wait for ever */
    return result;
}
