/*
 * A server behind proxies, for the wire tests: `proxies SETTING=VALUE ...`. preface=on has each of its listeners want a
 * PROXY preface, from `networks` if that is given; trusted and header are trusted_proxies and forwarded_header, unix is
 * the path of a further listener, certificate and key add one with TLS; others are numbers of weir_config. /who tells
 * what it knows of the client, /wait the same after a moment, /peers whose
 * requests are alive; and the ledger's page is there. A listener without HTTP
 * says who the client is and sends lines back; it prints `raw PORT`.
 *
 * SPDX-License-Identifier: MIT
 */
#include "serving.h"

#include <stdlib.h>
#include <string.h>

struct site {
    weir_config config;
    weir_listen_config listener;
    weir_tls_config tls;
    const char *unix_host;
};

static void who(weir_ctx *c)
{
    weir_reply_printf(c, "application/json",
                      "{\"client\":%s,\"peer\":%s,\"scheme\":%s,\"host\":%s,\"secure\":%s,\"body\":%zd}",
                      weir_json_string(c, weir_client(c)), weir_json_string(c, weir_peer(c)),
                      weir_json_string(c, weir_client_scheme(c)), weir_json_string(c, weir_client_host(c)),
                      weir_is_secure(c) ? "true" : "false", weir_body_length(c));
}

static void wait_first(weir_ctx *c)
{
    weir_sleep(c, 300);
    who(c);
}

struct reading {
    weir_server *server;
    weir_live_request requests[16];
    size_t count;
};

static int read_live(void *arg)
{
    struct reading *r = arg;
    r->count = weir_live_read(r->server, r->requests, 16, NULL);
    return 0;
}

/* The peers of all live requests. */
static void peers(weir_ctx *c)
{
    struct reading r = {.server = weir_ctx_server(c)};
    weir_offload(c, read_live, &r);
    for (size_t i = 0; i < r.count; i++)
        weir_printf(c, "%s\n", r.requests[i].peer);
}

static void raw(weir_ctx *c)
{
    char line[1000];
    ssize_t len;
    weir_printf(c, "%s\n", weir_client(c));
    while ((len = weir_body_line(c, line, sizeof line)) > 0)
        weir_write(c, line, (size_t)len);
}

static bool take_text(struct site *site, const char *name, char *value)
{
    if (strcmp(name, "preface") == 0)
        site->listener.proxy_protocol = strcmp(value, "on") == 0 ? WEIR_ON : WEIR_OFF;
    else if (strcmp(name, "networks") == 0)
        site->listener.proxy_networks = value;
    else if (strcmp(name, "trusted") == 0)
        site->config.trusted_proxies = value;
    else if (strcmp(name, "header") == 0)
        site->config.forwarded_header = value;
    else if (strcmp(name, "unix") == 0)
        site->unix_host = value;
    else if (strcmp(name, "certificate") == 0)
        site->tls.certificate = value;
    else if (strcmp(name, "key") == 0)
        site->tls.key = value;
    else
        return false;
    return true;
}

static bool take_number(struct site *site, const char *name, int value)
{
    if (strcmp(name, "header_timeout_ms") == 0)
        site->config.header_timeout_ms = value;
    else if (strcmp(name, "max_connections") == 0)
        site->config.max_connections = value;
    else if (strcmp(name, "max_connections_per_address") == 0)
        site->config.max_connections_per_address = value;
    else if (strcmp(name, "log_level") == 0)
        site->config.log_level = value;
    else if (strcmp(name, "lean_records") == 0)
        site->tls.lean_records = value;
    else
        return false;
    return true;
}

static void listen_all(weir_server *s, struct site *site)
{
    weir_server_listen(s, &site->listener);
    weir_listen_raw(s, &site->listener, raw);
    if (site->tls.certificate) {
        weir_listen_config secure = site->listener;
        secure.tls = &site->tls;
        weir_server_listen(s, &secure);
    }
    if (site->unix_host) {
        weir_listen_config local = site->listener;
        local.host = site->unix_host;
        weir_server_listen(s, &local);
    }
}

int main(int argc, char **argv)
{
    struct site site = {.config = {.workers = 2, .log_level = WEIR_OFF},
                        .listener = {.host = "127.0.0.1", .port = WEIR_ANY}};
    for (int i = 1; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        if (!value)
            abort();
        *value++ = '\0';
        if (!take_text(&site, argv[i], value) && !take_number(&site, argv[i], (int)strtol(value, NULL, 10)))
            abort();
    }
    weir_server *s = weir_server_new(&site.config);
    listen_all(s, &site);
    weir_any(s, "/who", who);
    weir_get(s, "/wait", wait_first);
    weir_get(s, "/peers", peers);
    weir_server_admin(s, "/_weir", NULL);
    bool good = serving_start(s);
    if (good)
        printf("raw %d\n", weir_listen_raw_port(s, 0));
    good = good && serving_run(s);
    weir_server_free(s);
    return good ? 0 : 1;
}
