/*
 * Replies of HTTP/1.1 that say their length.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include "http1.h"

#include <stdlib.h>
#include <string.h>

long long http1_reply_length(const char *text)
{
    static const char good[] = "HTTP/1.1 200 ", name[] = "\r\nContent-Length: ";
    const char *blank = strstr(text, "\r\n\r\n"), *length = strcasestr(text, name);
    if (!blank)
        return 0;
    if (!length || length > blank || strncmp(text, good, sizeof(good) - 1) != 0)
        return -1;
    return blank + 4 - text + strtoll(length + sizeof(name) - 1, NULL, 10);
}
