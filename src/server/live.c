/*
 * The boards of live requests.
 *
 * SPDX-License-Identifier: MIT
 */
#include "server/live.h"
#include "base/clock.h"
#include "http/live.h"
#include "server/server.h"
#include "server/state.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#define PATIENCE_MS 20 /* how long workers are waited for */

/* ---- The worker's side ---- */

struct oldest {
    struct exchange *found[LIVE_ROWS]; /* oldest first */
    size_t count, alive;
};

static void oldest_add(void *arg, struct exchange *x)
{
    struct oldest *o = arg;
    size_t at = o->count;
    o->alive++;
    while (at > 0 && o->found[at - 1]->begin_ns > x->begin_ns)
        at--;
    if (at == LIVE_ROWS)
        return;
    size_t kept = o->count < LIVE_ROWS ? o->count : LIVE_ROWS - 1;
    memmove(&o->found[at + 1], &o->found[at], (kept - at) * sizeof o->found[0]);
    o->found[at] = x;
    o->count = kept + 1;
}

/* One of all requests: a record is of one request after the other, and of those that begin in one turn each has its
 * own. */
static uint64_t row_id(const struct exchange *x)
{
    return __builtin_bswap64(x->begin_ns) ^ (uintptr_t)x; /* what differs in times stands where addresses do not */
}

static void row_fill(struct live_row *row, const struct exchange *x)
{
    const struct weir_ctx *c = x->context;
    const struct reply *r = &x->reply;
    struct http_live live;
    struct address peer;
    http_live_read(x, &live);
    row->begin_ns = x->begin_ns & ~TURN_OVERDUE;
    row->is = (weir_live_request){
        .id = row_id(x),
        .version = x->head.version,
        .route = c->match.pattern ? c->match.pattern : "",
        .state = http_live_text(live.state),
        .sent = live.sent,
        .length = reply_is_bodyless(r) ? 0 : r->length,
        .received = x->body_length != 0 ? x->body_clock.received : 0,
        .body_total = x->body_length,
        .memory = live.memory,
        .sent_arg = r->on_sent || x->told ? r->on_sent_arg : NULL,
    };
    snprintf(row->is.method, sizeof row->is.method, "%.*s", (int)live.method.len,
             live.method.len ? live.method.data : "");
    struct endpoint client = exchange_client(x);
    endpoint_address(&client, &peer);
    address_format(&peer, row->is.peer, sizeof row->is.peer);
}

static void board_fill(struct loop *l, struct inbox_node *node)
{
    struct live_board *b = container_of(node, struct live_board, node);
    struct oldest o = {.count = 0};
    (void)l;
    http_each_live(&b->worker->http, oldest_add, &o);
    board_lock_acquire(&b->lock);
    for (size_t i = 0; i < o.count; i++)
        row_fill(&b->rows[i], o.found[i]);
    b->count = o.count;
    b->alive = o.alive;
    board_lock_release(&b->lock);
    atomic_store(&b->asked, false);
}

void live_worker_ends(struct worker *w)
{
    struct live_board *boards = atomic_load(&w->server->admin.boards), *b = boards ? &boards[w->index] : NULL;
    if (!b)
        return;
    board_lock_acquire(&b->lock);
    b->count = b->alive = 0;
    board_lock_release(&b->lock);
}

/* ---- The boards ---- */

static size_t boards_size(const weir_server *s)
{
    return (size_t)s->settings.config.workers * sizeof(struct live_board);
}

struct live_board *live_boards_new(weir_server *s)
{
    struct live_board *boards = memory_alloc(&s->account, boards_size(s));
    for (int i = 0; boards && i < s->settings.config.workers; i++) {
        boards[i] = (struct live_board){.node.fn = board_fill, .worker = &s->workers[i]};
        lock_init(&boards[i].lock);
    }
    return boards;
}

void live_boards_free(weir_server *s, struct live_board *boards)
{
    for (int i = 0; boards && i < s->settings.config.workers; i++)
        lock_done(&boards[i].lock);
    memory_free(&s->account, boards, boards_size(s));
}

/* ---- The reader's side ---- */

