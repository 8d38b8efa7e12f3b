/*
 * What of replies outlives their transfers: fields and bodies. And what a request has of both, which is freed when the
 * request ends.
 *
 * SPDX-License-Identifier: MIT
 */
#include "client.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* ---- Fields ---- */

/* Libcurl's next field of the final head; NULL: there is none. */
static struct curl_header *next_field(const struct transfer *t, struct curl_header *before)
{
    return curl_easy_nextheader(t->easy, CURLH_HEADER, -1, before);
}

struct weir_curl_kept *kept_of(struct transfer *t)
{
    weir_account *account = t->w->client->account;
    size_t count = 0, bytes = 0;
    for (struct curl_header *h = next_field(t, NULL); h; h = next_field(t, h)) {
        count++;
        bytes += strlen(h->name) + strlen(h->value) + 2; /* all of them lie within max_header */
    }
    struct weir_curl_kept *kept = weir_account_alloc(account, sizeof *kept + count * sizeof(struct kept_field) + bytes);
    if (!kept)
        return NULL;
    *kept = (struct weir_curl_kept){.account = account};
    char *at = (char *)&kept->fields[count];
    for (struct curl_header *h = next_field(t, NULL); h && kept->count < count; h = next_field(t, h)) {
        struct kept_field *field = &kept->fields[kept->count++];
        size_t name_size = strlen(h->name) + 1, value_size = strlen(h->value) + 1;
        field->name = memcpy(at, h->name, name_size);
        field->value = memcpy(at + name_size, h->value, value_size);
        at += name_size + value_size;
    }
    return kept;
}

void kept_free(struct weir_curl_kept *kept)
{
    if (!kept)
        return;
    if (kept->link) {
        *kept->link = kept->next;
        if (kept->next)
            kept->next->link = kept->link;
    }
    weir_account_free(kept->account, kept->body);
    weir_account_free(kept->account, kept);
}

const char *weir_curl_header(const weir_curl_reply *reply, const char *name)
{
    const struct weir_curl_kept *kept = reply ? reply->kept : NULL;
    for (size_t i = 0; name && kept && i < kept->count; i++)
        if (strcasecmp(kept->fields[i].name, name) == 0)
            return kept->fields[i].value;
    return NULL;
}

bool weir_curl_header_item(const weir_curl_reply *reply, size_t i, const char **name, const char **value)
{
    const struct weir_curl_kept *kept = reply ? reply->kept : NULL;
    if (!kept || i >= kept->count)
        return false;
    if (name)
        *name = kept->fields[i].name;
    if (value)
        *value = kept->fields[i].value;
    return true;
}

/* ---- What a request has ---- */

struct request_curl {
    struct transfer *transfers;
    struct weir_curl_kept *kept;
    bool deferred;
};

WEIR_ATTRIBUTE(struct request_curl, request_curl)

static void end_request(void *arg)
{
    struct request_curl *r = arg;
    while (r->transfers)
        transfer_end(r->transfers);
    while (r->kept)
        kept_free(r->kept);
}

static struct request_curl *request_of(weir_ctx *c)
{
    struct request_curl *r = request_curl(c);
    if (r && !r->deferred && weir_defer(c, end_request, r) != 0)
        return NULL;
    if (r)
        r->deferred = true;
    return r;
}

bool request_keeps(weir_ctx *c, struct weir_curl_kept *kept)
{
    struct request_curl *r = request_of(c);
    if (!r)
        return false;
    kept->link = &r->kept;
    kept->next = r->kept;
    if (r->kept)
        r->kept->link = &kept->next;
    r->kept = kept;
    return true;
}

bool request_has(weir_ctx *c, struct transfer *t)
{
    struct request_curl *r = request_of(c);
    if (!r)
        return false;
    t->request_link = &r->transfers;
    t->request_next = r->transfers;
    if (r->transfers)
        r->transfers->request_link = &t->request_next;
    r->transfers = t;
    return true;
}
