/*
 * Titles by HTTP. Redirects are not followed: they would lead where the list of hosts does not.
 *
 * SPDX-License-Identifier: MIT
 */
#include "links.h"

#include <stdio.h>
#include <weir-curl.h>

enum { FETCH_MS = 5000, PAGE_MAX = 1 << 20 };

static int title_of(weir_ctx *c, void *data, const char *url, char *title, size_t size)
{
    static const char *const headers[] = {"Accept: text/html", NULL};
    char why[160] = "";
    weir_curl_request request = {
        .url = url,
        .headers = headers,
        .timeout_ms = FETCH_MS,
        .max_body = PAGE_MAX,
        .why = why,
        .why_size = sizeof why,
    };
    weir_curl_reply reply;
    int error = weir_curl_call(c, data, &request, &reply);
    if (error) {
        fprintf(stderr, "links: %s: %s\n", weir_strerror(error), why);
        return error;
    }
    bool found = reply.status == 200 && links_find_title(reply.body, reply.len, title, size);
    weir_curl_done(c, &reply);
    return found ? 0 : WEIR_ENOENT;
}

struct links links_curl(weir_curl *curl)
{
    return (struct links){.data = curl, .title = title_of};
}
