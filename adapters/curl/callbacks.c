/*
 * What libcurl calls for a transfer: on the deep stack, so that nothing here waits.
 *
 * SPDX-License-Identifier: MIT
 */
#include "client.h"

#include <stdio.h>
#include <string.h>

static void moved(struct transfer *t)
{
    t->moved = curl_now_ms();
    transfer_mark(t);
}

static size_t refuse(struct transfer *t, int error)
{
    t->error = error;
    return CURL_WRITEFUNC_PAUSE - 1; /* what is no length of data ends the transfer */
}

/* ---- The reply ---- */

/* A head has ended. Whether one that redirects is the last, the first byte behind it tells, or the end. */
static void end_head(struct transfer *t)
{
    long status = 0;
    if (curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status) != CURLE_OK || status < 200)
        return;
    t->head_ends = true;
    t->head_done = t->redirects == 0 || status < 300 || status > 399;
}

static size_t take_line(char *line, size_t size, size_t count, void *data)
{
    struct transfer *t = data;
    size_t len = size * count;
    moved(t);
    t->head_bytes += len;
    if (t->head_bytes > max_header_of(t))
        return refuse(t, WEIR_ETOOBIG);
    if (t->head_done) /* a trailer's */
        return len;
    if (len >= 5 && memcmp(line, "HTTP/", 5) == 0)
        t->head_ends = false;
    else if (len == 1 || (len == 2 && line[0] == '\r'))
        end_head(t);
    return len;
}

static bool grow_body(struct transfer *t, size_t len)
{
    if (t->body_size - t->body_len > len) /* and the NUL */
        return true;
    size_t size = t->body_size > 0 ? 2 * t->body_size : 4096;
    while (size - t->body_len <= len)
        size *= 2;
    if (size > t->max_body + 1)
        size = t->max_body + 1;
    weir_account *account = t->w->client->account;
    char *grown = weir_account_alloc(account, size);
    if (!grown)
        return false;
    if (t->body_len > 0)
        memcpy(grown, t->body, t->body_len);
    weir_account_free(account, t->body);
    t->body = grown;
    t->body_size = size;
    return true;
}

static size_t collect(struct transfer *t, const char *bytes, size_t len)
{
    if (len > t->max_body - t->body_len)
        return refuse(t, WEIR_ETOOBIG);
    if (!grow_body(t, len))
        return refuse(t, WEIR_ENOMEM);
    memcpy(t->body + t->body_len, bytes, len);
    t->body_len += len;
    return len;
}

static size_t take_body(char *bytes, size_t size, size_t count, void *data)
{
    struct transfer *t = data;
    size_t len = size * count;
    moved(t);
    t->head_done = true;
    if (t->collects)
        return collect(t, bytes, len);
    if (len > BUFFER_SIZE - t->end) {
        t->receive_paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    memcpy(t->buffer + t->end, bytes, len);
    t->end += len;
    return len;
}

/* ---- The request's body ---- */

static size_t give_body(char *room, size_t size, size_t count, void *data)
{
    struct transfer *t = data;
    size_t len = size * count;
    moved(t);
    if (t->out_len == 0) {
        t->send_paused = !t->out_ended;
        return t->out_ended ? 0 : CURL_READFUNC_PAUSE;
    }
    if (len > t->out_len)
        len = t->out_len;
    memcpy(room, t->out, len);
    t->out += len;
    t->out_len -= len;
    return len;
}

/* A kept connection was closed, and the body is to be sent again, which can be done with one that lies there whole. */
static int seek_body(void *data, curl_off_t offset, int origin)
{
    struct transfer *t = data;
    if (t->out_state != OUT_WHOLE || origin != SEEK_SET || offset < 0 || (uint64_t)offset > t->whole_len)
        return CURL_SEEKFUNC_FAIL;
    t->out = t->whole + offset;
    t->out_len = t->whole_len - (size_t)offset;
    return CURL_SEEKFUNC_OK;
}

CURLcode transfer_set_callbacks(struct transfer *t)
{
    CURL *easy = t->easy;
    CURLcode code = curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_line);
    if (code == CURLE_OK)
        code = curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
    if (code == CURLE_OK)
        code = curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    if (code == CURLE_OK)
        code = curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
    if (code == CURLE_OK)
        code = curl_easy_setopt(easy, CURLOPT_READFUNCTION, give_body);
    if (code == CURLE_OK)
        code = curl_easy_setopt(easy, CURLOPT_READDATA, t);
    if (code == CURLE_OK)
        code = curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, seek_body);
    if (code == CURLE_OK)
        code = curl_easy_setopt(easy, CURLOPT_SEEKDATA, t);
    return code;
}
