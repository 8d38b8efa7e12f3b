/*
 * Reports of memory that was used after it had been given back. Process-wide, as AddressSanitizer is; empty in builds
 * that do not look.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/poison.h"

#ifdef WEIR_POISON
#include <stdio.h>
#include <stdlib.h>

void poison_check(const void *p, size_t size, const char *name)
{
    const unsigned char *bytes = p;
    for (size_t i = 0; i < size; i++) {
        if (likely(bytes[i] == POISON_BYTE))
            continue;
        fprintf(stderr,
                "weir: memory of the account \"%s\" was written to after it had been given back: " POISON_RULE "\n",
                name);
        abort();
    }
}
#endif

#ifdef WEIR_ASAN
#include <pthread.h>
#include <stdbool.h>

struct region {
    struct region *next;
    const char *start, *end;
    const char *name;
};

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct region *registry;
static bool listening;

/* Called with a report when it has been printed, on the thread whose fault it is. */
static void explain(const char *report)
{
    const char *address = __asan_get_report_address();
    if (!strstr(report, "use-after-poison") || pthread_mutex_trylock(&registry_lock) != 0)
        return;
    for (const struct region *r = registry; r; r = r->next)
        if (address >= r->start && address < r->end)
            fprintf(stderr, "weir: this is memory of the account \"%s\" that has been given back: " POISON_RULE "\n",
                    r->name);
    pthread_mutex_unlock(&registry_lock);
}

void poison_register(const void *p, size_t size, const char *name)
{
    struct region *r = malloc(sizeof *r);
    if (!r)
        return; /* reports of this memory will not be explained */
    *r = (struct region){.start = p, .end = (const char *)p + size, .name = name};
    pthread_mutex_lock(&registry_lock);
    if (!listening)
        __asan_set_error_report_callback(explain);
    listening = true;
    r->next = registry;
    registry = r;
    pthread_mutex_unlock(&registry_lock);
}

void poison_unregister(const void *p)
{
    pthread_mutex_lock(&registry_lock);
    struct region **at = &registry;
    while (*at && (*at)->start != p)
        at = &(*at)->next;
    struct region *r = *at;
    if (r)
        *at = r->next;
    pthread_mutex_unlock(&registry_lock);
    free(r);
}
#endif
