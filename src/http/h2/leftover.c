/*
 * Requests whose reply is out, and whose body is still coming: a client need not send what nobody reads (RFC 9113
 * section 8.1), but what is short is mostly on its way. A few of them are remembered, for a moment, and what comes is
 * judged and dropped; others are reset without an error.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/h2/h2.h"

static struct h2_leftover *leftover_find(struct h2 *h, uint32_t id)
{
    for (size_t i = 0; i < H2_LEFTOVERS; i++)
        if (h->leftovers[i].id == id)
            return &h->leftovers[i];
    return NULL;
}

bool h2_may_hear_late(const struct h2 *h)
{
    if (h->resets_next > 0)
        return true;
    for (size_t i = 0; i < H2_LEFTOVERS; i++)
        if (h->leftovers[i].id != 0)
            return true;
    return false;
}

bool h2_is_leftover(const struct h2 *h, uint32_t id)
{
    return leftover_find((struct h2 *)(uintptr_t)h, id) != NULL;
}

void h2_leave_rest(struct h2_stream *s)
{
    struct h2 *h = s->h2;
    if (s->remote != H2_REMOTE_OPEN || h->ending >= H2_FAILED)
        return;
    s->remote = H2_REMOTE_RESET;
    int64_t length = s->x.body_length, left = length >= 0 ? length - s->body_came : -1;
    struct h2_leftover *place = leftover_find(h, 0);
    int64_t missing = left >= 0 ? left - s->receive_window : 0;
    if (place && missing > 0 && left <= h->http->settings->drain_limit) {
        uint8_t frame[H2_WINDOW_UPDATE_LEN];
        h2_write_window_update(frame, s->id, (uint32_t)missing);
        s->receive_window += (int32_t)missing;
        h2_control(h, frame, sizeof frame);
    }
    if (!place || (left >= 0 && left > s->receive_window)) {
        h2_reset_unknown(h, s->id, H2_NO_ERROR);
        return;
    }
    *place = (struct h2_leftover){.id = s->id, .left = left, .window = s->receive_window};
}

void h2_leftover_end(struct h2 *h, uint32_t id)
{
    struct h2_leftover *l = leftover_find(h, id);
    if (l)
        l->id = 0;
}

void h2_hear_late_no_more(struct h2 *h)
{
    h->resets_next = 0;
    memset(h->resets, 0, sizeof h->resets);
    for (size_t i = 0; i < H2_LEFTOVERS; i++) {
        uint32_t id = h->leftovers[i].id;
        h->leftovers[i].id = 0;
        if (id != 0)
            h2_reset_unknown(h, id, H2_NO_ERROR);
    }
}

bool h2_leftover_data(struct h2 *h, uint32_t id, uint32_t len, uint32_t padding, bool last)
{
    struct h2_leftover *l = leftover_find(h, id);
    uint32_t error = H2_NO_ERROR;
    int64_t data = (int64_t)len - padding;
    if (!l)
        return false;
    if (len > 0 && len > l->window + h2_window_early(h))
        error = H2_FLOW_CONTROL_ERROR;
    else if (l->left >= 0 && (data > l->left || (last && data < l->left)))
        error = H2_PROTOCOL_ERROR;
    l->window -= (int32_t)len;
    l->left -= l->left >= 0 ? data : 0;
    if (error != H2_NO_ERROR || last)
        l->id = 0;
    if (error != H2_NO_ERROR) {
        h2_reset_unknown(h, id, error);
        (void)h2_fault(h, 1, REFUSAL_H2_RESETS);
    }
    return true;
}
