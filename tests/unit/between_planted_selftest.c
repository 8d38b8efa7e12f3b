/*
 * Whether the games of between_stress.h find what they are for: played with a parking that loses what a waiter is
 * granted while its time runs out, they have to stand still or to count wrongly.
 *
 * SPDX-License-Identifier: MIT
 */
#define PARKING_PLANTED_LOSS
#include "io/parking.c" /* in the place of the library's */

#include "between_stress.h"

int main(void)
{
    bool found = !stress(100) || failures > 0;
    printf("%s\n", found ? "found, as it has to be" : "a lost wake-up was not found");
    fflush(NULL);
    _exit(found ? 0 : 1); /* players wait for ever */
}
