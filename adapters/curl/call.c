/*
 * A request whose reply is taken whole.
 *
 * SPDX-License-Identifier: MIT
 */
#include "client.h"

#include <string.h>

/* The transfer's status, fields and body become the reply's. */
static int keep_reply(struct transfer *t, weir_curl_reply *reply)
{
    long status = 0;
    struct weir_curl_kept *kept = kept_of(t);
    if (!kept)
        return WEIR_ENOMEM;
    if (!request_keeps(t->c, kept)) {
        kept_free(kept);
        return WEIR_ENOMEM;
    }
    if (curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status) != CURLE_OK)
        status = 0;
    *reply = (weir_curl_reply){.status = (int)status, .body = "", .kept = kept};
    if (t->body) {
        t->body[t->body_len] = '\0';
        kept->body = t->body;
        reply->body = t->body;
        reply->len = t->body_len;
        t->body = NULL;
    }
    return 0;
}

int weir_curl_call_sized(weir_ctx *c, weir_curl *client, const weir_curl_request *request, size_t request_size,
                         weir_curl_reply *reply)
{
    weir_curl_request r = {0};
    if (reply)
        *reply = (weir_curl_reply){.body = ""};
    if (!client || !request || !reply)
        return WEIR_EINVAL;
    memcpy(&r, request, request_size < sizeof r ? request_size : sizeof r);
    if (r.write_length != 0)
        return WEIR_EINVAL;
    struct transfer *t;
    int error = transfer_begin(c, client, &r, true, NULL, NULL, &t);
    if (error)
        return error;
    while (!t->done && !error)
        error = transfer_wait(t);
    if (!error)
        error = transfer_result(t);
    if (!error)
        error = keep_reply(t, reply);
    bool waited = t->driven == 0;
    transfer_end(t);
    if (!waited) /* a handler that makes many calls lets others run all the same */
        weir_yield(c);
    return error;
}

int weir_curl_get(weir_ctx *c, weir_curl *client, const char *url, weir_curl_reply *reply)
{
    weir_curl_request request = {.url = url};
    return weir_curl_call(c, client, &request, reply);
}

void weir_curl_done(weir_ctx *c, weir_curl_reply *reply)
{
    (void)c;
    if (!reply)
        return;
    kept_free(reply->kept);
    *reply = (weir_curl_reply){.body = ""};
}
