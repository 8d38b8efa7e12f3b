/*
 * Judging the server's frames.
 *
 * SPDX-License-Identifier: MIT
 */
#include "h2_client.h"
#include "fuzz.h"

void view_begin(struct client_view *v)
{
    *v = (struct client_view){.granted = H2_WINDOW_DEFAULT, .initial = H2_WINDOW_DEFAULT, .last = UINT32_MAX};
    FUZZ_CHECK(nghttp2_hd_inflate_new(&v->inflater) == 0);
    for (size_t i = 0; i < CLIENT_STREAMS; i++)
        v->streams[i].length = -1;
}

void view_end(struct client_view *v)
{
    nghttp2_hd_inflate_del(v->inflater);
}

struct client_stream *view_stream(struct client_view *v, uint32_t id)
{
    static struct client_stream other;
    if (id % 2 == 1 && id / 2 < CLIENT_STREAMS)
        return &v->streams[id / 2];
    FUZZ_CHECK(v->loose);
    other = (struct client_stream){.opened = true, .length = -1, .granted = INT32_MAX};
    return &other;
}

/* What may be received of a stream. */
static int64_t stream_window(const struct client_view *v, const struct client_stream *s)
{
    return v->initial + s->granted;
}

static void stream_ended(const struct client_view *v, struct client_stream *s)
{
    s->ended = true;
    FUZZ_CHECK(s->replied || v->loose);
    FUZZ_CHECK(s->to_head || s->length < 0 || s->length == s->received || v->loose);
}

static void read_data(struct client_view *v, const struct h2_frame *f)
{
    struct client_stream *s = view_stream(v, f->stream);
    FUZZ_CHECK((f->flags & ~(unsigned)H2_END_STREAM) == 0);
    FUZZ_CHECK((s->opened || v->loose) && !s->ended && !s->reset);
    FUZZ_CHECK(s->replied || v->loose);
    FUZZ_CHECK(!s->to_head || f->length == 0 || v->loose);
    s->received += f->length;
    v->received += f->length;
    FUZZ_CHECK(v->loose || f->length == 0 || (s->received <= stream_window(v, s) && v->received <= v->granted));
    if (f->flags & H2_END_STREAM)
        stream_ended(v, s);
}

static int64_t read_number(const nghttp2_nv *nv)
{
    int64_t number = 0;
    FUZZ_CHECK(nv->valuelen > 0 && nv->valuelen < 16);
    for (size_t i = 0; i < nv->valuelen; i++) {
        FUZZ_CHECK(nv->value[i] >= '0' && nv->value[i] <= '9');
        number = number * 10 + (nv->value[i] - '0');
    }
    return number;
}

static bool name_is(const nghttp2_nv *nv, const char *name)
{
    return nv->namelen == strlen(name) && memcmp(nv->name, name, nv->namelen) == 0;
}

static void check_name(const nghttp2_nv *nv)
{
    FUZZ_CHECK(nv->namelen > 0);
    for (size_t i = 0; i < nv->namelen; i++)
        FUZZ_CHECK(nv->name[i] > ' ' && nv->name[i] < 0x7f && !(nv->name[i] >= 'A' && nv->name[i] <= 'Z'));
    FUZZ_CHECK(!name_is(nv, "connection") && !name_is(nv, "transfer-encoding") && !name_is(nv, "keep-alive"));
}

static void read_headers(struct client_view *v, const struct h2_frame *f, const uint8_t *payload)
{
    struct client_stream *s = view_stream(v, f->stream);
    FUZZ_CHECK((f->flags & ~(unsigned)(H2_END_STREAM | H2_END_HEADERS)) == 0 && (f->flags & H2_END_HEADERS));
    FUZZ_CHECK((s->opened || v->loose) && !s->ended && !s->reset);
    bool trailers = s->replied;
    int64_t status = 0, length = -1;
    size_t fields = 0, left = f->length;
    for (;;) {
        nghttp2_nv nv;
        int flags = 0;
        ssize_t n = nghttp2_hd_inflate_hd2(v->inflater, &nv, &flags, payload, left, 1);
        FUZZ_CHECK(n >= 0);
        payload += n;
        left -= (size_t)n;
        if (flags & NGHTTP2_HD_INFLATE_EMIT) {
            if (name_is(&nv, ":status")) {
                FUZZ_CHECK(fields == 0 && nv.valuelen == 3 && !trailers);
                status = read_number(&nv);
            } else {
                check_name(&nv);
                FUZZ_CHECK(status > 0 || trailers);
            }
            if (name_is(&nv, "content-length")) {
                FUZZ_CHECK(length < 0);
                length = read_number(&nv);
            }
            fields++;
        }
        if (flags & NGHTTP2_HD_INFLATE_FINAL)
            break;
        FUZZ_CHECK(left > 0 || (flags & NGHTTP2_HD_INFLATE_EMIT));
    }
    FUZZ_CHECK(nghttp2_hd_inflate_end_headers(v->inflater) == 0 && left == 0);
    if (trailers) {
        FUZZ_CHECK(f->flags & H2_END_STREAM);
    } else {
        FUZZ_CHECK(status >= 100 && status < 600);
        FUZZ_CHECK(status >= 200 || (!(f->flags & H2_END_STREAM) && length < 0));
        s->replied = status >= 200;
        s->length = length;
    }
    if (f->flags & H2_END_STREAM)
        stream_ended(v, s);
}

