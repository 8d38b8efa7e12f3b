/*
 * The client of a request: who it is, by which scheme it came and for which host, as far as those are trusted who tell.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/client/client.h"
#include "web/context.h"

/* ---- Settings ---- */

const struct networks *clients_networks(struct site *s, const char *setting, const char *text)
{
    struct slice wrong;
    weir_assert(s->clients.list_count < CLIENT_LISTS_MAX);
    struct networks *list = networks_parse(&s->account, text, &wrong);
    if (list)
        s->clients.lists[s->clients.list_count++] = list;
    else if (!wrong.data)
        site_error(s, "%s: no memory", setting);
    else
        site_error(s, "%s: \"%.*s\" is not an address, a network such as 10.0.0.0/8, or unix:; or there are too many",
                   setting, (int)(wrong.len < 64 ? wrong.len : 64), wrong.data);
    return list;
}

static enum forwarded_form form_of(const char *header)
{
    if (slice_equal_nocase(slice_from(header), SLICE("Forwarded")))
        return FORWARDED_STANDARD;
    return slice_equal_nocase(slice_from(header), SLICE("X-Forwarded-For")) ? FORWARDED_X : FORWARDED_OFF;
}

void clients_read(struct site *s, const char *trusted, const char *header)
{
    if (trusted)
        s->clients.trusted = clients_networks(s, "setting trusted_proxies", trusted);
    s->clients.form = form_of(header);
    if (header && s->clients.form == FORWARDED_OFF)
        site_error(s, "setting forwarded_header: \"%.64s\" is neither Forwarded nor X-Forwarded-For", header);
    else if (header && !trusted)
        site_error(s, "setting forwarded_header: there are no trusted_proxies to believe");
    else if (trusted && !header)
        site_error(s, "setting trusted_proxies: forwarded_header does not say what they are believed by");
}

void clients_free(struct site *s)
{
    for (size_t i = 0; i < s->clients.list_count; i++)
        networks_free(&s->account, s->clients.lists[i]);
}

/* ---- Calls ---- */

/* What is known of c's client, and whether its proxies have told. */
static struct endpoint client_find(weir_ctx *c, struct forwarded_hop *hop)
{
    const struct clients *clients = &c->web->site->clients;
    struct endpoint nearest = exchange_client(c->x);
    if (clients->form == FORWARDED_OFF || !networks_hold(clients->trusted, &nearest))
        *hop = (struct forwarded_hop){.known = true, .client = nearest};
    else
        forwarded_walk(&c->x->head, clients->form, clients->trusted, &nearest, hop);
    return nearest;
}

static const char *client_copy(weir_ctx *c, const char *text)
{
    const char *copy = arena_copy(context_arena(c), slice_from(text));
    return copy ? copy : "";
}

const char *weir_client(weir_ctx *c)
{
    CONTEXT_CHECK(c);
    struct forwarded_hop hop;
    char text[ENDPOINT_TEXT_MAX];
    (void)client_find(c, &hop);
    return client_copy(c, hop.name[0] ? hop.name : endpoint_format(&hop.client, text, sizeof text));
}

const char *weir_client_scheme(weir_ctx *c)
{
    CONTEXT_CHECK(c);
    struct forwarded_hop hop;
    struct endpoint nearest = client_find(c, &hop);
    if (hop.scheme != FORWARDED_SCHEME_NONE)
        return hop.scheme == FORWARDED_HTTPS ? "https" : "http";
    return nearest.tls || exchange_is_secure(c->x) ? "https" : "http";
}

const char *weir_client_host(weir_ctx *c)
{
    CONTEXT_CHECK(c);
    struct forwarded_hop hop;
    (void)client_find(c, &hop);
    return hop.host[0] ? client_copy(c, hop.host) : weir_host(c);
}
