/*
 * Whose turn it is to send on an HTTP/2 connection, by urgency and by what a client can make of a part (RFC 9218
 * section 10): of one urgency, replies that are of use only when they are whole come one after the other, in the order
 * of their streams; those of which each part is of use, the incremental ones, take turns. Where there are both, a frame
 * of the one kind follows a frame of the other, so that neither waits for the other's end.
 *
 * Only streams that can send are here: one whose handler has nothing ready, or whose window is shut, holds up nobody.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/h2/h2.h"

void h2_turns_init(struct h2_turns *t)
{
    t->urgencies = t->shared_next = 0; /* the lists of an urgency begin with its first stream */
}

static struct h2_stream *stream_at(struct list *turn)
{
    return container_of(turn, struct h2_stream, turn);
}

/* Puts s before the first whose id is higher: mostly that is the one at the front, since s has just sent a frame, or
 * nobody, since s is new. */
static void enter_by_id(struct list *whole, struct h2_stream *s)
{
    struct list *at = whole->prev;
    if (at == whole || stream_at(at)->id < s->id) {
        list_push_back(whole, &s->turn);
        return;
    }
    for (at = whole->next; stream_at(at)->id < s->id;)
        at = at->next;
    list_insert_after(at->prev, &s->turn);
}

void h2_turn_enter(struct h2_turns *t, struct h2_stream *s)
{
    unsigned urgency = s->priority.urgency;
    debug_assert(list_empty(&s->turn));
    if (!(t->urgencies >> urgency & 1)) {
        list_init(&t->whole[urgency]);
        list_init(&t->shared[urgency]);
    }
    if (s->priority.incremental)
        list_push_back(&t->shared[urgency], &s->turn);
    else
        enter_by_id(&t->whole[urgency], s);
    t->urgencies |= (uint8_t)(1u << urgency);
}

void h2_turn_leave(struct h2_turns *t, struct h2_stream *s)
{
    unsigned urgency = s->priority.urgency;
    list_remove(&s->turn);
    if (list_empty(&t->whole[urgency]) && list_empty(&t->shared[urgency]))
        t->urgencies &= (uint8_t) ~(1u << urgency);
}

void h2_turn_take(struct h2_turns *t, struct h2_stream *s)
{
    uint8_t urgency = (uint8_t)(1u << s->priority.urgency);
    if (s->priority.incremental)
        t->shared_next &= (uint8_t)~urgency;
    else
        t->shared_next |= urgency;
    h2_turn_leave(t, s);
}

static struct h2_stream *first_of(struct list *turns, bool (*may)(const struct h2_stream *s))
{
    list_for_each (l, turns) {
        if (!may || may(stream_at(l)))
            return stream_at(l);
    }
    return NULL;
}

struct h2_stream *h2_turn_next(struct h2_turns *t, bool (*may)(const struct h2_stream *s))
{
    for (unsigned left = t->urgencies; left; left &= left - 1) {
        unsigned urgency = (unsigned)__builtin_ctz(left);
        struct list *turns = &t->whole[urgency], *others = &t->shared[urgency];
        if (t->shared_next >> urgency & 1) {
            turns = others;
            others = &t->whole[urgency];
        }
        struct h2_stream *s = first_of(turns, may);
        if (s || (s = first_of(others, may)))
            return s;
    }
    return NULL;
}
