/*
 * Extended CONNECT (RFC 8441): a request that names a protocol, which its stream carries in DATA once it has been
 * replied to with 200. END_STREAM is the end of a side, as a FIN would be.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/upgrade.h"
#include "http/h2/h2.h"

int h2_upgrade(struct exchange *x, const char *protocol)
{
    struct h2_stream *s = h2_of(x);
    (void)protocol; /* the request has named the only one */
    if (!(x->head.flags & HEAD_CONNECT) || (x->head.flags & HEAD_HAS_LENGTH))
        return WEIR_EPROTO;
    int error = upgrade_prepare(x, 200);
    if (!error)
        error = h2_commit_head(s, REPLY_LENGTH_UNKNOWN, false);
    if (error)
        return error;
    if (reply_is_bodyless(&x->reply)) /* there was no room for the head */
        return WEIR_ENOMEM;
    s->continue_due = false;
    upgrade_begin(x);
    return h2_reply_flush(x);
}
