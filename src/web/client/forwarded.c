/*
 * Lists of proxies' words, from their end; and the walk over them.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/client/forwarded.h"
#include "http/authority.h"

static struct slice trim(struct slice s)
{
    while (s.len > 0 && (s.data[0] == ' ' || s.data[0] == '\t'))
        s = slice_of(s.data + 1, s.len - 1);
    while (s.len > 0 && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t'))
        s.len--;
    return s;
}

/* ---- Lists ---- */

/* Whether the quote at a place is an escaped one: behind an odd number of backslashes. */
static bool is_escaped(struct slice list, size_t at)
{
    size_t slashes = 0;
    while (slashes < at && list.data[at - slashes - 1] == '\\')
        slashes++;
    return slashes % 2 == 1;
}

/* Where the quoted string begins whose last quote is at `at`; 0, the begin of the list, where none does. */
static size_t quote_begin(struct slice list, size_t at)
{
    while (at > 0 && (list.data[--at] != '"' || is_escaped(list, at)))
        ;
    return at;
}

bool forwarded_last(enum forwarded_form form, struct slice *list, struct slice *member)
{
    if (!list->data)
        return false;
    size_t at = list->len;
    while (at > 0 && list->data[at - 1] != ',') {
        at--;
        if (form == FORWARDED_STANDARD && list->data[at] == '"')
            at = quote_begin(*list, at);
    }
    *member = trim(slice_of(list->data + at, list->len - at));
    *list = at > 0 ? slice_of(list->data, at - 1) : (struct slice){0};
    return true;
}

/* ---- The walk ---- */

/* Fields of one name as one list, from the end of the last. */
struct fields {
    const struct http_head *head;
    enum forwarded_form form;
    struct slice name;
    size_t at;         /* fields before this are not looked at yet */
    struct slice list; /* what is left of the present one; without data: nothing */
    unsigned left;     /* members that are still looked at */
};

static struct fields fields_of(const struct http_head *head, enum forwarded_form form, struct slice name)
{
    return (struct fields){
        .head = head, .form = form, .name = name, .at = head->field_count, .left = FORWARDED_MEMBERS_MAX};
}

static bool fields_previous(struct fields *f)
{
    while (f->at > 0) {
        const struct http_field *field = &f->head->fields[--f->at];
        if (!slice_equal_nocase(slice_of(f->head->base + field->name, field->name_len), f->name))
            continue;
        f->list = slice_of(f->head->base + field->value, field->value_len);
        return true;
    }
    return false;
}

/* The member before; empty ones are left out, and count. False: there is none, or enough have been looked at. */
static bool fields_last(struct fields *f, struct slice *member)
{
    while (f->left > 0) {
        f->left--;
        if (!forwarded_last(f->form, &f->list, member)) {
            if (!fields_previous(f))
                return false;
            continue;
        }
        if (member->len > 0)
            return true;
    }
    return false;
}

enum forwarded_scheme forwarded_scheme_of(struct slice text)
{
    if (slice_equal_nocase(text, SLICE("https")) || slice_equal_nocase(text, SLICE("wss")))
        return FORWARDED_HTTPS;
    bool plain = slice_equal_nocase(text, SLICE("http")) || slice_equal_nocase(text, SLICE("ws"));
    return plain ? FORWARDED_HTTP : FORWARDED_SCHEME_NONE;
}

/*
 * The member of a list beside X-Forwarded-For that goes with the depth-th from the end of that. A list with fewer is of
 * proxies that do not append but hand on, or set anew, one value: its first.
 */
static struct slice beside(const struct http_head *head, struct slice name, size_t depth)
{
    struct fields f = fields_of(head, FORWARDED_X, name);
    struct slice member, found = {0};
    for (size_t i = 0; i <= depth && fields_last(&f, &member); i++)
        found = member;
    return found;
}

void forwarded_set_host(struct forwarded_hop *hop, struct slice text)
{
    hop->host[0] = '\0';
    if (text.len == 0 || text.len > FORWARDED_HOST_MAX || !authority_is_valid(text))
        return;
    memcpy(hop->host, text.data, text.len);
    hop->host[text.len] = '\0';
}

void forwarded_walk(const struct http_head *head, enum forwarded_form form, const struct networks *trusted,
                    const struct endpoint *nearest, struct forwarded_hop *hop)
{
    bool standard = form == FORWARDED_STANDARD;
    struct fields f = fields_of(head, form, standard ? SLICE("Forwarded") : SLICE("X-Forwarded-For"));
    struct slice member;
    size_t depth = 0;
    *hop = (struct forwarded_hop){.known = true, .client = *nearest};
    while (networks_hold(trusted, &hop->client) && fields_last(&f, &member)) {
        struct forwarded_hop next;
        if (!(standard ? forwarded_element : forwarded_node)(member, &next))
            break;
        depth++;
        bool known = next.known;
        if (!known)
            next.client = hop->client;
        next.known = true;
        *hop = next;
        if (!known)
            break;
    }
    if (standard)
        return;
    struct slice proto = beside(head, SLICE("X-Forwarded-Proto"), depth > 0 ? depth - 1 : 0);
    hop->scheme = forwarded_scheme_of(proto);
    forwarded_set_host(hop, beside(head, SLICE("X-Forwarded-Host"), depth > 0 ? depth - 1 : 0));
}
