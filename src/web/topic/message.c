/*
 * Messages: what they are made of, and what is made of them.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/topic/message.h"
#include "web/websocket/frame.h"
#include "web/websocket/utf8.h"

#include <inttypes.h>
#include <stdio.h>

/* ---- Making and freeing ---- */

static bool event_name_is_good(const char *name)
{
    return strlen(name) <= WEIR_TOPIC_EVENT_MAX && !strpbrk(name, "\r\n") && utf8_is_valid(name, strlen(name));
}

int message_check(const weir_message *m, size_t max, struct slice *data)
{
    if (!m || (m->text && m->data) || (!m->text && !m->data && m->len > 0))
        return WEIR_EINVAL;
    *data = m->text ? slice_from(m->text) : slice_of(m->data, m->len);
    if (data->len > max || data->len > MESSAGE_DATA_MAX)
        return WEIR_ETOOBIG;
    if (m->event && !event_name_is_good(m->event))
        return WEIR_EINVAL;
    return m->binary || utf8_is_valid(data->data, data->len) ? 0 : WEIR_EINVAL;
}

static void message_release(struct shared *s)
{
    struct message *m = container_of(s, struct message, shared);
    atomic_fetch_sub_explicit(&m->figures->messages, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&m->figures->bytes, m->size, memory_order_relaxed);
    topic_memory_give(m->memory, atomic_load_explicit(&m->event_block, memory_order_relaxed));
    topic_memory_give(m->memory, m);
}

/* Copies text and a NUL, and returns what is behind them. */
static char *put_string(char *to, struct slice text)
{
    if (text.len > 0)
        memcpy(to, text.data, text.len);
    to[text.len] = '\0';
    return to + text.len + 1;
}

struct message *message_new(struct topic_memory *memory, struct message_figures *figures, struct slice topic,
                            const weir_message *m, struct slice data)
{
    struct slice event = slice_from(m->event);
    size_t head = ws_head_len(data.len);
    size_t before = topic.len + 1 + event.len + 1 + head, size = sizeof(struct message) + before + data.len + 1;
    struct message *made = topic_memory_take(memory, size);
    if (!made)
        return NULL;
    *made = (struct message){.figures = figures,
                             .memory = memory,
                             .size = (uint32_t)size,
                             .len = (uint32_t)data.len,
                             .start = (uint16_t)before,
                             .head = (uint8_t)head,
                             .binary = m->binary,
                             .name_len = (uint8_t)topic.len,
                             .event_len = (uint8_t)event.len};
    shared_init(&made->shared, message_release);
    char *at = put_string(put_string(made->bytes, topic), event);
    ws_head_write((uint8_t *)at, (m->binary ? WS_BINARY : WS_TEXT) | WS_FIN, data.len);
    put_string(at + head, data);
    atomic_fetch_add_explicit(&figures->messages, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&figures->bytes, size, memory_order_relaxed);
    return made;
}

weir_message message_view(const struct message *m)
{
    const char *data = message_data(m).data;
    return (weir_message){.text = m->binary ? NULL : data,
                          .data = data,
                          .len = m->len,
                          .binary = m->binary,
                          .event = m->event_len > 0 ? message_event_name(m).data : NULL,
                          .topic = message_topic(m).data,
                          .id = m->id};
}

/* ---- Events ---- */

#define CHUNK_HEAD_MAX 10 /* eight digits and CRLF */
#define EVENT_ID_MAX   32 /* "id: " with the longest number and a newline */

/* Adds bytes at *len, or only counts them where out is NULL: what measures and what writes cannot disagree. */
static void put(char *out, size_t *len, struct slice bytes)
{
    if (out && bytes.len > 0)
        memcpy(out + *len, bytes.data, bytes.len);
    *len += bytes.len;
}

bool event_next_line(struct slice *rest, struct slice *line)
{
    size_t len = 0;
    while (len < rest->len && rest->data[len] != '\n' && rest->data[len] != '\r')
        len++;
    *line = slice_of(rest->data, len);
    if (len == rest->len)
        return false;
    size_t end = rest->data[len] == '\r' && len + 1 < rest->len && rest->data[len + 1] == '\n' ? 2 : 1;
    *rest = slice_of(rest->data + len + end, rest->len - len - end);
    return true;
}

static void put_lines(char *out, size_t *len, struct slice data)
{
    struct slice line;
    bool more;
    do {
        more = event_next_line(&data, &line);
        put(out, len, SLICE("data: "));
        put(out, len, line);
        put(out, len, SLICE("\n"));
    } while (more);
}

static size_t put_event(char *out, const struct message *m)
{
    char id[EVENT_ID_MAX];
    size_t len = 0;
    int id_len = snprintf(id, sizeof id, "id: %" PRIu64 "\n", m->id);
    put(out, &len, slice_of(id, (size_t)id_len));
    if (m->event_len > 0) {
        put(out, &len, SLICE("event: "));
        put(out, &len, message_event_name(m));
        put(out, &len, SLICE("\n"));
    }
    put_lines(out, &len, message_data(m));
    put(out, &len, SLICE("\n"));
    return len;
}

static struct message_event *event_new(const struct message *m)
{
    char head[CHUNK_HEAD_MAX + 1];
    size_t text = put_event(NULL, m);
    /* Even where each byte is a line of its own, the text of 16 MiB is less than 2^32 - 1 bytes. */
    size_t start = (size_t)snprintf(head, sizeof head, "%zx\r\n", text), size = start + text + 2;
    struct message_event *e = topic_memory_take(m->memory, sizeof *e + size);
    if (!e)
        return NULL;
    e->size = (uint32_t)size;
    e->text_start = (uint16_t)start;
    memcpy(e->bytes, head, start);
    put_event(e->bytes + start, m);
    memcpy(e->bytes + start + text, "\r\n", 2);
    return e;
}

/* The message's event block; the first that is made stays. NULL: there is none. */
static struct message_event *event_of(struct message *m)
{
    struct message_event *there = atomic_load_explicit(&m->event_block, memory_order_acquire);
    if (there || m->binary)
        return there;
    struct message_event *made = event_new(m);
    if (!made || atomic_compare_exchange_strong_explicit(&m->event_block, &there, made, memory_order_acq_rel,
                                                         memory_order_acquire))
        return made;
    topic_memory_give(m->memory, made);
    return there;
}

struct slice message_event_text(struct message *m)
{
    const struct message_event *e = event_of(m);
    return e ? slice_of(e->bytes + e->text_start, e->size - e->text_start - 2u) : slice_of(NULL, 0);
}

struct slice message_event_chunk(struct message *m)
{
    const struct message_event *e = event_of(m);
    return e ? slice_of(e->bytes, e->size) : slice_of(NULL, 0);
}
