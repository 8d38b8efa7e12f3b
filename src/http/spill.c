/*
 * Half-received heads. Thousands of slow clients cost what they have sent and little more; the blocks have pools of
 * their own, so that they never share a page with anything short-lived and their memory goes back.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/http.h"
#include "http/scan.h"

/* The class for a block of size bytes, header included, and the size that the class has. */
static size_t spill_class(size_t size, size_t *class_size)
{
    if (size <= SPILL_FINE_MAX) {
        size_t class = (size + SPILL_FINE_STEP - 1) / SPILL_FINE_STEP;
        *class_size = class * SPILL_FINE_STEP;
        return class - 1;
    }
    size_t class = SPILL_FINE_CLASSES;
    for (*class_size = (size_t)2 * SPILL_FINE_MAX; *class_size < size; *class_size *= 2)
        class ++;
    weir_assert(class < SPILL_CLASSES);
    return class;
}

struct spill *spill_take(struct http *h, const char *data, size_t len)
{
    /* Never more than a buffer takes: the head will move to one. Room for one byte more is in the class, or there can
     * be none: so that spill_give() finds the class by the capacity. */
    size_t most = h->settings->buffer_size < HEAD_SIZE_MAX ? h->settings->buffer_size : HEAD_SIZE_MAX, class_size;
    struct pool *pool = &h->spills[spill_class(sizeof(struct spill) + len + (len < most), &class_size)];
    if (!pool->account) /* few of the long ones at a time, so that they take little where there is little */
        pool_init(pool, &h->spill_account, class_size, 8, class_size <= 16384 ? 65536 : 0);
    struct spill *s = http_take(h, pool);
    if (!s)
        return NULL;
    size_t capacity = class_size - sizeof *s;
    s->len = (uint16_t)len;
    s->capacity = (uint16_t)(capacity < most ? capacity : most);
    s->requests = 0;
    s->class = NULL;
    memcpy(s->data, data, len);
    return s;
}

struct spill *spill_take_any(struct http *h, size_t len)
{
    size_t class_size;
    debug_assert(len <= SPILL_MOST);
    struct pool *pool = &h->spills[spill_class(sizeof(struct spill) + len, &class_size)];
    if (!pool->account)
        pool_init(pool, &h->spill_account, class_size, 8, class_size <= 16384 ? 65536 : 0);
    struct spill *s = http_take(h, pool);
    if (!s)
        return NULL;
    s->len = (uint16_t)len;
    s->capacity = (uint16_t)(class_size - sizeof *s);
    s->requests = SPILL_OTHER;
    s->class = NULL;
    counter_add(&h->counters.unlike_heads, 1);
    return s;
}

void spill_give(struct http *h, struct spill *s)
{
    size_t class_size;
    size_t size = sizeof *s + s->capacity;
    if (s->requests == SPILL_OTHER)
        counter_subtract(&h->counters.unlike_heads, 1);
    pool_give(&h->spills[spill_class(size, &class_size)], s);
}

size_t spill_size_most(uint32_t buffer_size)
{
    size_t size = SPILL_FINE_MAX;
    while (size < buffer_size + sizeof(struct spill) + 1)
        size *= 2;
    return size;
}

bool spill_ripe(const struct spill *s, size_t before)
{
    for (size_t i = before; i < s->len; i++) {
        char c = s->data[i];
        bool after_cr = i > 0 && s->data[i - 1] == '\r';
        if (c == '\n' ? !after_cr || (i >= 3 && s->data[i - 2] == '\n')
                      : after_cr || (c != '\r' && !scan_is(c, SCAN_VALUE)))
            return true;
    }
    return s->len == s->capacity;
}
