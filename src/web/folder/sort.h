/*
 * Sorting in place, by indices: heapsort, since what is sorted came from elsewhere (names that others chose) and no
 * order of it may cost more than another, nor take memory.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_FOLDER_SORT_H
#define WEIR_WEB_FOLDER_SORT_H

#include <stdbool.h>
#include <stddef.h>

struct sort_ops {
    /* Whether the thing at a belongs before the one at b. */
    bool (*before)(const void *things, size_t a, size_t b);
    void (*swap)(void *things, size_t a, size_t b);
};

/* Sorts count things. */
void sort_in_place(void *things, size_t count, const struct sort_ops *ops);

#endif
