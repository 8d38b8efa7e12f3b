/*
 * Opening and closing a server's listening sockets.
 *
 * SPDX-License-Identifier: MIT
 */
#include "server/sockets.h"
#include "base/error.h"
#include "base/log.h"
#include "server/server.h"
#include "server/tls.h"

#include <errno.h>
#include <unistd.h>

#define PRIVILEGED_PORTS 1024 /* the first that everybody may listen on */

int weir_server_listen(weir_server *s, const weir_listen_config *config)
{
    int error = s ? settings_add_listener(&s->settings, config, &s->site) : WEIR_EINVAL;
    if (!error && config->tls)
        error = tls_add(s, &s->settings.listeners[s->settings.listener_count - 1], config->tls);
    return error;
}

/* How long a read of its connections waits; default: as long as connections of HTTP are idle. */
static int raw_read_timeout(const weir_server *s, const weir_listen_config *config)
{
    int ms = config->read_timeout_ms;
    return ms == WEIR_OFF ? -1 : ms > 0 ? ms : s->settings.config.idle_timeout_ms;
}

int weir_listen_raw(weir_server *s, const weir_listen_config *config, weir_handler handler)
{
    int error = s && handler ? weir_server_listen(s, config) : WEIR_EINVAL;
    struct raw_handler *raw = error ? NULL : site_add_raw(&s->site, handler);
    if (!raw)
        return error ? error : WEIR_ENOMEM;
    struct listen_spec *spec = &s->settings.listeners[s->settings.listener_count - 1];
    raw->service.server_first = config->server_first == WEIR_ON;
    raw->read_timeout_ms = raw_read_timeout(s, config);
    spec->protocol = &http_protocol_raw;
    spec->offers = NULL; /* no name of ALPN is its protocol's */
    spec->service = &raw->service;
    return 0;
}

int weir_listen_raw_port(const weir_server *s, int n)
{
    for (size_t i = 0; s && i < s->settings.listener_count; i++)
        if (s->settings.listeners[i].service && n-- == 0)
            return atomic_load(&s->port) ? address_port(&s->settings.listeners[i].address) : 0;
    return 0;
}

int weir_server_port(const weir_server *s)
{
    return s ? atomic_load(&s->port) : 0;
}

int weir_server_tls_port(const weir_server *s)
{
    for (size_t i = 0; s && i < s->settings.listener_count; i++)
        if (s->settings.listeners[i].tls && !s->settings.listeners[i].service && atomic_load(&s->port))
            return address_port(&s->settings.listeners[i].address);
    return 0;
}

/* What there is to say of a socket that cannot be had; NULL: what the system says. */
static COLD const char *listen_reason(const struct listen_spec *spec, int error)
{
    int port = address_port(&spec->address);
    if (error == WEIR_EBUSY)
        return weir_strerror(error);
    if (error == WEIR_EEXIST)
        return "there is a file, and it is no socket";
    if (spec->number == EADDRNOTAVAIL)
        return "the address is not one of this machine";
    if (spec->number == EACCES && port > 0 && port < PRIVILEGED_PORTS)
        return "not permitted: ports below 1024 are for privileged processes";
    return spec->number ? NULL : weir_strerror(error);
}

static COLD int listen_failed(weir_server *s, const struct listen_spec *spec, int error)
{
    char text[ADDRESS_TEXT_MAX] = "the inherited descriptor";
    if (spec->inherited_fd <= 0)
        address_format(&spec->address, text, sizeof text);
    const char *why = listen_reason(spec, error);
    errno = spec->number;
    if (why)
        log_error(&s->log, "cannot listen on %s: %s", text, why);
    else
        log_error(&s->log, "cannot listen on %s: %m", text);
    return error;
}

void sockets_log(const weir_server *s)
{
    char text[ADDRESS_TEXT_MAX];
    for (size_t i = 0; i < s->settings.listener_count; i++) {
        const struct listen_spec *spec = &s->settings.listeners[i];
        log_info(&s->log, "listening on %s%s%s: %d workers with %s, process %ld",
                 address_format(&spec->address, text, sizeof text), spec->inherited_fd > 0 ? " (inherited)" : "",
                 spec->admin ? " for the ledger's page" : "", s->settings.config.workers,
                 spec->shared ? "one socket" : "a socket each", (long)getpid());
    }
}

int sockets_open(weir_server *s)
{
    size_t workers = (size_t)s->settings.config.workers;
    for (size_t i = 0; i < s->settings.listener_count; i++) {
        struct listen_spec *spec = &s->settings.listeners[i];
        int error = listen_probe(spec);
        if (error)
            return listen_failed(s, spec, error);
        for (size_t w = 0; w < workers; w++) {
            int fd = w > 0 && spec->shared ? s->workers[0].fds[i] : listen_open(spec);
            if (fd < 0)
                return listen_failed(s, spec, fd);
            s->workers[w].fds[i] = fd;
        }
        atomic_store(&spec->users, (int)workers);
        if (!atomic_load(&s->port))
            atomic_store(&s->port, address_port(&spec->address));
    }
    return 0;
}

COLD void sockets_close(weir_server *s)
{
    size_t workers = s->workers ? (size_t)s->settings.config.workers : 0;
    for (size_t i = 0; i < s->settings.listener_count; i++) {
        struct listen_spec *spec = &s->settings.listeners[i];
        listen_unlink(spec);
        for (size_t w = 0; w < workers; w++)
            if (s->workers[w].fds[i] > 0 && (w == 0 || !spec->shared))
                close(s->workers[w].fds[i]);
    }
}

void sockets_refuse(weir_server *s)
{
    for (int w = 0; w < s->settings.config.workers; w++)
        for (size_t i = 0; i < s->workers[w].listener_count; i++)
            if (w == 0 || !s->settings.listeners[i].shared)
                listen_refuse(&s->settings.listeners[i], s->workers[w].fds[i]);
}
