/*
 * Whose pages are fetched. A server that fetches what a client names can be made to fetch what only it can reach, so the
 * hosts that it may ask are listed.
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>
#include <strings.h>

#include "links.h"

/* The host of a URL, without its port; *len is 0 where it cannot be told for sure. */
static const char *host_of(const char *url, size_t *len)
{
    const char *host = strstr(url, "://");
    *len = 0;
    if (!host)
        return url;
    host += 3;
    size_t authority = strcspn(host, "/?#");
    if (memchr(host, '@', authority) || memchr(host, '\\', authority))
        return host;
    if (*host == '[') { /* an IPv6 address */
        const char *end = memchr(host, ']', authority);
        *len = end ? (size_t)(end - host) + 1 : 0;
        return host;
    }
    const char *colon = memchr(host, ':', authority);
    *len = colon ? (size_t)(colon - host) : authority;
    return host;
}

bool links_may_ask(const char *hosts, const char *url)
{
    size_t len, given;
    const char *host = host_of(url, &len);
    for (; *hosts; hosts += given) {
        hosts += strspn(hosts, " ");
        given = strcspn(hosts, " ");
        if (len && given == len && strncasecmp(hosts, host, len) == 0)
            return true;
    }
    return false;
}
