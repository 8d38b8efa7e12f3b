/*
 * For programs that call parts of src/net/tls themselves: OpenSSL has to be loaded before, as a server's first listener
 * does.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_TESTS_OPENSSL_FIXTURE_H
#define WEIR_TESTS_OPENSSL_FIXTURE_H

#include "net/tls/openssl.h"

/* A group's set-up. */
static inline int load_openssl(void **state)
{
    (void)state;
    const char *missing = openssl_load();
    if (missing)
        fprintf(stderr, "%s\n", missing);
    return missing != NULL;
}

#endif
