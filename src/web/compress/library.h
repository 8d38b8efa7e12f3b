/*
 * The library of a coding, which is loaded when the first group asks for it (base/library.h): LIBRARY() gives a file
 * its table, and CALL(name) is a function there, or the one that the linker has found.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_COMPRESS_LIBRARY_H
#define WEIR_WEB_COMPRESS_LIBRARY_H

#include "base/library.h"

#include <pthread.h>

#if WEIR_LINKED

/* A list of functions X(name) becomes nothing; CALL(name) is the function. */
#define LIBRARY(coding, file, list)                                                                                    \
    static const char *library_ready(void)                                                                             \
    {                                                                                                                  \
        return NULL;                                                                                                   \
    }
#define CALL(name) name

#else

/* Loads a coding's library. NULL, or what is wrong, behind the coding's name. */
const char *coding_load(const char *file, const char *names, void *table, size_t size);

/* Defines the table of a file, and library_ready(), whose first call fills it in: NULL, or what is missing. */
#define LIBRARY(coding, file, list)                                                                                    \
    LIBRARY_NOTE(library_note, coding, "compression", "suggested", file);                                              \
    static struct {                                                                                                    \
        list(LIBRARY_MEMBER)                                                                                           \
    } library;                                                                                                         \
    static const char *library_missing;                                                                                \
    static void library_fill(void)                                                                                     \
    {                                                                                                                  \
        library_missing = coding_load(file, list(LIBRARY_NAME), &library, sizeof library);                             \
    }                                                                                                                  \
    static const char *library_ready(void)                                                                             \
    {                                                                                                                  \
        static pthread_once_t once = PTHREAD_ONCE_INIT;                                                                \
        pthread_once(&once, library_fill);                                                                             \
        return library_missing;                                                                                        \
    }
#define CALL(name) library.name##_in

#endif

#endif
