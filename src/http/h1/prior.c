/*
 * HTTP/2 by prior knowledge: the preface that a client of it sends is no request of HTTP/1, so that only what was
 * refused is looked at.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/h1/h1.h"

#if WEIR_WITH_HTTP2
enum h1_prior h1_prior_knowledge(struct h1 *h)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    uint32_t have = h->in_len - h->in_pos, len = have < sizeof preface - 1 ? have : (uint32_t)sizeof preface - 1;
    bool first = !(h->x.conn->flags & H1_SERVED) && h->served == 0 && output_empty(&h->out);
    if (!h->x.http->settings->http2 || !first || memcmp(h->in + h->in_pos, preface, len) != 0)
        return PRIOR_NONE;
    h->parsing = false;
    if (len < sizeof preface - 1)
        return PRIOR_SOME;
    if (!h1_hand_over(h, &http_protocol_h2))
        h1_close(h);
    return PRIOR_DONE;
}
#else
enum h1_prior h1_prior_knowledge(struct h1 *h)
{
    (void)h;
    return PRIOR_NONE;
}
#endif
