/*
 * A listener's certificates: loaded, replaced, watched.
 *
 * SPDX-License-Identifier: MIT
 */
#include "net/tls/listener.h"
#include "net/tls/context.h"
#include "net/tls/lean_mode.h"
#include "net/tls/openssl.h"
#include "net/tls/tls.h"
#include "weir.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

char *tls_text_copy(struct account *a, const char *text)
{
    size_t size = text ? strlen(text) + 1 : 0;
    char *copy = text ? memory_alloc(a, size) : NULL;
    if (copy)
        memcpy(copy, text, size);
    return copy;
}

/* Cleansed, since it may have been a key. */
void tls_text_free(struct account *a, char *text)
{
    if (!text)
        return;
    size_t size = strlen(text) + 1;
    OPENSSL_cleanse(text, size);
    memory_free(a, text, size);
}

void tls_listener_init(struct tls_listener *l, struct account *account, const struct log *log,
                       const struct tls_settings *settings)
{
    *l = (struct tls_listener){.account = account, .log = log, .settings = *settings};
    lock_init(&l->lock);
    lock_init(&l->load_lock);
    tickets_init(&l->tickets);
}

void tls_listener_done(struct tls_listener *l)
{
    struct tls_settings *s = &l->settings;
    tls_listener_lock_acquire(&l->lock);
    struct tls_contexts *contexts = l->contexts;
    l->contexts = NULL;
    tls_listener_lock_release(&l->lock);
    tls_contexts_unref(contexts);
    for (size_t i = 0; i < s->source_count; i++) {
        char *texts[] = {s->sources[i].certificate, s->sources[i].key, s->sources[i].certificate_pem,
                         s->sources[i].key_pem, s->sources[i].ocsp};
        for (size_t k = 0; k < sizeof texts / sizeof texts[0]; k++)
            tls_text_free(l->account, texts[k]);
    }
    memory_free(l->account, s->sources, s->source_count * sizeof *s->sources);
    char *texts[] = {s->ciphers, s->suites, s->groups, s->ticket_file, s->client_ca};
    for (size_t k = 0; k < sizeof texts / sizeof texts[0]; k++)
        tls_text_free(l->account, texts[k]);
    tls_load_lock_acquire(&l->load_lock);
    memory_free(l->account, l->stamps, l->stamp_count * sizeof *l->stamps);
    l->stamps = NULL;
    tls_load_lock_release(&l->load_lock);
    tickets_done(&l->tickets);
    lock_done(&l->load_lock);
    lock_done(&l->lock);
}

bool tls_listener_is_watched(const struct tls_listener *l)
{
    const struct tls_settings *s = &l->settings;
    bool files = s->client_ca || s->ticket_file;
    for (size_t i = 0; i < s->source_count; i++)
        files |= s->sources[i].certificate || s->sources[i].key || s->sources[i].ocsp;
    return s->tickets || (s->watch && files);
}

void tls_listener_try_mode(struct tls_listener *l, tls_report report, void *arg)
{
    char text[160];
    const char *wrong = tls_mode_lean.self_test();
    l->mode = wrong ? NULL : &tls_mode_lean;
    l->mode_failed = wrong != NULL;
    if (!wrong)
        return;
    snprintf(text, sizeof text, "%s are not used, for their self-test has failed: %s", tls_mode_lean.name, wrong);
    report(arg, false, text);
}

const struct tls_mode *tls_listener_mode(const struct tls_listener *l)
{
    return l->mode;
}

size_t tls_listener_session_bytes(const struct tls_listener *l)
{
    return l->mode ? l->mode->session_size : TLS_SESSION_BYTES;
}

size_t tls_handshake_bytes(void)
{
    return TLS_HANDSHAKE_BYTES;
}

struct tls_contexts *tls_listener_contexts(struct tls_listener *l)
{
    tls_listener_lock_acquire(&l->lock);
    struct tls_contexts *contexts = l->contexts ? tls_contexts_ref(l->contexts) : NULL;
    tls_listener_lock_release(&l->lock);
    return contexts;
}

/* ---- Files ---- */

#define SOURCE_FILES 3

/* The i-th file that the settings name; NULL: that place has none. */
static const char *listener_file(const struct tls_settings *s, size_t i)
{
    if (i == 0)
        return s->ticket_file;
    if (i == 1)
        return s->client_ca;
    const struct tls_source *source = &s->sources[(i - 2) / SOURCE_FILES];
    return (i - 2) % SOURCE_FILES == 0 ? source->certificate : (i - 2) % SOURCE_FILES == 1 ? source->key : source->ocsp;
}

