/*
 * The scripted transport.
 *
 * SPDX-License-Identifier: MIT
 */
#include "fake_transport.h"

#include <string.h>

struct fake fake;

void fake_play(const struct fake_step *steps, size_t count)
{
    fake = (struct fake){.steps = steps, .count = count};
}

/* The next step of a kind; NULL: there are no more. */
static const struct fake_step *fake_step(enum fake_call call)
{
    fake.calls[call]++;
    while (fake.next[call] < fake.count) {
        const struct fake_step *step = &fake.steps[fake.next[call]++];
        if (step->call == call)
            return step;
    }
    return NULL;
}

static int fake_handshake(struct connection *c)
{
    (void)c;
    const struct fake_step *step = fake_step(FAKE_HANDSHAKE);
    return step ? (int)step->result : 0;
}

static ssize_t fake_read(struct connection *c, void *buf, size_t len)
{
    if (!fake.rest) {
        const struct fake_step *step = fake_step(FAKE_READ);
        if (!step || !step->record)
            return step ? step->result : TRANSPORT_WANT_READ;
        fake.rest = step->record;
        fake.rest_drained = step->drained;
    }
    size_t have = strlen(fake.rest), take = have < len ? have : len;
    memcpy(buf, fake.rest, take);
    fake.rest = take < have ? fake.rest + take : NULL;
    if (!fake.rest && fake.rest_drained)
        connection_drained(c);
    return (ssize_t)take;
}

static size_t fake_pending(const struct connection *c)
{
    (void)c;
    return fake.rest ? strlen(fake.rest) : 0;
}

static ssize_t fake_write(struct connection *c, struct flow *f, const struct iovec *parts, int count, bool more)
{
    (void)c;
    (void)more;
    const struct fake_step *step = fake_step(FAKE_WRITE);
    if (step && step->result < 0)
        return step->result;
    size_t most = step ? (size_t)step->result : SIZE_MAX, taken = 0;
    for (int i = 0; i < count && taken < most; i++) {
        size_t room = sizeof fake.said - fake.written, take = parts[i].iov_len;
        take = take < most - taken ? take : most - taken;
        take = take < room ? take : room;
        memcpy(fake.said + fake.written, parts[i].iov_base, take);
        fake.written += take;
        taken += take;
    }
    f->held = fake.hold;
    return (ssize_t)taken;
}

static int fake_flush(struct connection *c, struct flow *f)
{
    (void)c;
    const struct fake_step *step = fake_step(FAKE_FLUSH);
    if (step && step->result != 0)
        return (int)step->result;
    f->held = false;
    return 0;
}

static size_t fake_unacknowledged(const struct connection *c)
{
    (void)c;
    return 0;
}

static int fake_shutdown(struct connection *c)
{
    (void)c;
    const struct fake_step *step = fake_step(FAKE_SHUTDOWN);
    return step ? (int)step->result : 0;
}

static void fake_close(struct connection *c, bool orderly)
{
    (void)c;
    (void)orderly;
    fake.closed++;
}

/* Both fakes, which differ in what comes before the first byte. */
#define FAKE_TRANSPORT(first)                                                                                          \
    {                                                                                                                  \
        .connection_size = sizeof(struct connection) + FAKE_STATE, .piece = FAKE_SAID, .handshake = (first),           \
        .read = fake_read, .write = fake_write, .flush = fake_flush, .pending = fake_pending,                          \
        .unacknowledged = fake_unacknowledged, .shutdown = fake_shutdown, .close = fake_close,                         \
    }

const struct transport transport_fake = FAKE_TRANSPORT(NULL);
const struct transport transport_fake_handshake = FAKE_TRANSPORT(fake_handshake);
