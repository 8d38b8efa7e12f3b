/*
 * Setting up and trimming the pools of a worker, and the date.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/http.h"
#include "base/clock.h"
#include "http/scan.h"

int http_init(struct http *h, struct net *n, struct memory *m, const struct http_host *host,
              const struct http_settings *settings)
{
    *h = (struct http){.net = n, .host = host, .settings = settings};
    account_open(&h->record_account, m, "requests");
    account_open(&h->buffer_account, m, "http buffers");
    account_open(&h->arena_account, m, "request arenas");
    account_open(&h->spill_account, m, "half-received heads");
    pool_init(&h->records, &h->record_account, http_record_size(host), 64, 0);
    pool_init(&h->buffers, &h->buffer_account, settings->buffer_size + 2 * SCAN_SLACK, 64, 0);
    pool_init(&h->fields, &h->record_account, settings->max_headers * sizeof(struct http_field), 16, 0);
    pool_init(&h->arenas, &h->arena_account, (settings->request_memory + 15) & ~(size_t)15, 64, 0);
    n->protocols[PROTOCOL_HTTP1] = &http_protocol_h1;
    http_tick(h);
    return 0;
}

void http_done(struct http *h)
{
    pool_done(&h->records);
    pool_done(&h->buffers);
    pool_done(&h->arenas);
    pool_done(&h->fields);
    for (size_t i = 0; i < SPILL_CLASSES; i++)
        pool_done(&h->spills[i]);
    account_close(&h->record_account);
    account_close(&h->buffer_account);
    account_close(&h->arena_account);
    account_close(&h->spill_account);
}

int http_preallocate(struct http *h, size_t buffers, size_t arenas)
{
    int error = pool_preallocate(&h->buffers, buffers);
    if (!error)
        error = pool_preallocate(&h->arenas, arenas);
    if (!error)
        error = pool_preallocate(&h->records, 1);
    return error;
}

void http_trim(struct http *h, bool all)
{
    pool_trim(&h->records, all);
    pool_trim(&h->buffers, all);
    pool_trim(&h->arenas, all);
    pool_trim(&h->fields, all);
    for (size_t i = 0; i < SPILL_CLASSES; i++)
        if (h->spills[i].account)
            pool_trim(&h->spills[i], all);
}

void http_tick(struct http *h)
{
    uint64_t now_ns = h->net->loop->now_ns;
    if (likely(now_ns < h->date_due_ns))
        return;
    struct timespec wall;
    clock_gettime(CLOCK_REALTIME, &wall);
    h->date_due_ns = now_ns + 1000000000u - (uint64_t)wall.tv_nsec;
    memcpy(h->ok_head, "HTTP/1.1 200 OK\r\nDate: ", HTTP_DATE_AT);
    date_format(h->ok_head + HTTP_DATE_AT, wall.tv_sec);
    memcpy(h->ok_head + HTTP_DATE_AT + DATE_LEN, "\r\n", 2);
}
