/*
 * Requests that are passed on to another server. Only what has been parsed is written anew, by libcurl on one side and
 * by weir on the other: no byte of a head is copied from one connection to another, so that the two servers cannot
 * differ about where a message ends.
 *
 * SPDX-License-Identifier: MIT
 */
#include "proxy.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- The request ---- */

static int prepare(struct transfer *t, void *arg)
{
    struct passage *p = arg;
    if (!proxy_add_fields(p, &t->lines) || curl_easy_setopt(t->easy, CURLOPT_REQUEST_TARGET, p->target) != CURLE_OK ||
        curl_easy_setopt(t->easy, CURLOPT_PATH_AS_IS, 1L) != CURLE_OK)
        return WEIR_ENOMEM;
    return 0;
}

/* Whether a request with that method says that its body is empty. */
static bool tells_length(const char *method)
{
    return strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 || strcmp(method, "PATCH") == 0;
}

static int begin(struct passage *p, struct transfer **t)
{
    int64_t len = weir_body_length(p->c);
    weir_curl_request r = {
        .url = p->upstream,
        .method = weir_method(p->c),
        .write_length = len,
        .body = len == 0 && tells_length(weir_method(p->c)) ? "" : NULL,
        .idle_timeout_ms = p->options->idle_timeout_ms,
        .unix_path = p->options->unix_path,
        .why = p->options->why,
        .why_size = p->options->why_size,
    };
    return transfer_begin(p->c, p->client, &r, false, prepare, p, t);
}

/* Passes the request's body on. 0, also where the upstream has replied and wants no more; what has failed on the
 * upstream's side is told with its reply; or an error of the client's side, with *client set. */
static int pass_body(weir_ctx *c, weir_curl_stream *s, bool *client)
{
    const void *data;
    ssize_t len = 0;
    int error = 0;
    *client = false;
    while (!error && (len = weir_read_slice(c, &data)) > 0)
        error = weir_curl_write(c, s, data, (size_t)len);
    if (len < 0) {
        *client = true;
        return (int)len;
    }
    return error == WEIR_EDONE ? 0 : error;
}

/* ---- The reply ---- */

/* Whether the reply's length is told once, or not at all: else another reader may find another end. */
static bool is_framed_once(const weir_curl_reply *reply)
{
    const char *name, *value, *length = NULL;
    for (size_t i = 0; weir_curl_header_item(reply, i, &name, &value); i++) {
        if (strcasecmp(name, "Content-Length") != 0)
            continue;
        if (length || !value[0] || value[strspn(value, "0123456789")])
            return false;
        length = value;
    }
    return !length || !weir_curl_header(reply, "Transfer-Encoding");
}

static int pass_head(struct passage *p, const struct transfer *t, const weir_curl_reply *reply)
{
    weir_ctx *c = p->c;
    const char *name, *value;
    const char *connection = weir_curl_header(reply, "Connection");
    if (reply->status < 200 || reply->status > 599 || !is_framed_once(reply))
        return WEIR_EPROTO;
    int error = weir_set_status(c, reply->status);
    for (size_t i = 0; !error && weir_curl_header_item(reply, i, &name, &value); i++)
        error = proxy_pass_field(c, connection, name, value);
    if (!error)
        error = weir_add_header(c, "Via", p->options->via ? weir_sprintf(c, "1.1 %s", p->options->via) : "1.1 weir");
    curl_off_t length = -1;
    if (curl_easy_getinfo(t->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length) != CURLE_OK)
        length = -1;
    if (!error && length >= 0 && reply->status != 204 && !weir_curl_header(reply, "Transfer-Encoding"))
        error = weir_set_length(c, length);
    return error;
}

static void pass_trailers(weir_ctx *c, const struct transfer *t)
{
    struct curl_header *h = NULL;
    while ((h = curl_easy_nextheader(t->easy, CURLH_TRAILER, -1, h)))
        if (!proxy_is_hop_field(h->name))
            (void)weir_add_trailer(c, h->name, h->value);
}

/* Passes the reply's body on. Does not return where the upstream breaks off. */
static int pass_reply(weir_ctx *c, weir_curl_stream *s)
{
    const void *data;
    ssize_t len;
    while ((len = weir_curl_read_slice(c, s, &data)) > 0) {
        int error = weir_write(c, data, (size_t)len);
        if (error)
            return error;
    }
    if (len < 0)
        weir_fail(c, len == WEIR_ETIMEDOUT ? 504 : 502, "the reply of the server behind this one broke off");
    pass_trailers(c, transfer_of(s));
    return 0;
}

/* ---- Both ---- */

static int pass(struct passage *p)
{
    struct transfer *t;
    weir_curl_reply reply;
    bool client = false;
    int error = begin(p, &t);
    if (error)
        return error;
    weir_curl_stream *s = (weir_curl_stream *)t;
    if (p->options->timeout_ms > 0)
        t->end_time = curl_now_ms() + p->options->timeout_ms;
    error = weir_body_length(p->c) != 0 ? pass_body(p->c, s, &client) : 0;
    if (!client && (!error || t->head_done))
        error = weir_curl_head(p->c, s, &reply);
    if (!error) {
        t->end_time = NO_TIME;
        error = pass_head(p, t, &reply);
        if (!error)
            return pass_reply(p->c, s); /* the request's end closes the stream */
    }
    transfer_end(t);
    return error;
}

static int error_page(weir_ctx *c, int error)
{
    switch (error) {
    case WEIR_EINVAL:
        return weir_reply_error(c, 400, NULL);
    case WEIR_ETIMEDOUT:
        return weir_reply_error(c, 504, "the server behind this one does not answer");
    case WEIR_ENOMEM:
    case WEIR_ECANCELED:
        return weir_reply_error(c, 503, NULL);
    default:
        return weir_reply_error(c, 502, "the server behind this one cannot be reached, or makes no sense");
    }
}

int weir_proxy_sized(weir_ctx *c, weir_curl *client, const char *upstream, const weir_proxy_options *options,
                     size_t options_size)
{
    weir_proxy_options o = {0};
    if (!client || !upstream)
        return WEIR_EINVAL;
    if (options)
        memcpy(&o, options, options_size < sizeof o ? options_size : sizeof o);
    struct passage *p = weir_alloc(c, sizeof *p);
    int error = p ? 0 : WEIR_ENOMEM;
    if (!error) {
        *p = (struct passage){.c = c, .client = client, .upstream = upstream, .options = &o};
        error = proxy_target(c, upstream, o.strip_prefix, &p->target);
    }
    if (!error)
        error = weir_defer(c, free, p->target);
    if (!error)
        error = proxy_is_websocket(c) ? proxy_websocket(p) : pass(p);
    if (error && o.keep_errors <= 0)
        (void)error_page(c, error);
    return error;
}
