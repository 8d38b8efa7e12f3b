/*
 * Contexts from their pools, and messages that are compressed.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/websocket/deflate.h"

#include "web/compress/contexts.h"
#include "weir.h"

#define ALIGN 64

const char *ws_deflate_ready(void)
{
    return zlib_table() ? zlib_table()->ready() : "is not built in";
}

/* How large zlib's tables are beside a window: at 15 bits as it has them by default, and half of that for each less. */
static int memory_level(unsigned bits)
{
    return (int)bits - 7;
}

size_t ws_context_size(unsigned pool, unsigned bits)
{
    if (!zlib_table())
        return 0;
    return pool == WS_DEFLATERS ? zlib_table()->deflate_size((int)bits, memory_level(bits))
                                : zlib_table()->inflate_size((int)bits);
}

void ws_contexts_open(struct ws_contexts *c, struct memory *m, struct account *parent, unsigned server_bits,
                      unsigned client_bits)
{
    if (!zlib_table())
        return;
    account_open(&c->account, m, "websocket compression");
    c->account.parent = parent;
    c->bits[WS_DEFLATERS] = (uint8_t)server_bits;
    c->bits[WS_INFLATERS] = (uint8_t)client_bits;
    for (unsigned i = 0; i < WS_POOLS; i++) {
        size_t size = ws_context_size(i, c->bits[i]);
        pool_init(&c->pools[i], &c->account, size + sizeof(struct compressor), ALIGN, contexts_slab_size(size));
        c->pools[i].plain = true; /* a context that rests keeps its state */
    }
}

void ws_contexts_close(struct ws_contexts *c)
{
    if (!c->bits[WS_DEFLATERS])
        return;
    for (unsigned i = 0; i < WS_POOLS; i++)
        pool_done(&c->pools[i]);
    account_close(&c->account);
}

/* ---- Taking and giving ---- */

/* Takes an object of a pool; where the bound is met, after giving back what rests in the other one. What a pool has
 * never handed out is cleared: it holds no state. */
static struct compressor *object_take(struct ws_contexts *c, unsigned pool)
{
    if (!zlib_table() || !c->bits[pool])
        return NULL;
    struct compressor *object = pool_take(&c->pools[pool]);
    if (unlikely(!object)) {
        pool_trim(&c->pools[pool == WS_DEFLATERS ? WS_INFLATERS : WS_DEFLATERS], true);
        object = pool_take(&c->pools[pool]);
    }
    if (likely(object != NULL))
        object->pool = &c->pools[pool];
    else
        counter_add(&c->missing, 1);
    return object;
}

static void object_give(struct compressor *object)
{
    if (unlikely(object->beyond != NULL)) {
        codec_forget(object);
        object->made = 0;
    }
    pool_give(object->pool, object);
}

/* Gives back a context whose beginning failed. */
static COLD void *object_fail(struct ws_contexts *c, struct compressor *object)
{
    codec_forget(object);
    object->made = 0;
    pool_give(object->pool, object);
    counter_add(&c->missing, 1);
    return NULL;
}

struct ws_deflater *ws_deflater_take(struct ws_contexts *c, unsigned bits, unsigned level)
{
    struct ws_deflater *d = (struct ws_deflater *)object_take(c, WS_DEFLATERS);
    if (!d)
        return NULL;
    unsigned most = c->bits[WS_DEFLATERS], used = bits < most ? bits : most;
    if (zlib_table()->deflate_begin(&d->context, (int)level, -(int)used, memory_level(used)) != 0)
        return object_fail(c, &d->context);
    return d;
}

void ws_deflater_give(struct ws_deflater *d)
{
    object_give(&d->context);
}

struct ws_inflater *ws_inflater_take(struct ws_contexts *c)
{
    struct ws_inflater *i = (struct ws_inflater *)object_take(c, WS_INFLATERS);
    if (i && zlib_table()->inflate_begin(&i->context, c->bits[WS_INFLATERS]) != 0)
        return object_fail(c, &i->context);
    return i;
}

void ws_inflater_give(struct ws_inflater *i)
{
    object_give(&i->context);
}

/* ---- Compressing ---- */

void ws_deflating_begin(struct ws_deflating *m, struct ws_deflater *d)
{
    *m = (struct ws_deflating){.deflater = d};
}

/* Holds back the last bytes of the output, behind which io->out points and of which `begin` is the first. */
static void hold_back(struct ws_deflating *m, const char *begin, struct compress_io *io)
{
    size_t made = (size_t)(io->out - begin);
    m->held_len = (uint8_t)(made < sizeof m->held ? made : sizeof m->held);
    io->out -= m->held_len;
    io->room += m->held_len;
    memcpy(m->held, io->out, m->held_len);
    m->out += made - m->held_len;
}

int ws_deflating_run(struct ws_deflating *m, bool last, struct compress_io *io)
{
    char *begin = io->out;
    debug_assert(io->room >= WS_DEFLATE_ROOM_MIN);
    m->in += io->in_len;
    memcpy(io->out, m->held, m->held_len);
    io->out += m->held_len;
    io->room -= m->held_len;
    size_t in_len = io->in_len;
    int more = 0;
    if (in_len > 0 || m->in > 0)
        more = zlib_table()->deflate_run(&m->deflater->context, last ? COMPRESS_FLUSH : COMPRESS_MORE, io);
    if (more < 0)
        return more;
    m->in -= io->in_len; /* the caller comes again with what is left */
    hold_back(m, begin, io);
    if (more || !last)
        return more;
    if (m->in == 0) { /* nothing, compressed (section 7.2.3.6) */
        *io->out++ = '\0';
        io->room--;
        m->out++;
    }
    debug_assert(m->in == 0 || memcmp(m->held, WS_DEFLATE_TAIL, WS_DEFLATE_TAIL_LEN) == 0);
    m->held_len = 0;
    return 0;
}

void ws_contexts_count_out(struct ws_contexts *c, const struct ws_deflating *m)
{
    counter_add(&c->messages_out, 1);
    counter_add(&c->plain_out, m->in);
    counter_add(&c->compressed_out, m->out);
}

struct slice ws_deflate_frame(struct ws_contexts *c, struct ws_deflater *d, enum ws_opcode opcode, struct slice message,
                              char *to, size_t room)
{
    struct ws_deflating m;
    char *payload = to + WS_WRITE_HEAD_MAX;
    weir_assert(room >= WS_WRITE_HEAD_MAX);
    size_t most = room - WS_WRITE_HEAD_MAX < message.len ? room - WS_WRITE_HEAD_MAX : message.len;
    if (most < WS_DEFLATE_ROOM_MIN)
        return slice_of(to, 0);
    struct compress_io io = {.in = message.data, .in_len = message.len, .out = payload, .room = most};
    ws_deflating_begin(&m, d);
    if (ws_deflating_run(&m, true, &io) != 0) {
        zlib_table()->deflate_again(&d->context); /* what has been made is not sent: nothing may refer to it */
        return slice_of(to, 0);
    }
    ws_contexts_count_out(c, &m);
    size_t len = (size_t)(io.out - payload);
    char *head = (char *)ws_head_put_before((uint8_t *)payload, WS_FIN | WS_COMPRESSED | (unsigned)opcode, len);
    return slice_of(head, len + (size_t)(payload - head));
}
