/*
 * Connecting to another service: its name, its addresses, its certificate.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/outgoing/dialled.h"
#include "web/outgoing/lookup.h"
#include "web/outgoing/secure.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void dialling_say(struct dialling *d, const char *fmt, ...)
{
    if (!d->why || d->why_size == 0)
        return;
    va_list args;
    va_start(args, fmt);
    // NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): the line before has begun it
    vsnprintf(d->why, d->why_size, fmt, args);
    va_end(args);
}

/* Lets go of all that is under way. */
static void dialling_end(void *arg)
{
    struct dialling *d = arg;
    for (size_t i = 0; i < NAME_ADDRESSES; i++) {
        int fd = weir_fd_number(d->attempts[i].f);
        if (fd < 0)
            continue;
        watch_close(d->attempts[i].f);
        close(fd);
    }
    dialled_close(d->made);
    if (d->context)
        secure_context_free(d->context);
    memory_free(&d->home->account, d, sizeof *d);
}

static struct dialling *dialling_begin(weir_ctx *c, const weir_dial_options *o)
{
    struct outgoing *home = c->web->outgoing;
    struct dialling *d = memory_alloc(&home->account, sizeof *d);
    if (!d)
        return NULL;
    memset(d, 0, sizeof *d);
    d->c = c;
    d->home = home;
    d->until = until_of(c, o->timeout_ms);
    d->why = o->why;
    d->why_size = o->why_size;
    d->deferred = (struct deferred){.next = c->deferred, .fn = dialling_end, .arg = d};
    c->deferred = &d->deferred;
    return d;
}

/* Connects, and stores the connection in d->made. */
static int dialling_connect(struct dialling *d)
{
    if (d->target.kind != TARGET_UNIX) {
        int error = name_lookup(d->c, d->target.host, &d->addresses, d->until);
        if (error) {
            if (error == WEIR_ENOENT || error == WEIR_EREACH)
                dialling_say(d, error == WEIR_ENOENT ? "there is no host %s" : "nobody who knows %s answers",
                             d->target.host);
            return error;
        }
    }
    struct weir_fd *f = NULL;
    int error = race_connect(d, &f);
    if (error)
        return error;
    error = dialled_new(d->home, f, &d->made);
    if (error) {
        int fd = weir_fd_number(f);
        watch_close(f);
        close(fd);
    }
    return error;
}

static int dialling_run(struct dialling *d, const weir_dial_options *o)
{
    if (d->target.kind != TARGET_TLS)
        return dialling_connect(d);
    int error = secure_context(d, o, &d->context);
    if (!error)
        error = dialling_connect(d);
    return error ? error : secure_begin(d, d->context, o->server_name ? o->server_name : d->target.host);
}

int weir_dial_sized(weir_ctx *c, const char *target, weir_conn **conn, const weir_dial_options *options,
                    size_t options_size)
{
    CONTEXT_CHECK(c);
    weir_dial_options o = {0};
    if (!target || !conn || (options && (options_size < sizeof(int) || options_size > 4096)))
        return WEIR_EINVAL;
    *conn = NULL;
    if (options)
        memcpy(&o, options, options_size < sizeof o ? options_size : sizeof o);
    if (o.why && o.why_size > 0)
        o.why[0] = '\0';
    if (o.timeout_ms < 0 || (o.server_name && (!o.server_name[0] || strlen(o.server_name) > NAME_MAX_LEN)))
        return WEIR_EINVAL;
    struct dialling *d = dialling_begin(c, &o);
    if (!d)
        return WEIR_ENOMEM;
    int error = target_parse(&d->target, target) ? dialling_run(d, &o) : WEIR_EINVAL;
    if (error && d->why && d->why_size > 0 && !d->why[0])
        dialling_say(d, "%s", weir_strerror(error));
    if (!error) {
        dialling_say(d, "%s", ""); /* in place of what was said of addresses before */
        *conn = d->made;
        d->made = NULL;
    }
    context_undefer(c, &d->deferred);
    dialling_end(d);
    if (!error && o.until_end == WEIR_ON)
        dialled_tie(*conn, c);
    return error;
}
