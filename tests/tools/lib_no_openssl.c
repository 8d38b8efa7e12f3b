/*
 * A library to preload (LD_PRELOAD) that hides OpenSSL, or a part of it, from who would load it at run time: the
 * variable WEIR_HIDDEN names a library that dlopen() does not find then, or a function that dlsym() does not.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

static bool is_hidden(const char *name)
{
    const char *hidden = getenv("WEIR_HIDDEN");
    return hidden && name && strcmp(name, hidden) == 0;
}

EXPORT void *dlopen(const char *name, int flags)
{
    static void *(*real)(const char *, int);
    if (!real)
        *(void **)&real = dlvsym(RTLD_NEXT, "dlopen", "GLIBC_2.34");
    return real(is_hidden(name) ? "libhidden.so.3" : name, flags);
}

EXPORT void *dlsym(void *library, const char *name)
{
    static void *(*real)(void *, const char *);
    if (!real)
        *(void **)&real = dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.34");
    return real(library, is_hidden(name) ? "no_such_function" : name);
}
