/*
 * What is said of a coding's library that cannot be loaded.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/compress/library.h"

#if !WEIR_LINKED

const char *coding_load(const char *file, const char *names, void *table, size_t size)
{
    static const char *const texts[] = {
        [LIBRARY_LOADED] = NULL,
        [LIBRARY_UNLOADABLE] =
            "cannot be loaded by a program without shared libraries; build weir with -D WEIR_LINKED=ON",
        [LIBRARY_MISSING] = "is not there: its library cannot be loaded",
        [LIBRARY_OLD] = "is not there: its library is too old",
    };
    const char *why;
    return texts[library_load(file, names, table, size, &why)];
}

#endif
