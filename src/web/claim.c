/*
 * Claims.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/claim.h"
#include "web/context.h"

void claim_make(weir_ctx *c, struct claim *claim, void (*forfeit)(struct claim *claim))
{
    *claim = (struct claim){.next = c->claims, .at = &c->claims, .forfeit = forfeit};
    if (c->claims)
        c->claims->at = &claim->next;
    c->claims = claim;
}

void claim_settle(struct claim *claim)
{
    if (!claim->at)
        return;
    *claim->at = claim->next;
    if (claim->next)
        claim->next->at = claim->at;
    claim->at = NULL;
}

void claims_forfeit(struct claim **list)
{
    while (*list) {
        struct claim *claim = *list;
        claim_settle(claim);
        claim->forfeit(claim);
    }
}
