/*
 * Connecting to whichever of several addresses answers first (RFC 8305): the next one is tried when 250 ms have passed,
 * or at once when one has failed.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/error.h"
#include "web/outgoing/dialled.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ATTEMPT_DELAY_MS 250
#define BUSY_WAIT_MS     5 /* before a path whose queue is full is tried again, growing to BUSY_WAIT_MOST */
#define BUSY_WAIT_MOST   100

void race_interleave(struct name_addresses *a)
{
    struct name_addresses in = *a;
    if (in.count == 0)
        return;
    sa_family_t family = in.list[0].family;
    size_t next[2] = {0, 0}; /* of the first's family, and of the other */
    for (size_t i = 0, turn = 0; i < in.count; turn ^= 1) {
        size_t *at = &next[turn];
        while (*at < in.count && (in.list[*at].family == family) != (turn == 0))
            ++*at;
        if (*at < in.count)
            a->list[i++] = in.list[(*at)++];
    }
}

/* What an errno of connecting means, which has not to do with a client of this server's. */
static int reach_error(int number)
{
    switch (number) {
    case ENOENT:
    case ENOTDIR:
        return WEIR_ENOENT;
    case EACCES:
    case EPERM:
    case ENOMEM:
    case ENOBUFS:
    case EMFILE:
    case ENFILE:
        return error_from_errno(number);
    case EINPROGRESS:
        return WEIR_EBUSY;
    default:
        return WEIR_EREACH;
    }
}

static socklen_t address_fill(struct sockaddr_storage *to, const struct name_address *a, uint16_t port)
{
    memset(to, 0, sizeof *to);
    to->ss_family = a->family;
    if (a->family == AF_INET) {
        struct sockaddr_in *v4 = (void *)to;
        v4->sin_port = htons(port);
        v4->sin_addr = a->v4;
        return sizeof *v4;
    }
    struct sockaddr_in6 *v6 = (void *)to;
    v6->sin6_port = htons(port);
    v6->sin6_addr = a->v6;
    v6->sin6_scope_id = a->scope;
    return sizeof *v6;
}

static COLD void say_failed(struct dialling *d, size_t i, int number)
{
    char text[INET6_ADDRSTRLEN] = "", reason[128];
    const char *why = strerror_r(number, reason, sizeof reason);
    const struct name_address *a = &d->addresses.list[i];
    if (d->target.kind == TARGET_UNIX)
        dialling_say(d, "%s", why);
    else if (inet_ntop(a->family, a->family == AF_INET ? (const void *)&a->v4 : (const void *)&a->v6, text,
                       sizeof text))
        dialling_say(d, a->family == AF_INET ? "%s:%d: %s" : "[%s]:%d: %s", text, d->target.port, why);
}

static void attempt_end(struct attempt *a)
{
    int fd = weir_fd_number(a->f);
    if (!a->f)
        return;
    watch_close(a->f);
    close(fd);
    a->f = NULL;
}

/* Begins to connect to the i-th address. 0: it is connected; WEIR_EBUSY: that is under way; or an error, whose errno is
 * in *number. */
