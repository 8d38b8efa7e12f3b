/*
 * Memory that has been given back, in the builds that look for pointers kept too long.
 *
 * With AddressSanitizer such memory is poisoned: whoever touches it is reported at once, and the report is followed by
 * a line that names the rule. In other debug builds it is overwritten with POISON_BYTE, and a pool looks whether the
 * bytes are still there when it hands the object out again. Both kinds let memory rest as long as possible before it is
 * used anew. In all other builds nothing here does anything.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_BASE_POISON_H
#define WEIR_BASE_POISON_H

#include "base/debug.h"

#include <stddef.h>
#include <string.h>

#ifdef WEIR_ASAN
#include <sanitizer/asan_interface.h>
#define memory_poison(p, size)   ASAN_POISON_MEMORY_REGION((p), (size))
#define memory_unpoison(p, size) ASAN_UNPOISON_MEMORY_REGION((p), (size))

/* Names the kind of memory that [p, p + size) is, for the reports. name lives as long as the memory. Any thread. */
void poison_register(const void *p, size_t size, const char *name);
void poison_unregister(const void *p);
#else
#define memory_poison(p, size)   ((void)(p), (void)(size))
#define memory_unpoison(p, size) ((void)(p), (void)(size))
static inline void poison_register(const void *p, size_t size, const char *name)
{
    (void)p;
    (void)size;
    (void)name;
}
static inline void poison_unregister(const void *p)
{
    (void)p;
}
#endif

#if defined(WEIR_ASAN) || defined(WEIR_DEBUG)
#define WEIR_POISON 1
#endif

#define POISON_BYTE 0xdd

/* Overwrites memory that nobody has a right to any more, and poisons it. */
static inline void memory_forget(void *p, size_t size)
{
#ifdef WEIR_POISON
    memory_unpoison(p, size); /* parts of it may be poisoned already */
    memset(p, POISON_BYTE, size);
#endif
    memory_poison(p, size);
}

/* The rule that a pointer breaks which is used too late; a sentence for people. */
#define POISON_RULE                                                                                                    \
    "a pointer into a request, or to a local variable of its handler, was used after the request's end: see "          \
    "docs/handlers.md, \"Memory and who owns it\""

#ifdef WEIR_POISON
/* Ends the process if [p, p + size) is not as memory_forget() left it. name: of the memory's account. */
void poison_check(const void *p, size_t size, const char *name);
#endif

#endif