static void read_settings(struct client_view *v, const struct h2_frame *f)
{
    if (!(f->flags & H2_ACK)) {
        FUZZ_CHECK(f->flags == 0 && f->length % H2_SETTING_LEN == 0);
        v->greeted = true;
        v->acks++;
        return;
    }
    FUZZ_CHECK(f->length == 0 && v->greeted);
    FUZZ_CHECK(v->pending_count > 0 || v->loose);
    if (v->pending_count == 0)
        return;
    uint32_t window = v->pending[v->pending_first];
    v->pending_first = (v->pending_first + 1) % CLIENT_SETTINGS;
    v->pending_count--;
    if (window != CLIENT_NO_WINDOW)
        v->initial = window;
}

static void read_window(struct client_view *v, const struct h2_frame *f, const uint8_t *payload)
{
    uint32_t increment = h2_read_32(payload);
    FUZZ_CHECK(f->length == 4 && f->flags == 0 && increment > 0 && increment <= H2_WINDOW_MAX);
    if (f->stream == 0) {
        v->window += increment;
        return;
    }
    struct client_stream *s = view_stream(v, f->stream);
    FUZZ_CHECK((s->opened || v->loose) && !s->reset);
    s->window += increment;
}

static void read_goaway(struct client_view *v, const struct h2_frame *f, const uint8_t *payload)
{
    FUZZ_CHECK(f->length >= 8 && f->stream == 0 && f->flags == 0);
    uint32_t last = h2_read_32(payload);
    FUZZ_CHECK(last <= v->last);
    v->last = last;
    v->failed = h2_read_32(payload + 4) != H2_NO_ERROR;
}

static void read_frame(struct client_view *v, const struct h2_frame *f, const uint8_t *payload)
{
    FUZZ_CHECK(v->greeted || (f->type == H2_SETTINGS && !(f->flags & H2_ACK)));
    FUZZ_CHECK(!v->failed || f->type == H2_RST_STREAM);
    switch (f->type) {
    case H2_DATA:
        read_data(v, f);
        break;
    case H2_HEADERS:
        read_headers(v, f, payload);
        break;
    case H2_RST_STREAM: {
        struct client_stream *s = view_stream(v, f->stream);
        FUZZ_CHECK(f->length == 4 && f->flags == 0 && (s->opened || v->loose));
        s->reset = true;
        break;
    }
    case H2_SETTINGS:
        FUZZ_CHECK(f->stream == 0);
        read_settings(v, f);
        break;
    case H2_PING:
        FUZZ_CHECK(f->stream == 0 && f->length == 8 && f->flags == H2_ACK && (v->pings > 0 || v->loose));
        v->pings -= v->pings > 0;
        break;
    case H2_GOAWAY:
        read_goaway(v, f, payload);
        break;
    case H2_WINDOW_UPDATE:
        read_window(v, f, payload);
        break;
    default:
        FUZZ_CHECK(false); /* a server does not send it, or a client has not asked for it */
    }
}

size_t view_read(struct client_view *v, const uint8_t *data, size_t len)
{
    size_t at = 0;
    while (len - at >= H2_FRAME_HEAD) {
        struct h2_frame f = h2_frame_read(data + at);
        FUZZ_CHECK(f.length <= H2_FRAME_MAX_DEFAULT);
        if (len - at < H2_FRAME_HEAD + f.length)
            break;
        read_frame(v, &f, data + at + H2_FRAME_HEAD);
        at += H2_FRAME_HEAD + f.length;
    }
    return at;
}
