/*
 * From HTTP to another protocol, as handlers ask for it.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/upgrade.h"
#include "http/field.h"
#include "http/token.h"
#include "web/context.h"

/* A name, or a name and a version behind a slash (RFC 9110 section 7.8). */
static bool is_protocol(struct slice text)
{
    const char *slash = text.len > 0 ? memchr(text.data, '/', text.len) : NULL;
    if (!slash)
        return is_token(text);
    size_t name_len = (size_t)(slash - text.data);
    return is_token(slice_of(text.data, name_len)) && is_token(slice_of(slash + 1, text.len - name_len - 1));
}

bool context_wants_upgrade(const weir_ctx *c, struct slice protocol)
{
    const struct http_head *head = &c->x->head;
    const struct http_field *field;
    if (!(head->flags & HEAD_UPGRADE))
        return false;
    for (size_t i = 0; (field = head_find(head, SLICE("Upgrade"), i)); i++) {
        struct slice list = head_slice(head, field->value, field->value_len), member;
        while (field_list_next(&list, &member))
            if (slice_equal_nocase(member, protocol))
                return true;
    }
    return false;
}

/* The client has not asked for it: the page of a 426, which is the handler's to ask for, says what there is. */
static COLD int not_asked(weir_ctx *c, struct slice protocol)
{
    (void)reply_add_field(c, SLICE("Upgrade"), protocol, true);
    return WEIR_EUPGRADE;
}

int context_upgrade(weir_ctx *c, const char *protocol)
{
    struct exchange *x = c->x;
    int error = context_wants_upgrade(c, slice_from(protocol)) ? x->ops->upgrade(x, protocol)
                                                               : not_asked(c, slice_from(protocol));
    bool answered = error == WEIR_ECANCELED && !x->http->net->draining; /* by response middleware */
    if (error && !answered && exchange_may(x, REPLY_MAKE) == 0)
        c->reply_error = error;
    return error;
}

int weir_upgrade(weir_ctx *c, const char *protocol)
{
    CONTEXT_CHECK(c);
    if (!protocol || !is_protocol(slice_from(protocol)))
        return WEIR_EINVAL;
    return context_upgrade(c, protocol);
}

int weir_read_timeout(weir_ctx *c, int ms)
{
    CONTEXT_CHECK(c);
    if (ms < -1 || !exchange_is_upgraded(c->x))
        return WEIR_EINVAL;
    upgrade_set_patience(c->x, ms);
    return 0;
}
