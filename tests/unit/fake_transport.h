/*
 * A transport by a script: what each call is to say, in the order of the calls of its kind. Over a real socket, which
 * it never reads or writes itself, so that the poller's events are real ones.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_TESTS_FAKE_TRANSPORT_H
#define WEIR_TESTS_FAKE_TRANSPORT_H

#include "net/connection.h"

enum fake_call { FAKE_HANDSHAKE, FAKE_READ, FAKE_WRITE, FAKE_FLUSH, FAKE_SHUTDOWN, FAKE_CALLS };

/* What one call says. After the last of its kind: a handshake is done, a read wants to read, a write takes all, a flush
 * leaves nothing, a shutdown is done. */
struct fake_step {
    enum fake_call call;
    ssize_t result;     /* of a write that is not negative: bytes that it takes at most */
    const char *record; /* of a read in place of result: what has come at once, and is given as far as there is room */
    bool drained;       /* a read of that is the last for now: the socket has no more */
};

#define FAKE_SAID 4096

/* What the connections of the fake transport do; one script at a time. */
struct fake {
    const struct fake_step *steps;
    size_t count, next[FAKE_CALLS]; /* steps; and where the next of each kind is looked for */
    unsigned calls[FAKE_CALLS];
    const char *rest; /* of a record that was not all read */
    bool rest_drained;
    bool hold; /* what is written is held until a flush is done */
    unsigned closed;
    size_t written; /* bytes of `said` */
    char said[FAKE_SAID];
};

extern struct fake fake;
#define FAKE_STATE 40 /* bytes behind the record */
extern const struct transport transport_fake, transport_fake_handshake;

void fake_play(const struct fake_step *steps, size_t count);
#define FAKE_PLAY(...)                                                                                                 \
    do {                                                                                                               \
        static const struct fake_step steps_[] = {__VA_ARGS__};                                                        \
        fake_play(steps_, sizeof steps_ / sizeof steps_[0]);                                                           \
    } while (0)

#endif
