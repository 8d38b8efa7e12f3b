/*
 * A whole connection of HTTP/2: the server's own worker, loop and sockets, and a client that judges every frame which
 * comes.
 *
 * The input is a script of letters and their arguments: most stand for a frame, so that few bytes make one that is
 * right; some for what happens beside, as in fuzz_connection.c. What is unread of the windows, and every account of the
 * ledger, has to be right at the end, and where the connection rests meanwhile.
 *
 * SPDX-License-Identifier: MIT
 */
#include "connection_site.h"
#include "connection_world.h"
#include "fuzz.h"
#include "h2_client.h"
#include "http/h2/h2.h"
#include "http/h2/hpack_encode.h"
#include "server/server.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#define QUEUE_MAX   ((size_t)1 << 20)
#define OUTPUT_MAX  ((size_t)8 << 20)
#define PAUSE_MS    20
#define PAUSES_MAX  100
#define FIELDS_FEW  3
#define FIELDS_MANY 36 /* more than a request's record holds */

/* The client does not read at first, nor at the end; a small socket buffer; no preface; random cuts; the server gives
 * the client up; it does not acknowledge settings. */
enum scene {
    SCENE_STALLED = 1,
    SCENE_NEVER = 2,
    SCENE_NARROW = 4,
    SCENE_SILENT = 8,
    SCENE_CUTS = 16,
    SCENE_TIME = 32,
    SCENE_UNACKNOWLEDGED = 64
};

struct script {
    const uint8_t *data;
    size_t size, at;
};

static uint8_t script_byte(struct script *s)
{
    return s->at < s->size ? s->data[s->at++] : 0;
}

struct client {
    int fd;
    unsigned scene;
    bool reading, half_closed;
    bool ended;   /* the server's side */
    bool refuses; /* writing fails */
    uint32_t seed;
    int pauses;
    size_t queue_len;
    size_t output_len, output_seen;
    struct client_view view;
};

static uint8_t queue[QUEUE_MAX], output[OUTPUT_MAX];

/* ---- Reading ---- */

static void queue_bytes(struct client *c, const void *data, size_t len)
{
    if (c->queue_len + len > QUEUE_MAX)
        return;
    memcpy(queue + c->queue_len, data, len);
    c->queue_len += len;
}

static size_t client_read(struct client *c, size_t most)
{
    size_t room = OUTPUT_MAX - c->output_len;
    FUZZ_CHECK(room > 0);
    ssize_t got = c->ended ? 0 : recv(c->fd, output + c->output_len, most < room ? most : room, MSG_DONTWAIT);
    if (got > 0) {
        c->output_len += (size_t)got;
        c->output_seen += view_read(&c->view, output + c->output_seen, c->output_len - c->output_seen);
        return (size_t)got;
    }
    if (got == 0 || errno != EAGAIN)
        c->ended = true;
    return 0;
}

/* ---- What the server has to have in order ---- */

static void check_connection(void *arg, void *object)
{
    const struct http *http = arg;
    const struct connection *c = object;
    if (c->fd < 0 || connection_protocol(http->net, c) != &http_protocol_h2)
        return;
    int64_t all = http->settings->h2_connection_window;
    if (c->state == H2_REST) {
        const struct h2_kept *k = c->active;
        if (k->settings_sent)
            FUZZ_CHECK((int64_t)k->receive_window + k->uncredited == all);
    } else if (c->state == H2_LIVE) {
        const struct h2 *h = c->active;
        int64_t held = h->in_frame ? h->frame_left : 0;
        for (size_t i = 0; i < H2_BUCKETS; i++)
            for (const struct h2_stream *s = h->buckets[i]; s; s = s->next)
                for (const struct h2_piece *p = s->body; p; p = p->next)
                    held += p->len - p->pos;
        if (!h->waiting && !h->admitted && h->ending < H2_FAILED)
            FUZZ_CHECK((int64_t)h->kept.receive_window + h->kept.uncredited + held == all);
        FUZZ_CHECK(!h->reader && !h->sending);
    }
    FUZZ_CHECK(!http->h2.input_of && !http->h2.output_of);
}

static void client_settle(struct client *c)
{
    world_settle();
    while (c->reading && client_read(c, OUTPUT_MAX) > 0)
        world_settle();
    net_each(&world_worker()->net, check_connection, &world_worker()->http);
}

