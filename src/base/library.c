/*
 * Loading a library.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/library.h"

#if !WEIR_LINKED

#include "base/debug.h"

#include <dlfcn.h>
#include <string.h>

/* Weak, since a program that is linked statically has no dlopen(), and one that loads nothing need not be warned of
 * that. */
#pragma weak dlopen
#pragma weak dlsym
#pragma weak dlerror

/* Puts a pointer into a table whose members are of other types. */
static void put(char *place, const void *pointer)
{
    memcpy(place, &pointer, sizeof pointer);
}

enum library_result library_load(const char *file, const char *names, void *table, size_t size, const char **why)
{
    *why = "";
    if (!dlopen || !dlsym || !dlerror)
        return LIBRARY_UNLOADABLE;
    /* All of its own calls are bound now, for what binds them later would run on a handler's small stack. */
    void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!library) {
        const char *said = dlerror(); // NOLINT(concurrency-mt-unsafe): each thread has its own
        *why = said ? said : "nobody says why";
        return LIBRARY_MISSING;
    }
    char *place = table;
    for (const char *name = names; *name; name += strlen(name) + 1, place += sizeof(void *)) {
        void *found = dlsym(library, name);
        if (!found) {
            *why = name;
            return LIBRARY_OLD;
        }
        put(place, found);
    }
    weir_assert((size_t)(place - (char *)table) == size);
    return LIBRARY_LOADED;
}

#endif
