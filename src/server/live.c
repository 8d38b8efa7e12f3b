/*
 * The boards of live requests.
 *
 * SPDX-License-Identifier: MIT
 */
#include "server/live.h"
#include "base/clock.h"
#include "http/live.h"
#include "server/server.h"

#include <inttypes.h>
#include <stdio.h>

#define PATIENCE_MS 20 /* how long workers are waited for */

/* ---- The worker's side ---- */

struct oldest {
    struct exchange *found[LIVE_ROWS]; /* oldest first */
    size_t count;
};

static void oldest_add(void *arg, struct exchange *x)
{
    struct oldest *o = arg;
    size_t at = o->count;
    while (at > 0 && o->found[at - 1]->begin_ns > x->begin_ns)
        at--;
    if (at == LIVE_ROWS)
        return;
    size_t kept = o->count < LIVE_ROWS ? o->count : LIVE_ROWS - 1;
    memmove(&o->found[at + 1], &o->found[at], (kept - at) * sizeof o->found[0]);
    o->found[at] = x;
    o->count = kept + 1;
}

static void row_fill(struct live_row *row, const struct exchange *x)
{
    const struct weir_ctx *c = x->context;
    struct http_live live;
    struct address peer;
    http_live_read(x, &live);
    *row = (struct live_row){
        .begin_ns = x->begin_ns, .sent = live.sent, .memory = live.memory, .state = http_live_text(live.state)};
    row->pattern = c->match.pattern ? c->match.pattern : "";
    snprintf(row->method, sizeof row->method, "%.*s", (int)live.method.len, live.method.len ? live.method.data : "");
    x->ops->address(x, false, &peer);
    address_format(&peer, row->peer, sizeof row->peer);
}

static void board_fill(struct loop *l, struct inbox_node *node)
{
    struct live_board *b = container_of(node, struct live_board, node);
    struct oldest o = {.count = 0};
    http_each_live(&b->worker->http, oldest_add, &o);
    board_lock_acquire(&b->lock);
    for (size_t i = 0; i < o.count; i++)
        row_fill(&b->rows[i], o.found[i]);
    b->count = o.count;
    board_lock_release(&b->lock);
    counter_add(&b->taken_ns, l->now_ns - counter_read(&b->taken_ns));
    atomic_store(&b->asked, false);
}

void live_board_init(struct live_board *b, struct worker *w)
{
    *b = (struct live_board){.node.fn = board_fill, .worker = w};
    lock_init(&b->lock);
}

void live_board_done(struct live_board *b)
{
    lock_done(&b->lock);
}

/* ---- The reader's side ---- */

static bool boards_are_newer(const struct live_board *boards, int count, uint64_t than_ns)
{
    for (int i = 0; i < count; i++)
        if (counter_read(&boards[i].taken_ns) < than_ns)
            return false;
    return true;
}

void live_refresh(weir_ctx *c)
{
    const weir_server *s = weir_ctx_server(c);
    struct live_board *boards = s->admin.boards;
    int count = s->settings.config.workers;
    if (!boards)
        return;
    uint64_t asked_ns = context_loop(c)->now_ns;
    for (int i = 0; i < count; i++)
        if (!atomic_exchange(&boards[i].asked, true))
            loop_send(&boards[i].worker->loop, &boards[i].node);
    int left = PATIENCE_MS;
    do
        left -= 2;
    while (weir_sleep(c, 1) == 0 && left > 0 && !boards_are_newer(boards, count, asked_ns));
}

/* Where a row stands among those of all boards. */
struct place {
    uint64_t begin_ns;
    int worker;
    size_t row;
};

static bool place_is_before(struct place a, struct place b)
{
    if (a.begin_ns != b.begin_ns)
        return a.begin_ns < b.begin_ns;
    return a.worker != b.worker ? a.worker < b.worker : a.row < b.row;
}

/* Copies the first row behind a place, which moves there. False: there is none. */
static bool next_row(struct live_board *boards, int count, struct place *from, struct live_row *row)
{
    bool found = false;
    struct place best = {0};
    for (int i = 0; i < count; i++) {
        struct live_board *b = &boards[i];
        board_lock_acquire(&b->lock);
        for (size_t r = 0; r < b->count; r++) {
            struct place here = {.begin_ns = b->rows[r].begin_ns, .worker = i, .row = r};
            if (!place_is_before(*from, here) || (found && !place_is_before(here, best)))
                continue;
            best = here;
            *row = b->rows[r];
            found = true;
        }
        board_lock_release(&b->lock);
    }
    *from = best;
    return found;
}

static void put_row(struct ledger_writer *w, const struct live_row *row, int worker, uint64_t now_ns)
{
    char buf[LEDGER_SECONDS_SIZE];
    uint64_t age_ns = now_ns > row->begin_ns ? now_ns - row->begin_ns : 0;
    ledger_put(w, "{\"seconds\":%s,\"worker\":%d,\"method\":", ledger_seconds(age_ns, buf), worker);
    ledger_put_string(w, row->method);
    ledger_put(w, ",\"route\":");
    ledger_put_string(w, row->pattern);
    ledger_put(w, ",\"peer\":");
    ledger_put_string(w, row->peer);
    ledger_put(w, ",\"state\":\"%s\",\"sent\":%" PRIu64 ",\"memory\":%" PRIu64 "}", row->state, row->sent, row->memory);
}

void live_put_json(struct ledger_writer *w)
{
    const weir_server *s = weir_ctx_server(w->c);
    struct place place = {.worker = -1};
    struct live_row row;
    uint64_t now_ns = clock_monotonic_ns();
    ledger_put(w, "[");
    struct live_board *boards = s->admin.boards;
    for (int i = 0; boards && i < LIVE_ROWS && next_row(boards, s->settings.config.workers, &place, &row); i++) {
        if (i > 0)
            ledger_put(w, ",");
        put_row(w, &row, place.worker, now_ns);
    }
    ledger_put(w, "]");
}
