/*
 * The ledger's page and what it reads, mounted on a server.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_SERVER_ADMIN_H
#define WEIR_SERVER_ADMIN_H

#include "server/live.h"

struct admin {
    bool mounted;
    int (*authorize)(weir_ctx *c, void *data);
    void *data;
    bool own_listener;                 /* nothing is there for those who come by another */
    struct live_board *_Atomic boards; /* one for each worker; NULL while nobody has wanted them */
};

/* Makes the boards of live requests for a server that is about to start. 0 or WEIR_ENOMEM. Nothing where no page is
 * mounted. */
int admin_start(weir_server *s);
void admin_done(weir_server *s);

#endif
