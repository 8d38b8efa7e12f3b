/*
 * Requests and replies as streams. Libcurl pauses a stream's socket when the buffer is full, and asks for no more of
 * the request's body before there is some.
 *
 * SPDX-License-Identifier: MIT
 */
#include "client.h"

#include <string.h>

int weir_curl_open_sized(weir_ctx *c, weir_curl *client, const weir_curl_request *request, size_t request_size,
                         weir_curl_stream **stream)
{
    weir_curl_request r = {0};
    struct transfer *t;
    if (stream)
        *stream = NULL;
    if (!client || !request || !stream)
        return WEIR_EINVAL;
    memcpy(&r, request, request_size < sizeof r ? request_size : sizeof r);
    int error = transfer_begin(c, client, &r, false, NULL, NULL, &t);
    if (!error)
        *stream = (weir_curl_stream *)t;
    return error;
}

static int go_on(void *arg)
{
    struct transfer *t = arg;
    t->receive_paused = false;
    t->send_paused = false;
    return curl_easy_pause(t->easy, CURLPAUSE_CONT) == CURLE_OK ? 0 : WEIR_EPROTO;
}

/* Has libcurl go on with what a callback has paused. */
static int unpause(struct transfer *t)
{
    int error = weir_call_deep(t->c, go_on, t);
    worker_tell(t->w);
    if (error && t->error)
        return transfer_result(t);
    return error ? transfer_fail(t, error, weir_strerror(error)) : 0;
}

/* ---- The request's body ---- */

int weir_curl_write(weir_ctx *c, weir_curl_stream *stream, const void *data, size_t len)
{
    (void)c;
    if (!stream || (len > 0 && !data))
        return WEIR_EINVAL;
    struct transfer *t = transfer_of(stream);
    if (t->out_state != OUT_WRITTEN || t->out_ended)
        return WEIR_EDONE;
    if (t->out_left >= 0 && (uint64_t)t->out_left < len)
        return WEIR_ETOOBIG;
    if (t->out_left >= 0)
        t->out_left -= (int64_t)len;
    t->out = data;
    t->out_len = len;
    t->moved = curl_now_ms();
    int error = t->send_paused ? unpause(t) : 0;
    while (!error && t->out_len > 0 && !t->done)
        error = transfer_wait(t);
    transfer_left(t);
    t->out = NULL;
    if (t->done && !error)
        error = transfer_result(t);
    if (!error && t->out_len > 0)
        error = WEIR_EDONE;
    t->out_len = 0;
    return error;
}

/* ---- The reply ---- */

int weir_curl_head(weir_ctx *c, weir_curl_stream *stream, weir_curl_reply *reply)
{
    (void)c;
    if (!stream || !reply)
        return WEIR_EINVAL;
    struct transfer *t = transfer_of(stream);
    long status = 0;
    *reply = (weir_curl_reply){.body = ""};
    int error = 0;
    if (!t->out_ended) {
        t->out_ended = true;
        t->moved = curl_now_ms();
        if (t->send_paused && !t->done)
            error = unpause(t);
    }
    while (!error && !t->head_done && !t->done)
        error = transfer_wait(t);
    transfer_left(t);
    if (!error && !t->head_done)
        error = transfer_result(t);
    if (error)
        return error;
    if (!t->kept && !(t->kept = kept_of(t)))
        return WEIR_ENOMEM;
    if (curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status) != CURLE_OK)
        status = 0;
    reply->status = (int)status;
    reply->kept = t->kept;
    return 0;
}

ssize_t weir_curl_read_slice(weir_ctx *c, weir_curl_stream *stream, const void **data)
{
    (void)c;
    if (!stream || !data)
        return WEIR_EINVAL;
    struct transfer *t = transfer_of(stream);
    int error = 0;
    *data = NULL;
    t->out_ended = true;
    t->begin += t->lent;
    t->lent = 0;
    if (t->begin == t->end) {
        t->begin = t->end = 0;
        t->moved = curl_now_ms();
    }
    if (t->begin == t->end && t->receive_paused && !t->done)
        error = unpause(t);
    while (!error && t->begin == t->end && !t->done)
        error = transfer_wait(t);
    transfer_left(t);
    if (t->begin < t->end) { /* what has come is told before an error */
        t->lent = t->end - t->begin;
        *data = t->buffer + t->begin;
        return (ssize_t)t->lent;
    }
    return error ? error : transfer_result(t);
}

ssize_t weir_curl_read(weir_ctx *c, weir_curl_stream *stream, void *buf, size_t len)
{
    const void *data;
    if (!buf || len == 0)
        return WEIR_EINVAL;
    ssize_t got = weir_curl_read_slice(c, stream, &data);
    if (got <= 0 || !data)
        return got;
    struct transfer *t = transfer_of(stream);
    size_t taken = (size_t)got < len ? (size_t)got : len;
    memcpy(buf, data, taken);
    t->lent = taken;
    return (ssize_t)taken;
}

void weir_curl_close(weir_ctx *c, weir_curl_stream *stream)
{
    (void)c;
    if (stream)
        transfer_end(transfer_of(stream));
}
