/*
 * What a server has for asking other services.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/outgoing/outgoing.h"

void outgoing_init(struct outgoing *o, struct memory *m)
{
    account_open_shared(&o->account, m, "outgoing", NULL, 0);
    watches_init(&o->watches, &o->account);
}

void outgoing_done(struct outgoing *o)
{
    if (!o->account.memory)
        return;
    watches_done(&o->watches);
    account_close(&o->account);
}
