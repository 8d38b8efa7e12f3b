/*
 * Waiting for a name.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/outgoing/lookup.h"

/* Waits until an entry that has been asked for is told, with it among e's users, so that it stays. */
static int wait_for(weir_ctx *c, struct name_entry *e, int timeout_ms)
{
    struct loop *l = c->web->loop;
    struct name_user user = {.fiber = l->fibers.current};
    struct wait_timer wait = {.timer.kind = TIMER_WAIT, .fiber = user.fiber};
    list_push_back(&e->users, &user.link);
    if (timeout_ms > 0)
        timer_arm(&l->wheel, &wait.timer, loop_delay_now(l, (uint32_t)timeout_ms));
    l->outside++;
    int result = exchange_park_for_other(c->x);
    l->outside--;
    timer_cancel(&l->wheel, &wait.timer);
    list_remove(&user.link);
    return result == WEIR_ETIMEDOUT && e->state == NAME_KNOWN ? 0 : result;
}

int name_lookup(weir_ctx *c, const char *name, struct name_addresses *found, struct until u)
{
    if (names_literal(name, found))
        return 0;
    int ms;
    if (!until_left(u, &ms))
        return WEIR_ETIMEDOUT;
    context_before_wait(c); /* ends the handler, if it has to be ended, before it is among the users */
    struct name_entry *e = names_find(&c->web->names, name);
    if (!e)
        return WEIR_ENOMEM;
    int result = e->state == NAME_KNOWN ? 0 : wait_for(c, e, ms);
    if (result < 0)
        return result;
    *found = e->addresses;
    return e->result;
}
