/*
 * Asking about the request: line, fields, parameters, query, cookies, addresses.
 *
 * SPDX-License-Identifier: MIT
 */
#include "net/address.h"
#include "web/context.h"

const char *weir_method(weir_ctx *c)
{
    CONTEXT_CHECK(c);
    struct http_head *head = &c->x->head;
    return head->method_len ? head_string(head, 0, head->method_len) : ""; /* a refused head has none */
}

const char *weir_target(weir_ctx *c)
{
    CONTEXT_CHECK(c);
    struct http_head *head = &c->x->head;
    return head->target_len ? head_string(head, head->target, head->target_len) : ""; /* a refused head has none */
}

/* A slice of the receive buffer as a string of its own; "" when there is no memory. */
static const char *copy_text(weir_ctx *c, struct slice text)
{
    const char *copy = arena_copy(&c->x->arena, text);
    return copy ? copy : "";
}

const char *weir_path(weir_ctx *c)
{
    CONTEXT_CHECK(c);
    if (!c->path_text) {
        if (c->x->target.path.data[0] == '*')
            c->path_text = "*";
        else if (!c->path.in_place)
            c->path_text = c->path.text.len ? c->path.text.data : "";
        else
            c->path_text = copy_text(c, c->path.text);
    }
    return c->path_text;
}

const char *weir_query_string(weir_ctx *c)
{
    CONTEXT_CHECK(c);
    if (!c->x->target.query.data)
        return "";
    (void)weir_target(c); /* terminates the query as well, which is the target's end */
    return c->x->target.query.data;
}

const char *weir_host(weir_ctx *c)
{
    CONTEXT_CHECK(c);
    struct http_head *head = &c->x->head;
    struct slice authority = c->x->target.authority;
    if (authority.len == 0)
        return "";
    if (authority.data == head->base + head->host)
        return head_string(head, head->host, head->host_len);
    return copy_text(c, authority);
}

int weir_http_version(weir_ctx *c)
{
    CONTEXT_CHECK(c);
    return c->x->head.version;
}

bool weir_is_secure(weir_ctx *c)
{
    CONTEXT_CHECK(c);
    return exchange_is_secure(c->x);
}

static const char *address_text(weir_ctx *c, bool own)
{
    struct address address;
    char text[ADDRESS_TEXT_MAX];
    c->x->ops->address(c->x, own, &address);
    return copy_text(c, slice_from(address_format(&address, text, sizeof text)));
}

const char *weir_peer(weir_ctx *c)
{
    CONTEXT_CHECK(c);
    return address_text(c, false);
}

const char *weir_local(weir_ctx *c)
{
    CONTEXT_CHECK(c);
    return address_text(c, true);
}

/* A copy in the request's memory; without room for it "", and *error. */
static const char *security_text(weir_ctx *c, const char *text, int *error)
{
    const char *copy = text[0] ? arena_copy(context_arena(c), slice_from(text)) : "";
    if (copy)
        return copy;
    *error = WEIR_ENOMEM;
    return "";
}

int weir_tls_info(weir_ctx *c, weir_tls_session *session)
{
    CONTEXT_CHECK(c);
    struct transport_security s;
    if (!session)
        return WEIR_EINVAL;
    *session = (weir_tls_session){.version = "", .cipher = "", .server_name = "", .protocol = "", .subject = ""};
    if (!exchange_security(c->x, &s))
        return WEIR_EINVAL;
    int error = 0;
    session->version = security_text(c, s.version, &error);
    session->cipher = security_text(c, s.cipher, &error);
    session->server_name = security_text(c, s.name, &error);
    session->protocol = security_text(c, s.protocol, &error);
    session->subject = security_text(c, s.subject, &error);
    session->resumed = s.resumed;
    session->verified = s.verified;
    return error;
}

const char *weir_route_pattern(weir_ctx *c)
{
    CONTEXT_CHECK(c);
    return c->match.pattern ? c->match.pattern : "";
}

void *weir_route_data(weir_ctx *c)
{
    CONTEXT_CHECK(c);
    return c->route_data;
}

/* ---- Parameters ---- */

const char *weir_param(weir_ctx *c, const char *name)
{
    CONTEXT_CHECK(c);
    for (size_t i = 0; name && i < c->match.param_count; i++)
        if (strcmp(c->match.params[i].name, name) == 0)
            return c->match.params[i].value;
    return NULL;
}

static bool item(const char **name, const char **value, const char *is_name, const char *is_value)
{
    if (name)
        *name = is_name;
    if (value)
        *value = is_value;
    return true;
}

