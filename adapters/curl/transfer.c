/*
 * A transfer's beginning and end.
 *
 * SPDX-License-Identifier: MIT
 */
#include "client.h"

#include <stdio.h>
#include <string.h>

bool transfer_add_line(struct curl_slist **lines, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*lines, line);
    if (longer)
        *lines = longer;
    return longer != NULL;
}

int transfer_fail(struct transfer *t, int error, const char *text)
{
    if (t->why && t->why_size > 0)
        (void)snprintf(t->why, t->why_size, "%s", text);
    return error;
}

/* ---- The beginning ---- */

static void link_active(struct transfer *t)
{
    struct worker *w = t->w;
    t->link = &w->active;
    t->next = w->active;
    if (w->active)
        w->active->link = &t->next;
    w->active = t;
}

static struct transfer *transfer_new(weir_ctx *c, weir_curl *client, bool collects)
{
    struct worker *w = worker_of(c, client);
    struct transfer *t = w ? weir_account_alloc(client->account, sizeof *t + (collects ? 0 : BUFFER_SIZE)) : NULL;
    if (!t)
        return NULL;
    *t = (struct transfer){.w = w, .c = c, .collects = collects, .end_time = NO_TIME, .moved = curl_now_ms()};
    t->buffer = (char *)(t + 1);
    t->easy = worker_take_handle(w);
    if (t->easy && request_has(c, t))
        return t;
    if (t->easy)
        worker_give_handle(w, t->easy);
    weir_account_free(client->account, t);
    return NULL;
}

static int add_handle(void *arg)
{
    struct transfer *t = arg;
    return curl_multi_add_handle(t->w->multi, t->easy) == CURLM_OK ? 0 : WEIR_ENOMEM;
}

int transfer_begin(weir_ctx *c, weir_curl *client, const weir_curl_request *r, bool collects,
                   int (*prepare)(struct transfer *t, void *arg), void *arg, struct transfer **result)
{
    *result = NULL;
    struct transfer *t = transfer_new(c, client, collects);
    if (!t)
        return WEIR_ENOMEM;
    t->why = r->why;
    t->why_size = r->why_size;
    t->max_body = r->max_body > 0 ? r->max_body : (size_t)1 << 20;
    if (t->max_body > SIZE_MAX / 4)
        t->max_body = SIZE_MAX / 4;
    int idle = r->idle_timeout_ms ? r->idle_timeout_ms : client->config.idle_timeout_ms;
    t->idle_ms = idle > 0 ? idle : 0;
    if (r->timeout_ms > 0)
        t->end_time = t->moved + r->timeout_ms;
    int error = prepare ? prepare(t, arg) : 0;
    if (!error)
        error = transfer_set_options(t, r);
    if (!error) {
        link_active(t);
        error = weir_call_deep(c, add_handle, t);
        worker_tell(t->w);
    }
    if (error) {
        (void)transfer_fail(t, error, weir_strerror(error));
        transfer_end(t);
        return error;
    }
    *result = t;
    return 0;
}

/* ---- The end ---- */

static int remove_handle(void *arg)
{
    struct transfer *t = arg;
    (void)curl_multi_remove_handle(t->w->multi, t->easy);
    worker_give_handle(t->w, t->easy);
    return 0;
}

static void unlink_marked(struct transfer *t)
{
    struct transfer **at = &t->w->marked;
    while (*at && *at != t)
        at = &(*at)->marked_next;
    if (*at)
        *at = t->marked_next;
}

void transfer_end(struct transfer *t)
{
    struct worker *w = t->w;
    weir_account *account = w->client->account;
    t->parked = false; /* a handler that was ended where it waited is not woken any more */
    weir_fd_free(t->tunnel);
    if (t->link) {
        *t->link = t->next;
        if (t->next)
            t->next->link = t->link;
    }
    if (weir_call_deep(t->c, remove_handle, t) == WEIR_ENOMEM)
        (void)remove_handle(t);
    transfer_left(t);
    if (t->marked)
        unlink_marked(t);
    worker_tell(w);
    *t->request_link = t->request_next;
    if (t->request_next)
        t->request_next->request_link = t->request_link;
    curl_slist_free_all(t->lines);
    kept_free(t->kept);
    weir_account_free(account, t->body);
    weir_account_free(account, t);
}

/* ---- What it has come to ---- */

static int error_of(CURLcode code)
{
    switch (code) {
    case CURLE_OK:
        return 0;
    case CURLE_COULDNT_RESOLVE_HOST:
        return WEIR_ENOENT;
    case CURLE_COULDNT_CONNECT:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_FAIL_REWIND:
        return WEIR_EREACH;
    case CURLE_OPERATION_TIMEDOUT:
        return WEIR_ETIMEDOUT;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
        return WEIR_ETRUST;
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_URL_MALFORMAT:
        return WEIR_EINVAL;
    case CURLE_OUT_OF_MEMORY:
        return WEIR_ENOMEM;
    default:
        return WEIR_EPROTO;
    }
}

int transfer_result(struct transfer *t)
{
    int error = t->error ? t->error : error_of(t->code);
    if (!error && !t->head_ends && !t->connects) /* which libcurl takes for one without a body */
        error = WEIR_EPROTO;
    if (!error)
        return 0;
    return transfer_fail(t, error, t->text[0] && !t->error ? t->text : weir_strerror(error));
}
