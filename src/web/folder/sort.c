/*
 * Heapsort.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/folder/sort.h"

/* Lets the thing at i sink until none of its children belongs behind it. */
static void sink(void *things, size_t i, size_t count, const struct sort_ops *ops)
{
    for (;;) {
        size_t last = i, child = 2 * i + 1;
        if (child < count && ops->before(things, last, child))
            last = child;
        if (child + 1 < count && ops->before(things, last, child + 1))
            last = child + 1;
        if (last == i)
            return;
        ops->swap(things, i, last);
        i = last;
    }
}

void sort_in_place(void *things, size_t count, const struct sort_ops *ops)
{
    for (size_t i = count / 2; i > 0; i--)
        sink(things, i - 1, count, ops);
    for (size_t end = count; end > 1; end--) {
        ops->swap(things, 0, end - 1);
        sink(things, 0, end - 1, ops);
    }
}