bool weir_param_item(weir_ctx *c, size_t i, const char **name, const char **value)
{
    CONTEXT_CHECK(c);
    return i < c->match.param_count && item(name, value, c->match.params[i].name, c->match.params[i].value);
}

/* ---- Query ---- */

static const struct query *context_query(weir_ctx *c)
{
    if (!c->query_parsed) {
        (void)query_parse(c->x->target.query, &c->x->arena, &c->query); /* empty after an error */
        c->query_parsed = true;
    }
    return &c->query;
}

const char *weir_query_nth(weir_ctx *c, const char *name, size_t i)
{
    CONTEXT_CHECK(c);
    return name ? query_find(context_query(c), name, i) : NULL;
}

const char *weir_query(weir_ctx *c, const char *name)
{
    CONTEXT_CHECK(c);
    return weir_query_nth(c, name, 0);
}

bool weir_query_item(weir_ctx *c, size_t i, const char **name, const char **value)
{
    CONTEXT_CHECK(c);
    const struct query *q = context_query(c);
    return i < q->count && item(name, value, q->pairs[i].name, q->pairs[i].value);
}

/* ---- Fields ---- */

/* Whether the authority of an absolute target stands for what the Host field says (RFC 9112 section 3.2.2). */
static bool host_is_replaced(const weir_ctx *c)
{
    return c->x->target.authority.data != c->x->head.base + c->x->head.host;
}

const char *weir_header_nth(weir_ctx *c, const char *name, size_t i)
{
    CONTEXT_CHECK(c);
    if (!name)
        return NULL;
    if (unlikely(host_is_replaced(c)) && slice_equal_nocase(slice_from(name), SLICE("Host")))
        return i == 0 ? weir_host(c) : NULL;
    const struct http_field *f = head_find(&c->x->head, slice_from(name), i);
    return f ? head_string(&c->x->head, f->value, f->value_len) : NULL;
}

const char *weir_header(weir_ctx *c, const char *name)
{
    CONTEXT_CHECK(c);
    return weir_header_nth(c, name, 0);
}

size_t weir_header_count(weir_ctx *c, const char *name)
{
    CONTEXT_CHECK(c);
    size_t count = 0;
    if (!name)
        return c->x->head.field_count;
    while (head_find(&c->x->head, slice_from(name), count))
        count++;
    return count;
}

bool weir_header_item(weir_ctx *c, size_t i, const char **name, const char **value)
{
    CONTEXT_CHECK(c);
    struct http_head *head = &c->x->head;
    if (i >= head->field_count)
        return false;
    const struct http_field *f = &head->fields[i];
    if (unlikely(host_is_replaced(c)) && slice_equal_nocase(head_slice(head, f->name, f->name_len), SLICE("Host")))
        return item(name, value, head_string(head, f->name, f->name_len), weir_host(c));
    return item(name, value, head_string(head, f->name, f->name_len), head_string(head, f->value, f->value_len));
}

/* ---- Trailer fields ---- */

bool weir_trailer_item(weir_ctx *c, size_t i, const char **name, const char **value)
{
    CONTEXT_CHECK(c);
    const char *found_name, *found_value;
    return c->x->ops->trailer(c->x, i, &found_name, &found_value) && item(name, value, found_name, found_value);
}

const char *weir_trailer(weir_ctx *c, const char *name)
{
    CONTEXT_CHECK(c);
    const char *found, *value;
    for (size_t i = 0; name && weir_trailer_item(c, i, &found, &value); i++)
        if (slice_equal_nocase(slice_from(found), slice_from(name)))
            return value;
    return NULL;
}

/* ---- Cookies ---- */

#define COOKIE_FIELDS_MAX 16 /* Cookie lines that are looked at; clients send one */

static const struct cookies *context_cookies(weir_ctx *c)
{
    if (!c->cookies_parsed) {
        struct slice lines[COOKIE_FIELDS_MAX];
        size_t count = 0;
        const struct http_field *f;
        while (count < COOKIE_FIELDS_MAX && (f = head_find(&c->x->head, SLICE("Cookie"), count)))
            lines[count++] = head_slice(&c->x->head, f->value, f->value_len);
        (void)cookies_parse(lines, count, &c->x->arena, &c->cookies); /* empty after an error */
        c->cookies_parsed = true;
    }
    return &c->cookies;
}

const char *weir_cookie(weir_ctx *c, const char *name)
{
    CONTEXT_CHECK(c);
    return name ? cookies_find(context_cookies(c), name) : NULL;
}

bool weir_cookie_item(weir_ctx *c, size_t i, const char **name, const char **value)
{
    CONTEXT_CHECK(c);
    const struct cookies *all = context_cookies(c);
    return i < all->count && item(name, value, all->items[i].name, all->items[i].value);
}
