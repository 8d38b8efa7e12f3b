/*
 * A whole connection: the server's own worker, loop and sockets, with a model of what it has to answer.
 *
 * The input's first byte sets the scene, the second one where the bytes are cut. What follows is sent, but for 0xff,
 * which begins an instruction: cut, pause, end this side, reset, stop reading, go on, stop the server, cut what runs,
 * or send a field of some length, so that a head that nearly fills the buffer is a short input. After each piece the
 * worker turns until it has nothing to do, and what the client has received by then is compared with the model. At the
 * end every account of the ledger, every fiber and every descriptor has to be back.
 *
 * SPDX-License-Identifier: MIT
 */
#include "connection_model.h"
#include "connection_site.h"
#include "connection_world.h"
#include "fuzz.h"
#include "server/server.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAUSE_MS     20
#define PAUSES_MAX   100
#define OUTPUT_MAX   ((size_t)4 << 20)
#define PADDING      'f' /* the instruction for a field; its argument is a byte */
#define PADDING_UNIT 6   /* bytes of the field's value for each of the argument */
#define PADDING_MAX  ((size_t)UINT8_MAX * PADDING_UNIT + 16)

/* Random cuts; a small buffer; the client does not read at first; it waits for the server to give it up; it does not
 * read then either. */
enum scene { SCENE_CUTS = 1, SCENE_NARROW = 2, SCENE_STALLED = 4, SCENE_TIME = 8, SCENE_NEVER = 16 };

/* The most bytes that a script of this size sends. */
static size_t script_most(size_t size)
{
    return size + (size / 3 + 1) * PADDING_MAX;
}

/* ---- The client ---- */

struct client {
    int fd;
    bool half_closed; /* this side */
    bool reading;
    bool ended;   /* the server's side: the end, or an error, has been read */
    bool refuses; /* writing fails: the server has closed, or does not read and the kernel holds no more */
    uint32_t seed;
    int pauses;
    size_t sent_len, output_len;
    char *sent;
};

static char output[OUTPUT_MAX];

static size_t client_read(struct client *c, size_t most)
{
    size_t room = OUTPUT_MAX - c->output_len;
    FUZZ_CHECK(room > 0);
    ssize_t got = c->ended ? 0 : recv(c->fd, output + c->output_len, most < room ? most : room, MSG_DONTWAIT);
    if (got > 0) {
        c->output_len += (size_t)got;
        return (size_t)got;
    }
    if (got == 0 || errno != EAGAIN)
        c->ended = true;
    return 0;
}

/* Compares what has been received with the model. Returns how many handlers should have run. */
static uint64_t client_check(struct client *c, bool whole, bool silent)
{
    static struct model model;
    enum model_side side = c->half_closed ? SIDE_HALF_CLOSED : silent ? SIDE_SILENT : SIDE_OPEN;
    model_run(&model, slice_of(c->sent, c->sent_len), side);
    return model_compare(&model, slice_of(output, c->output_len), c->ended, whole, side);
}

/* All that the worker does now, and all that it says. */
static void client_settle(struct client *c)
{
    world_settle();
    while (c->reading && client_read(c, OUTPUT_MAX) > 0)
        world_settle();
    (void)client_check(c, c->reading, false);
}