static int attempt_begin(struct dialling *d, size_t i, int *number)
{
    struct sockaddr_storage to;
    bool local = d->target.kind == TARGET_UNIX;
    socklen_t len = local ? d->target.local_len : address_fill(&to, &d->addresses.list[i], d->target.port);
    int fd = socket(local ? AF_UNIX : to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    *number = errno;
    if (fd < 0)
        return reach_error(errno);
    int one = 1;
    if (!local) /* what a caller writes is what is to go out */
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct weir_fd *f = watch_open(&d->home->watches, fd);
    if (!f) {
        close(fd);
        *number = ENOMEM;
        return WEIR_ENOMEM;
    }
    d->attempts[i].f = f;
    int result = connect(fd, local ? (const struct sockaddr *)&d->target.local : (const struct sockaddr *)&to, len);
    *number = errno;
    int error = result == 0 ? 0 : reach_error(errno);
    if (error && error != WEIR_EBUSY)
        attempt_end(&d->attempts[i]);
    return error;
}

/* How the i-th attempt, which is ready, has ended: 0 or an error. */
static int attempt_result(struct dialling *d, size_t i, int *number)
{
    int value = 0;
    socklen_t len = sizeof value;
    if (getsockopt(weir_fd_number(d->attempts[i].f), SOL_SOCKET, SO_ERROR, &value, &len) != 0)
        value = errno;
    *number = value;
    return value == 0 ? 0 : reach_error(value);
}

struct race {
    size_t next;   /* the address that is tried next */
    size_t live;   /* attempts that are under way */
    size_t winner; /* once there is one */
    bool won;
    int error; /* of the last that failed */
};

static void race_note(struct dialling *d, struct race *r, size_t i, int error, int number)
{
    if (!error) {
        r->won = true;
        r->winner = i;
    } else if (error != WEIR_EBUSY) {
        r->error = error;
        say_failed(d, i, number);
    }
}

/* Begins with addresses until one is under way or connected. */
static void race_begin_next(struct dialling *d, struct race *r)
{
    bool begun = false;
    while (!begun && !r->won && r->next < d->addresses.count) {
        size_t i = r->next++;
        int number, error = attempt_begin(d, i, &number);
        begun = error == WEIR_EBUSY;
        r->live += begun;
        race_note(d, r, i, error, number);
    }
}

/* Waits for what is under way. True: something has failed, or has taken so long, that the next is to be tried. */
static int race_wait(struct dialling *d, struct race *r, bool *hurry)
{
    int left, ms;
    if (!until_left(d->until, &left))
        return WEIR_ETIMEDOUT;
    bool more = r->next < d->addresses.count;
    ms = more && (left == 0 || left > ATTEMPT_DELAY_MS) ? ATTEMPT_DELAY_MS : left;
    for (size_t i = 0; i < r->next; i++)
        d->wants[i] = (weir_fd_want){.f = d->attempts[i].f, .events = WEIR_WRITABLE};
    int result = outgoing_wait(d->c, d->wants, r->next, ms);
    *hurry = result == WEIR_ETIMEDOUT && more;
    if (result < 0)
        return *hurry ? 0 : result;
    for (size_t i = 0; i < r->next && !r->won; i++) {
        if (!d->attempts[i].f || !d->wants[i].ready)
            continue;
        int number, error = attempt_result(d, i, &number);
        race_note(d, r, i, error, number);
        if (error) {
            attempt_end(&d->attempts[i]);
            r->live--;
            *hurry = true;
        }
    }
    return 0;
}

/* A path: it is connected at once, or its queue is full, and nothing tells when that has room. */
static int local_connect(struct dialling *d, struct weir_fd **f)
{
    int pause_ms = BUSY_WAIT_MS;
    for (;;) {
        int number, error = attempt_begin(d, 0, &number);
        if (!error) {
            *f = d->attempts[0].f;
            d->attempts[0].f = NULL;
            return 0;
        }
        attempt_end(&d->attempts[0]);
        if (number != EAGAIN) {
            say_failed(d, 0, number);
            return error;
        }
        int left;
        if (!until_left(d->until, &left))
            return WEIR_ETIMEDOUT;
        error = outgoing_wait(d->c, NULL, 0, left > 0 && left < pause_ms ? left : pause_ms);
        if (error < 0 && error != WEIR_ETIMEDOUT)
            return error;
        pause_ms = pause_ms * 2 < BUSY_WAIT_MOST ? pause_ms * 2 : BUSY_WAIT_MOST;
    }
}

int race_connect(struct dialling *d, struct weir_fd **f)
{
    if (d->target.kind == TARGET_UNIX)
        return local_connect(d, f);
    race_interleave(&d->addresses);
    struct race r = {.error = WEIR_EREACH};
    bool hurry = true;
    int error = 0;
    while (!error && !r.won) {
        if (hurry || r.live == 0)
            race_begin_next(d, &r);
        if (!r.won)
            error = r.live > 0 ? race_wait(d, &r, &hurry) : r.error;
    }
    if (r.won) {
        *f = d->attempts[r.winner].f;
        d->attempts[r.winner].f = NULL;
    }
    for (size_t i = 0; i < NAME_ADDRESSES; i++)
        attempt_end(&d->attempts[i]);
    return error;
}
