/*
 * What a worker does when memory under the bound is short: asks who has some to spare, gives back what others need, and
 * closes what has been idle for longest.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_SERVER_RELIEF_H
#define WEIR_SERVER_RELIEF_H

#include "server/worker.h"

/* Gives back what was not needed lately, at the end of a turn. */
void relief_trim(struct worker *w);
/* Gives back all that is not needed at this moment, at the end of a turn, because another worker has none; and the
 * order for it. */
void relief_give_back(struct worker *w);
void relief_asked(struct loop *l, struct inbox_node *node);

/* Called when so many bytes could not be granted: the caches give back at once, because nobody waits, and nobody is
 * refused, for what is only there to be quicker; more is sought at the end of the turn. http.starved. */
void relief_starved(struct http *http, uint64_t bytes);
uint64_t relief_spare(const struct http *http); /* bytes that the caches would give. http.spare */
/* Seeks what other workers, and this one, hold in reserve. */
void relief_seek(struct worker *w);
/* Called when there is no memory for a connection: the caches make room, and only if that is not enough, connections
 * that have been idle for longest do. owner: struct http. */
void relief_make_room(void *owner);
/* net.short_fn: as relief_make_room(), for a handshake that is short of bytes. */
void relief_for_handshake(void *owner, size_t bytes, bool always);

#endif