static void client_send(struct client *c, const char *data, size_t len)
{
    while (len > 0 && !c->refuses && !c->half_closed) {
        ssize_t sent = send(c->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
        FUZZ_CHECK(sent > 0 || errno == EPIPE || errno == ECONNRESET || errno == EAGAIN);
        c->refuses = sent < 0;
        if (sent > 0) {
            memcpy(c->sent + c->sent_len, data, (size_t)sent);
            c->sent_len += (size_t)sent;
            data += sent;
            len -= (size_t)sent;
        }
    }
    client_settle(c);
}

static void client_send_cut(struct client *c, const char *data, size_t len, unsigned scene)
{
    while (len > 0) {
        size_t piece = scene & SCENE_CUTS ? fuzz_cut(&c->seed, len) : len;
        client_send(c, data, piece);
        data += piece;
        len -= piece;
    }
}

/* The server stops. What it has said by then is right as far as it goes, and it may say that the connection ends. */
static void client_let_go(struct client *c)
{
    world_settle();
    while (client_read(c, OUTPUT_MAX) > 0)
        world_settle();
    c->half_closed = true;
    (void)client_check(c, false, false);
}

/* Returns false when the connection is over for the client. */
static bool client_obey(struct client *c, uint8_t instruction)
{
    switch (instruction) {
    case 'h':
        shutdown(c->fd, SHUT_WR);
        c->half_closed = true;
        break;
    case 'r':
        return false;
    case 'd':
        net_drain(&world_worker()->net);
        client_let_go(c);
        return false;
    case 'x':
        net_cut(&world_worker()->net);
        client_let_go(c);
        return false;
    case 's':
        c->reading = false;
        break;
    case 'g':
        c->reading = true;
        break;
    case 'o':
        (void)client_read(c, 100);
        break;
    case 'p':
        if (c->pauses++ < PAUSES_MAX)
            world_pass_time(PAUSE_MS);
        break;
    default:
        break; /* a cut */
    }
    client_settle(c);
    return true;
}

/* The bytes up to the next instruction but PADDING, whose fields are among them. Returns how many there are; *at is
 * moved behind them. */
static size_t script_text(const uint8_t *data, size_t size, size_t *at, char *text)
{
    size_t len = 0;
    while (*at < size) {
        bool padding = data[*at] == 0xff && *at + 2 < size && data[*at + 1] == PADDING;
        if (padding) {
            int units = data[*at + 2] * PADDING_UNIT;
            len += (size_t)snprintf(text + len, PADDING_MAX, "P: %0*d\r\n", units, 0);
            *at += 3;
        } else if (data[*at] == 0xff) {
            break;
        } else {
            text[len++] = (char)data[(*at)++];
        }
    }
    return len;
}

/* Sends the script; false if it has reset the connection. */
static bool client_play(struct client *c, const uint8_t *data, size_t size, unsigned scene)
{
    char *text = malloc(script_most(size));
    FUZZ_CHECK(text);
    bool goes_on = true;
    for (size_t at = 0; goes_on && at < size;) {
        client_send_cut(c, text, script_text(data, size, &at, text), scene);
        if (at == size)
            break;
        uint8_t instruction = at + 1 < size ? data[at + 1] : 0;
        at += 2;
        if (instruction == 0xff)
            client_send(c, "\xff", 1);
        else
            goes_on = client_obey(c, instruction);
    }
    free(text);
    if (!goes_on)
        return false;
    c->reading |= !(scene & SCENE_TIME) || !(scene & SCENE_NEVER);
    client_settle(c);
    return true;
}

static void run(const uint8_t *data, size_t size)
{
    int lowest_fd = fcntl(0, F_DUPFD, 0);
    FUZZ_CHECK(lowest_fd >= 0 && close(lowest_fd) == 0);
    int ends[2];
    FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    unsigned scene = data[0];
    int least = 1;
    if (scene & SCENE_NARROW)
        FUZZ_CHECK(setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &least, sizeof least) == 0);
    struct client c = {
        .fd = ends[0], .reading = !(scene & SCENE_STALLED), .seed = data[1], .sent = malloc(script_most(size))};
    FUZZ_CHECK(c.sent && net_adopt(&world_worker()->net, ends[1], 0, 0) == 0);
    uint64_t handled = site_counts.handled;
    bool complete = client_play(&c, data + 2, size - 2, scene);
    if (complete && c.reading)
        FUZZ_CHECK(site_counts.handled - handled == client_check(&c, true, false));
    if (complete && (scene & SCENE_TIME)) {
        bool whole = c.reading;
        world_check_back(lowest_fd + 1); /* the server gives the client up; this end stays */
        while (client_read(&c, OUTPUT_MAX) > 0)
            ;
        (void)client_check(&c, whole, true);
        close(c.fd);
    } else {
        close(c.fd);
        world_settle();
        world_check_back(lowest_fd);
    }
    world_worker()->net.draining = world_worker()->net.cutting = false;
    free(c.sent);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size >= 2 && size <= 16384)
        world_run(run, false, data, size);
    return 0;
}
