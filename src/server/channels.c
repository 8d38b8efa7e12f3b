/*
 * Channels in a server's memory.
 *
 * SPDX-License-Identifier: MIT
 */
#include "server/server.h"
#include "web/sync/sync.h"

weir_channel *weir_channel_new(weir_server *s, size_t capacity, size_t item_size)
{
    return s ? channel_new(&s->account, capacity, item_size) : NULL;
}
