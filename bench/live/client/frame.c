/* SPDX-License-Identifier: MIT */
#include "frame.h"

#include <stdlib.h>
#include <string.h>

enum { FIN = 0x80, MASKED = 0x80, TEXT = 1, CLOSE = 8, PING = 9, PONG = 10, CONTROL_MAX = 125 };

/* One for all frames: no server can tell, and a frame is made once. */
static const uint8_t MASK[4] = {0x37, 0xfa, 0x21, 0x3d};

static void mask(uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        data[i] ^= MASK[i % 4];
}

/* Bytes of a frame's head, and its payload's length; 0: not all of the head is there. */
static size_t parse_head(const uint8_t *data, size_t len, uint64_t *payload)
{
    size_t more = len < 2 || data[1] < 126 ? 0 : data[1] == 126 ? 2 : 8;
    if (len < 2 + more)
        return 0;
    *payload = more ? 0 : data[1];
    for (size_t i = 0; i < more; i++)
        *payload = *payload << 8 | data[2 + i];
    return 2 + more;
}

static void answer_ping(struct stream *s, const uint8_t *payload, size_t len)
{
    uint8_t pong[2 + sizeof MASK + CONTROL_MAX] = {FIN | PONG, (uint8_t)(MASKED | len)};
    if (len > CONTROL_MAX)
        fail("a Ping is too long");
    memcpy(pong + 2, MASK, sizeof MASK);
    memcpy(pong + 2 + sizeof MASK, payload, len);
    mask(pong + 2 + sizeof MASK, len);
    stream_send(s, pong, 2 + sizeof MASK + len);
}

size_t frames_take(struct stream *s, uint8_t *data, size_t len, stream_taker *take, void *arg)
{
    size_t at = 0, head;
    uint64_t payload;
    while ((head = parse_head(data + at, len - at, &payload)) > 0 && payload <= len - at - head) {
        uint8_t first = data[at];
        if (first == (FIN | TEXT))
            take(s, data + at + head, (size_t)payload, arg);
        else if (first == (FIN | PING))
            answer_ping(s, data + at + head, (size_t)payload);
        else
            fail(first == (FIN | CLOSE) ? "the server closed a WebSocket" : "a frame is no whole text");
        at += head + (size_t)payload;
    }
    return at;
}

struct message message_new(size_t size)
{
    struct message m = {.size = size, .head = (size < 126 ? 2 : 4) + sizeof MASK};
    if (size < DIGITS || size > UINT16_MAX)
        fail("a message has 8 to 65535 bytes");
    m.frame = malloc(m.head + size);
    m.letters = malloc(size);
    if (!m.frame || !m.letters)
        die("malloc");
    for (size_t i = 0; i < size; i++)
        m.letters[i] = (char)('a' + i % 26);
    m.frame[0] = FIN | TEXT;
    m.frame[1] = (uint8_t)(MASKED | (size < 126 ? size : 126));
    if (size >= 126) {
        m.frame[2] = (uint8_t)(size >> 8);
        m.frame[3] = (uint8_t)size;
    }
    memcpy(m.frame + m.head - sizeof MASK, MASK, sizeof MASK);
    memcpy(m.frame + m.head, m.letters, size);
    mask(m.frame + m.head, size);
    return m;
}

static void write_digits(uint32_t number, uint8_t digits[DIGITS])
{
    for (int i = 0; i < DIGITS; i++)
        digits[i] = (uint8_t) "0123456789abcdef"[number >> (4 * (DIGITS - 1 - i)) & 15];
}

static void number_frame(uint8_t *digits, uint32_t number)
{
    write_digits(number, digits);
    mask(digits, DIGITS);
}

void message_put(const struct message *m, uint32_t number, uint8_t *to)
{
    memcpy(to, m->frame, m->head + m->size);
    number_frame(to + m->head, number);
}

void message_send(const struct message *m, const struct stream *s, uint32_t number)
{
    number_frame(m->frame + m->head, number);
    stream_send(s, m->frame, m->head + m->size);
}

bool message_is(const struct message *m, uint32_t number, const uint8_t *text, size_t len)
{
    uint8_t digits[DIGITS];
    write_digits(number, digits);
    return len == m->size && memcmp(text, digits, DIGITS) == 0 &&
           memcmp(text + DIGITS, m->letters + DIGITS, len - DIGITS) == 0;
}