static void client_flush(struct client *c)
{
    size_t at = 0;
    while (at < c->queue_len && !c->refuses && !c->half_closed) {
        size_t left = c->queue_len - at, piece = c->scene & SCENE_CUTS ? fuzz_cut(&c->seed, left) : left;
        ssize_t sent = send(c->fd, queue + at, piece, MSG_DONTWAIT | MSG_NOSIGNAL);
        FUZZ_CHECK(sent > 0 || errno == EPIPE || errno == ECONNRESET || errno == EAGAIN);
        if (sent < 0 && errno == EAGAIN && c->reading) { /* until the server has taken what is there */
            size_t before = c->output_len;
            client_settle(c);
            c->refuses = c->output_len == before && send(c->fd, queue + at, 1, MSG_DONTWAIT | MSG_NOSIGNAL) != 1;
            at += !c->refuses && c->output_len == before;
            continue;
        }
        c->refuses = sent < 0;
        at += sent > 0 ? (size_t)sent : 0;
        if (c->scene & SCENE_CUTS)
            client_settle(c);
    }
    c->queue_len = 0;
    client_settle(c);
    while (c->view.acks > 0 && !(c->scene & SCENE_UNACKNOWLEDGED)) {
        uint8_t ack[H2_SETTINGS_LEN(0)];
        h2_write_settings_ack(ack);
        c->view.acks--;
        if (!c->refuses && !c->half_closed && send(c->fd, ack, sizeof ack, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
            c->refuses = true;
        client_settle(c);
    }
}

/* ---- Frames ---- */

static uint32_t script_stream(struct script *s)
{
    return (script_byte(s) % CLIENT_STREAMS) * 2u + 1;
}

enum head_bits {
    HEAD_ENDS = 1,
    HEAD_TELLS_LENGTH = 2,
    HEAD_EXPECTS = 4,
    HEAD_IS_HEAD = 8,
    HEAD_MANY = 16,
    HEAD_SPLIT = 32,
    HEAD_PADDED = 64,
    HEAD_URGENT = 128
};

static uint8_t *put(uint8_t *at, const char *name, const char *value)
{
    return hpack_put_field(at, slice_of(name, strlen(name)), slice_of(value, strlen(value)));
}

/* A block in one HEADERS, or in that and two CONTINUATION. */
static void queue_block(struct client *c, uint32_t id, unsigned bits, const uint8_t *block, size_t len)
{
    uint8_t frame[H2_FRAME_HEAD + 1 + 8192 + 7];
    bool split = bits & HEAD_SPLIT, padded = bits & HEAD_PADDED;
    size_t first = split ? len / 3 : len, padding = padded ? 7 : 0;
    unsigned flags =
        (bits & HEAD_ENDS ? H2_END_STREAM : 0u) | (split ? 0u : H2_END_HEADERS) | (padded ? H2_PADDED : 0u);
    uint8_t *at = h2_frame_write(frame, (uint32_t)(first + padding + padded), H2_HEADERS, flags, id);
    if (padded)
        *at++ = (uint8_t)padding;
    memcpy(at, block, first);
    memset(at + first, 0, padding);
    queue_bytes(c, frame, (size_t)(at - frame) + first + padding);
    for (size_t done = first; split && done < len;) {
        size_t some = len - done > first && done == first ? first : len - done;
        flags = done + some == len ? H2_END_HEADERS : 0;
        at = h2_frame_write(frame, (uint32_t)some, H2_CONTINUATION, flags, id);
        memcpy(at, block + done, some);
        queue_bytes(c, frame, H2_FRAME_HEAD + some);
        done += some;
    }
}

static void play_request(struct client *c, struct script *script)
{
    static uint8_t block[8192];
    uint32_t id = script_stream(script);
    unsigned bits = script_byte(script), kind = script_byte(script) % (SITE_KINDS + 1);
    struct client_stream *s = view_stream(&c->view, id);
    const char *method = bits & HEAD_IS_HEAD ? "HEAD" : bits & HEAD_ENDS ? "GET" : "POST";
    uint8_t *at = put(block, ":method", method);
    at = put(at, ":scheme", "http");
    at = put(at, ":path", kind < SITE_KINDS ? site_routes[kind].path : "/none?a=%zz");
    at = put(at, ":authority", "fuzz");
    char text[32];
    if (bits & HEAD_TELLS_LENGTH) {
        snprintf(text, sizeof text, "%d", script_byte(script) * 25);
        at = put(at, "content-length", text);
    }
    if (bits & HEAD_EXPECTS)
        at = put(at, "expect", "100-continue");
    if (bits & HEAD_URGENT) {
        snprintf(text, sizeof text, "u=%d", script_byte(script) % 8);
        at = put(at, "priority", text);
    }
    for (int i = 0; i < (bits & HEAD_MANY ? FIELDS_MANY : FIELDS_FEW); i++)
        at = put(at, "x-field", "value");
    queue_block(c, id, bits, block, (size_t)(at - block));
    s->to_head = s->opened ? s->to_head : bits & HEAD_IS_HEAD; /* a second one is no request */
    s->opened = true;
}

static void play_trailers(struct client *c, struct script *script)
{
    static uint8_t block[8192];
    uint32_t id = script_stream(script);
    unsigned bits = script_byte(script);
    uint8_t *at = put(block, "x-trailer", "one");
    for (int i = 0; i < (bits & HEAD_MANY ? 100 : 1); i++)
        at = put(at, "x-more", "another");
    if (bits & HEAD_EXPECTS)
        at = put(at, "content-length", "3");
    queue_block(c, id, bits, block, (size_t)(at - block));
    view_stream(&c->view, id)->opened = true;
}

static void play_data(struct client *c, struct script *script)
{
    static uint8_t frame[H2_FRAME_HEAD + H2_FRAME_MAX_DEFAULT];
    uint32_t id = script_stream(script);
    unsigned bits = script_byte(script);
    uint32_t len = script_byte(script) * (bits & 4 ? 64u : 1u), padding = bits & 2 ? (bits >> 4) : 0;
    bool padded = bits & 2;
    unsigned flags = (bits & 1 ? H2_END_STREAM : 0u) | (padded ? H2_PADDED : 0u);
    if (len + padding + padded > H2_FRAME_MAX_DEFAULT)
        return;
    uint8_t *at = h2_frame_write(frame, len + padding + padded, H2_DATA, flags, id);
    if (padded)
        *at++ = (uint8_t)padding;
    memset(at, 'd', len + padding);
    queue_bytes(c, frame, H2_FRAME_HEAD + len + padding + padded);
    view_stream(&c->view, id)->opened = true; /* or the connection fails */
}

/* 0 and 1, powers of two and what is less by one. */
static uint32_t script_number(struct script *s)
{
    unsigned code = script_byte(s) % 64;
    uint32_t number = (uint32_t)1 << (code / 2);
    return code % 2 ? number - 1 : number;
}

static void play_window(struct client *c, struct script *script)
{
    uint8_t frame[H2_WINDOW_UPDATE_LEN], which = script_byte(script);
    uint32_t id = which == 0 ? 0 : (which % CLIENT_STREAMS) * 2u + 1, number = script_number(script) & H2_WINDOW_MAX;
    h2_write_window_update(frame, id, number);
    queue_bytes(c, frame, sizeof frame);
    if (id == 0)
        c->view.granted += number;
    else
        view_stream(&c->view, id)->granted += number;
    if (id != 0)
        view_stream(&c->view, id)->opened = true;
}

static void play_settings(struct client *c, struct script *script)
{
    uint8_t frame[H2_SETTINGS_LEN(1)];
    struct h2_setting setting = {.id = script_byte(script) % 10, .value = script_number(script)};
    uint8_t *end = h2_write_settings(frame, &setting, 1);
    struct client_view *v = &c->view;
    if (v->pending_count == CLIENT_SETTINGS)
        return;
    queue_bytes(c, frame, (size_t)(end - frame));
    bool window = setting.id == H2_SETTINGS_INITIAL_WINDOW_SIZE && setting.value <= H2_WINDOW_MAX;
    v->pending[(v->pending_first + v->pending_count++) % CLIENT_SETTINGS] = window ? setting.value : CLIENT_NO_WINDOW;
}

static void play_ping(struct client *c)
{
    uint8_t frame[H2_PING_LEN];
    h2_write_ping(frame, (const uint8_t *)"pingpong", false);
    queue_bytes(c, frame, sizeof frame);
    c->view.pings++;
}

static void play_reset(struct client *c, struct script *script)
{
    uint8_t frame[H2_RST_STREAM_LEN];
    uint32_t id = script_stream(script);
    h2_write_rst_stream(frame, id, H2_CANCEL);
    queue_bytes(c, frame, sizeof frame);
    view_stream(&c->view, id)->opened = true;
}

/* A frame of any type, with bytes of the script. */
static void play_raw(struct client *c, struct script *script)
{
    uint8_t head[H2_FRAME_HEAD];
    uint8_t type = script_byte(script), flags = script_byte(script), stream = script_byte(script);
    size_t len = script_byte(script), have = script->size - script->at;
    len = len < have ? len : have;
    c->view.loose = true;
    h2_frame_write(head, (uint32_t)len, (enum h2_frame_type)type, flags, stream);
    queue_bytes(c, head, sizeof head);
    queue_bytes(c, script->data + script->at, len);
    script->at += len;
}

/* ---- The script ---- */

static void client_let_go(struct client *c)
{
    world_settle();
    while (client_read(c, OUTPUT_MAX) > 0)
        world_settle();
}

/* What is no frame. False: the client resets the connection. */
static bool client_obey(struct client *c, uint8_t letter)
{
    client_flush(c);
    switch (letter) {
    case 'h':
        shutdown(c->fd, SHUT_WR);
        c->half_closed = true;
        break;
    case 'r':
        return false;
    case 'd':
        net_drain(&world_worker()->net);
        break;
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
    case 'q':
        if (c->pauses++ < PAUSES_MAX)
            world_pass_time(SITE_TIMEOUT_MS / 4);
        break;
    default:
        break; /* a cut */
    }
    client_settle(c);
    return true;
}

static bool client_play(struct client *c, struct script *script)
{
    while (script->at < script->size) {
        uint8_t letter = script_byte(script);
        switch (letter) {
        case 'H':
            play_request(c, script);
            break;
        case 'T':
            play_trailers(c, script);
            break;
        case 'D':
            play_data(c, script);
            break;
        case 'W':
            play_window(c, script);
            break;
        case 'S':
            play_settings(c, script);
            break;
        case 'P':
            play_ping(c);
            break;
        case 'R':
            play_reset(c, script);
            break;
        case 'X':
            play_raw(c, script);
            break;
        case 'B':
            letter = script_byte(script);
            c->view.loose = true;
            queue_bytes(c, &letter, 1);
            break;
        default:
            if (!client_obey(c, letter))
                return false;
        }
    }
    client_flush(c);
    c->reading |= !(c->scene & SCENE_NEVER);
    client_settle(c);
    return true;
}

static void run(const uint8_t *data, size_t size)
{
    int lowest_fd = fcntl(0, F_DUPFD, 0), ends[2], least = 1;
    FUZZ_CHECK(lowest_fd >= 0 && close(lowest_fd) == 0);
    FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    static struct client c;
    c = (struct client){.fd = ends[0], .scene = data[0], .reading = !(data[0] & SCENE_STALLED), .seed = data[1]};
    if (c.scene & SCENE_NARROW)
        FUZZ_CHECK(setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &least, sizeof least) == 0);
    view_begin(&c.view);
    FUZZ_CHECK(net_adopt(&world_worker()->net, ends[1], 0, 0) == 0);
    if (!(c.scene & SCENE_SILENT)) {
        uint8_t settings[H2_SETTINGS_LEN(0)];
        queue_bytes(&c, H2_PREFACE, H2_PREFACE_LEN);
        queue_bytes(&c, settings, (size_t)(h2_write_settings(settings, NULL, 0) - settings));
        c.view.pending[c.view.pending_count++] = CLIENT_NO_WINDOW;
    } else {
        queue_bytes(&c, H2_PREFACE, H2_PREFACE_LEN);
        c.view.loose = true;
    }
    struct script script = {.data = data, .size = size, .at = 2};
    bool complete = client_play(&c, &script);
    if (complete && (c.scene & SCENE_TIME)) {
        world_check_back(lowest_fd + 1); /* the server gives the client up; this end stays */
        while (client_read(&c, OUTPUT_MAX) > 0)
            ;
        close(c.fd);
    } else {
        close(c.fd);
        world_settle();
        world_check_back(lowest_fd);
    }
    view_end(&c.view);
    world_worker()->net.draining = world_worker()->net.cutting = false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size >= 2 && size <= 4096)
        world_run(run, true, data, size);
    return 0;
}