/* Asks the workers that have not been asked already. False: the server does not run, and nobody would come. */
static bool boards_ask(weir_server *s, struct live_board *boards)
{
    if (!state_is_running(s))
        return false;
    for (int i = 0; i < s->settings.config.workers; i++)
        if (!atomic_exchange(&boards[i].asked, true))
            loop_send(&boards[i].worker->loop, &boards[i].node);
    return true;
}

static bool boards_are_fresh(struct live_board *boards, int count)
{
    for (int i = 0; i < count; i++)
        if (atomic_load(&boards[i].asked))
            return false;
    return true;
}

void live_refresh(weir_ctx *c)
{
    weir_server *s = weir_ctx_server(c);
    struct live_board *boards = atomic_load(&s->admin.boards);
    int left = PATIENCE_MS;
    if (!boards || !boards_ask(s, boards))
        return;
    do
        left -= 2;
    while (weir_sleep(c, 1) == 0 && left > 0 && !boards_are_fresh(boards, s->settings.config.workers));
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
    uint64_t now_ns = clock_monotonic_ns();
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
    if (!found)
        return false;
    *from = best;
    row->is.worker = best.worker;
    row->is.age_ms = now_ns > row->begin_ns ? (now_ns - row->begin_ns) / 1000000 : 0;
    return true;
}

/* The boards, which are made when they are first asked for. NULL: no memory. */
static struct live_board *boards_take(weir_server *s)
{
    struct live_board *boards = atomic_load(&s->admin.boards), *made;
    if (boards || !(made = live_boards_new(s)))
        return boards;
    if (atomic_compare_exchange_strong(&s->admin.boards, &boards, made))
        return made;
    live_boards_free(s, made); /* another thread has made them meanwhile */
    return boards;
}

static size_t boards_alive(struct live_board *boards, int count)
{
    size_t alive = 0;
    for (int i = 0; i < count; i++) {
        board_lock_acquire(&boards[i].lock);
        alive += boards[i].alive;
        board_lock_release(&boards[i].lock);
    }
    return alive;
}

size_t weir_live_read(weir_server *s, weir_live_request *requests, size_t size, size_t *alive)
{
    const struct timespec millisecond = {.tv_nsec = 1000000};
    struct live_board *boards = s && state_is_running(s) ? boards_take(s) : NULL;
    size_t read = 0;
    if (alive)
        *alive = 0;
    if (!boards || !boards_ask(s, boards))
        return 0;
    int count = s->settings.config.workers;
    for (int left = PATIENCE_MS; left > 0 && !boards_are_fresh(boards, count); left--)
        nanosleep(&millisecond, NULL);
    if (alive)
        *alive = boards_alive(boards, count);
    struct place place = {.worker = -1};
    for (struct live_row row; read < size && next_row(boards, count, &place, &row); read++)
        requests[read] = row.is;
    return read;
}

/* ---- As text ---- */

static void put_row(struct ledger_writer *w, const struct live_row *row, uint64_t now_ns)
{
    char buf[LEDGER_SECONDS_SIZE];
    const weir_live_request *is = &row->is;
    uint64_t age_ns = now_ns > row->begin_ns ? now_ns - row->begin_ns : 0;
    ledger_put(w, "{\"seconds\":%s,\"worker\":%d,\"method\":", ledger_seconds(age_ns, buf), is->worker);
    ledger_put_string(w, is->method);
    ledger_put(w, ",\"route\":");
    ledger_put_string(w, is->route);
    ledger_put(w, ",\"peer\":");
    ledger_put_string(w, is->peer);
    ledger_put(w, ",\"version\":\"%s\",\"state\":\"%s\",\"sent\":%" PRIu64 ",\"memory\":%" PRIu64 "}",
               head_version_text((uint8_t)is->version), is->state, is->sent, is->memory);
}

void live_put_json(struct ledger_writer *w)
{
    weir_server *s = weir_ctx_server(w->c);
    struct place place = {.worker = -1};
    struct live_row row;
    uint64_t now_ns = clock_monotonic_ns();
    ledger_put(w, "[");
    struct live_board *boards = atomic_load(&s->admin.boards);
    for (int i = 0; boards && i < LIVE_SHOWN && next_row(boards, s->settings.config.workers, &place, &row); i++) {
        if (i > 0)
            ledger_put(w, ",");
        put_row(w, &row, now_ns);
    }
    ledger_put(w, "]");
}
