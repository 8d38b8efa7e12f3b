/*
 * The BIO by which OpenSSL reads and writes: without a buffer of its own, and never past the end of a record, so that
 * OpenSSL holds nothing of the next one.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/system.h"
#include "net/tls/tls.h"

#include <errno.h>
#include <sys/socket.h>

#define RECORD_CHANGE_CIPHER_SPEC 20

uint32_t tls_follow_bytes(struct tls_follow *f, const char *data, size_t len)
{
    uint32_t begun = 0;
    while (len > 0) {
        size_t need = tls_follow_need(f), take = need < len ? need : len;
        if (f->have == 0)
            f->started = 0;
        if (f->started < TLS_STARTED) {
            size_t room = TLS_STARTED - f->started, keep = take < room ? take : room;
            memcpy(f->start + f->started, data, keep);
            f->started += (uint32_t)keep;
        }
        if (f->have < TLS_HEADER) {
            begun += f->have == 0;
            memcpy(f->header + f->have, data, take);
            f->have = (uint8_t)(f->have + take);
            if (f->have == TLS_HEADER) {
                f->left = (uint32_t)(f->header[3] << 8 | f->header[4]);
                f->records++;
            }
        } else {
            f->left -= (uint32_t)take;
        }
        data += take;
        len -= take;
        if (f->have == TLS_HEADER && f->left == 0) {
            if (f->header[0] == RECORD_CHANGE_CIPHER_SPEC) {
                f->changed = true;
                f->records = 0;
            }
            f->have = 0;
        }
    }
    return begun;
}

/* Input of a handshake: straight from the socket, since what follows the record is not this call's. */
static int bio_receive(BIO *b, struct tls_bio *kept, char *to, size_t len)
{
    ssize_t got = system_recv(kept->t->c.fd, to, len, MSG_DONTWAIT);
    if (got > 0) {
        if (tls_follow_bytes(&kept->in, to, (size_t)got) > 0)
            kept->out.since = 0;
        return (int)got;
    }
    if (got == 0)
        return 0;
    if (errno == EAGAIN || errno == EINTR)
        BIO_set_retry_read(b);
    return -1;
}

static int bio_read(BIO *b, char *to, int len)
{
    struct tls_bio *kept = BIO_get_data(b);
    struct tls_worker *w = kept->t->worker;
    BIO_clear_retry_flags(b);
    if (len <= 0)
        return 0;
    size_t need = tls_follow_need(&kept->in), have = w->in_len - w->in_pos;
    size_t take = need < (size_t)len ? need : (size_t)len;
    if (kept->t->state == TLS_HANDSHAKE)
        return bio_receive(b, kept, to, take);
    take = take < have ? take : have;
    if (take == 0) {
        BIO_set_retry_read(b);
        return -1;
    }
    memcpy(to, w->in + w->in_pos, take);
    w->in_pos += take;
    tls_follow_bytes(&kept->in, to, take);
    return (int)take;
}

static int bio_write(BIO *b, const char *data, int len)
{
    struct tls_bio *kept = BIO_get_data(b);
    struct tls_worker *w = kept->t->worker;
    BIO_clear_retry_flags(b);
    if (len <= 0)
        return 0;
    size_t room = tls_out_room(w), take = room < (size_t)len ? room : (size_t)len;
    if (take == 0) {
        BIO_set_retry_write(b);
        return -1;
    }
    memcpy(w->out + w->out_len, data, take);
    w->out_len += take;
    kept->out.since += tls_follow_bytes(&kept->out, data, take);
    return (int)take;
}

static long bio_control(BIO *b, int command, long number, void *pointer)
{
    (void)b;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static int bio_create(BIO *b)
{
    struct tls_bio *kept = OPENSSL_zalloc(sizeof *kept);
    BIO_set_data(b, kept);
    BIO_set_init(b, kept != NULL);
    return kept != NULL;
}

static int bio_destroy(BIO *b)
{
    if (!b)
        return 0;
    OPENSSL_free(BIO_get_data(b));
    return 1;
}

BIO_METHOD *tls_bio_method(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "weir");
    if (!m)
        return NULL;
    bool good = BIO_meth_set_read(m, bio_read) && BIO_meth_set_write(m, bio_write) &&
                BIO_meth_set_ctrl(m, bio_control) && BIO_meth_set_create(m, bio_create) &&
                BIO_meth_set_destroy(m, bio_destroy);
    if (good)
        return m;
    BIO_meth_free(m);
    return NULL;
}

BIO *tls_bio_new(struct tls_connection *t, struct tls_bio **kept)
{
    BIO *b = BIO_new(t->worker->bio_method);
    *kept = b ? BIO_get_data(b) : NULL;
    if (b)
        (*kept)->t = t;
    return b;
}
