/*
 * Whether the games of between_stress.h find what they are for: played with a parking that loses what a waiter is
 * granted while its time runs out, they have to stand still, to count wrongly, or to break.
 *
 * SPDX-License-Identifier: MIT
 */
#define PARKING_PLANTED_LOSS
#include "io/parking.c" /* in the place of the library's */

#include "between_stress.h"

#include <sys/wait.h>

#define TRIES 10 /* a loss needs two threads that meet */

/* Plays in a process of its own, which players that wait for ever, or a sanitizer, may end in any way. */
static bool plays_well(void)
{
    pid_t child = fork();
    if (child == 0)
        _exit(stress(100) && failures == 0 ? 0 : 1);
    int status = 0;
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int main(void)
{
    bool found = false;
    for (int i = 0; i < TRIES && !found; i++)
        found = !plays_well();
    printf("%s\n", found ? "found, as it has to be" : "a lost wake-up was not found");
    return found ? 0 : 1;
}
