/*
 * Loading OpenSSL.
 *
 * Only libssl is opened: libcrypto comes with it, and a function of either is found by libssl's handle, so that both
 * are those that libssl itself uses. A program that is linked to OpenSSL as well has the same ones, for a shared
 * library is in a process once.
 *
 * SPDX-License-Identifier: MIT
 */
#define OPENSSL_OWN_NAMES 1
#include "net/tls/openssl.h"

#include "base/library.h"

#if WEIR_LINKED

const char *openssl_load(void)
{
    return NULL;
}

#else

#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

/* The library that the headers belong to. */
#define TEXT_OF(number)  TEXT_OF_(number)
#define TEXT_OF_(number) #number
#define LIBSSL           "libssl.so." TEXT_OF(OPENSSL_SHLIB_VERSION)

LIBRARY_NOTE(note, "tls", "HTTPS", "recommended", LIBSSL);

struct openssl_table openssl_table;

static char wrong[256]; /* why OpenSSL could not be loaded; empty: it was, or nobody has tried */

#define OPENSSL_ONE(name) +1
#define OPENSSL_SIZE      (sizeof(void *) * (0 OPENSSL_FUNCTIONS(OPENSSL_ONE)))

static void load(void)
{
    const char *why;
    switch (library_load(LIBSSL, OPENSSL_FUNCTIONS(LIBRARY_NAME), &openssl_table, OPENSSL_SIZE, &why)) {
    case LIBRARY_LOADED:
        if (sysconf(_SC_PAGESIZE) == (long)sizeof openssl_table) /* else there is more in its page */
            (void)mprotect(&openssl_table, sizeof openssl_table, PROT_READ);
        break;
    case LIBRARY_UNLOADABLE:
        snprintf(wrong, sizeof wrong,
                 LIBSSL " cannot be loaded: this program is linked statically; build weir with -D WEIR_LINKED=ON");
        break;
    case LIBRARY_MISSING:
        snprintf(wrong, sizeof wrong, LIBSSL " cannot be loaded: %s", why);
        break;
    case LIBRARY_OLD:
        snprintf(wrong, sizeof wrong, "%s cannot be loaded: " LIBSSL " has none", why);
        break;
    }
}

const char *openssl_load(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    return wrong[0] ? wrong : NULL;
}

#endif