static size_t listener_files(const struct tls_settings *s)
{
    return 2 + s->source_count * SOURCE_FILES;
}

static struct tls_stamp stamp_of(const char *path)
{
    struct stat status;
    if (!path || stat(path, &status) != 0)
        return (struct tls_stamp){0};
    return (struct tls_stamp){.device = status.st_dev,
                              .inode = status.st_ino,
                              .size = status.st_size,
                              .changed = status.st_ctim,
                              .modified = status.st_mtim};
}

static bool stamp_equal(const struct tls_stamp *a, const struct tls_stamp *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec &&
           a->modified.tv_sec == b->modified.tv_sec && a->modified.tv_nsec == b->modified.tv_nsec;
}

/* Keeps what the files are now. True: one is not what it was at the last look. */
static bool listener_stamp(struct tls_listener *l) REQUIRES(tls_load_lock)
{
    size_t count = listener_files(&l->settings);
    bool first = !l->stamps, changed = false;
    if (first && !(l->stamps = memory_alloc(l->account, count * sizeof *l->stamps)))
        return false;
    l->stamp_count = count;
    for (size_t i = 0; i < count; i++) {
        struct tls_stamp now = stamp_of(listener_file(&l->settings, i));
        changed |= !first && !stamp_equal(&now, &l->stamps[i]);
        l->stamps[i] = now;
    }
    return changed;
}

/* ---- Loading ---- */

static bool load_ticket_file(struct tls_listener *l, tls_report report, void *arg)
{
    char *text = NULL, line[320];
    const char *path = l->settings.ticket_file, *wrong = NULL;
    ssize_t len = tls_read_file(l->account, path, TICKET_SECRET_MAX, &text);
    if (len < 0)
        wrong = len == WEIR_EINVAL ? "it is not a file" : weir_strerror((int)len);
    else if (len < TICKET_SECRET_MIN)
        wrong = "it has less than 32 bytes";
    else if (!tickets_share(&l->tickets, text, (size_t)len, time(NULL)))
        wrong = "OpenSSL cannot derive keys from it";
    tls_free_file(l->account, text, len);
    if (!wrong)
        return true;
    snprintf(line, sizeof line, "ticket_file \"%.200s\": %s", path, wrong);
    report(arg, true, line);
    return false;
}

static int load(struct tls_listener *l, tls_report report, void *arg) REQUIRES(tls_load_lock)
{
    (void)listener_stamp(l); /* before they are read: what changes meanwhile is seen at the next look */
    struct tls_contexts *next = tls_contexts_make(l, report, arg), *last;
    bool good = !l->settings.ticket_file || !l->settings.tickets || load_ticket_file(l, report, arg);
    if (l->settings.tickets && !tickets_turn(&l->tickets, time(NULL))) {
        report(arg, true, "there is no randomness for keys of tickets");
        good = false;
    }
    if (!next || !good) {
        tls_contexts_unref(next);
        return WEIR_EINVAL;
    }
    tls_listener_lock_acquire(&l->lock);
    last = l->contexts;
    l->contexts = next;
    tls_listener_lock_release(&l->lock);
    tls_contexts_unref(last);
    return 0;
}

int tls_listener_load(struct tls_listener *l, tls_report report, void *arg)
{
    tls_load_lock_acquire(&l->load_lock);
    int error = load(l, report, arg);
    tls_load_lock_release(&l->load_lock);
    return error;
}

static void log_report(void *arg, bool error, const char *text)
{
    const struct tls_listener *l = arg;
    if (error)
        log_error(l->log, "certificates stay as they were: %s", text);
    else
        log_warn(l->log, "%s", text);
}

static int reload(struct tls_listener *l) REQUIRES(tls_load_lock)
{
    int error = load(l, log_report, l);
    atomic_fetch_add_explicit(error ? &l->failed_reloads : &l->reloads, 1, memory_order_relaxed);
    if (!error)
        log_info(l->log, "certificates have been loaded anew");
    return error;
}

int tls_listener_reload(struct tls_listener *l)
{
    tls_load_lock_acquire(&l->load_lock);
    int error = reload(l);
    tls_load_lock_release(&l->load_lock);
    return error;
}

void tls_listener_look(struct tls_listener *l)
{
    tls_load_lock_acquire(&l->load_lock);
    if (l->settings.watch && listener_stamp(l))
        (void)reload(l);
    if (l->settings.tickets)
        (void)tickets_turn(&l->tickets, time(NULL));
    tls_load_lock_release(&l->load_lock);
}
