/*
 * The count of locks that a thread holds.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/lock.h"

unsigned *lock_depth(void)
{
    static _Thread_local unsigned depth;
    return &depth;
}
