/*
 * Listeners without HTTP, for the wire tests: `raw SETTING=VALUE ...`, members of weir_config by name; read_timeout_ms
 * is the listeners', certificate and key add TLS ones. It prints `raw PORT PORT [PORT PORT]`: of one that answers, and
 * of one that speaks first, plain and with TLS. A line is a command: "fail" resets the connection, "method" answers the
 * method's length and a header's absence, "header" what setting one returns, "large" a million bytes, "quit" ends;
 * others are sent back. Beside them HTTP is served, with the ledger's page.
 *
 * SPDX-License-Identifier: MIT
 */
#include "serving.h"

#include <stdlib.h>
#include <string.h>

static void large(weir_ctx *c)
{
    static char piece[10000];
    memset(piece, 'x', sizeof piece);
    for (int i = 0; i < 100; i++)
        if (weir_write(c, piece, sizeof piece) != 0)
            return;
}

static void deferred(void *arg)
{
    (void)arg;
}

static void answer(weir_ctx *c)
{
    char line[1000];
    ssize_t len;
    if (strlen(weir_method(c)) + strlen(weir_path(c)) + strlen(weir_host(c)) > 0 || weir_defer(c, deferred, NULL) != 0)
        return;
    while ((len = weir_body_line(c, line, sizeof line)) > 0) {
        if (strcmp(line, "fail\n") == 0)
            weir_fail(c, 500, "as it was asked for");
        else if (strcmp(line, "method\n") == 0)
            weir_printf(c, "%zu %d %s\n", strlen(weir_method(c)), weir_header(c, "Host") != NULL, weir_peer(c));
        else if (strcmp(line, "header\n") == 0)
            weir_printf(c, "%d %d\n", weir_set_header(c, "A", "b"), weir_reply_text(c, "text"));
        else if (strcmp(line, "large\n") == 0)
            large(c);
        else if (strcmp(line, "quit\n") == 0)
            return;
        else
            weir_write(c, line, (size_t)len);
    }
    weir_printf(c, "ended by %zd%s\n", len, weir_stopping(c) ? ", stopping" : "");
}

static void first(weir_ctx *c)
{
    weir_printf(c, "hello\n");
    answer(c);
}

static void hello(weir_ctx *c)
{
    weir_reply_text(c, "hello");
}

static bool take(weir_config *config, const char *name, long value)
{
    if (strcmp(name, "idle_timeout_ms") == 0)
        config->idle_timeout_ms = (int)value;
    else if (strcmp(name, "stop_timeout_ms") == 0)
        config->stop_timeout_ms = (int)value;
    else if (strcmp(name, "max_connections") == 0)
        config->max_connections = (int)value;
    else if (strcmp(name, "memory_limit") == 0)
        config->memory_limit = (size_t)value;
    else if (strcmp(name, "max_connections_per_address") == 0)
        config->max_connections_per_address = (int)value;
    else
        return false;
    return true;
}

static void listen_both(weir_server *s, weir_listen_config listener)
{
    weir_listen_raw(s, &listener, answer);
    listener.server_first = WEIR_ON;
    weir_listen_raw(s, &listener, first);
}

int main(int argc, char **argv)
{
    weir_config config = {.host = "127.0.0.1", .port = WEIR_ANY, .log_level = WEIR_OFF, .workers = 2};
    weir_tls_config tls = {0};
    weir_listen_config listener = {.host = "127.0.0.1", .port = WEIR_ANY};
    for (int i = 1; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        if (!value)
            abort();
        *value++ = '\0';
        if (strcmp(argv[i], "certificate") == 0)
            tls.certificate = value;
        else if (strcmp(argv[i], "key") == 0)
            tls.key = value;
        else if (strcmp(argv[i], "read_timeout_ms") == 0)
            listener.read_timeout_ms = (int)strtol(value, NULL, 10);
        else if (!take(&config, argv[i], strtol(value, NULL, 10)))
            abort();
    }
    weir_server *s = weir_server_new(&config);
    listen_both(s, listener);
    if (tls.certificate) {
        listener.tls = &tls;
        listen_both(s, listener);
    }
    weir_get(s, "/", hello);
    weir_server_admin(s, "/_weir", NULL);
    bool good = serving_start(s);
    printf("raw");
    for (int i = 0; good && weir_listen_raw_port(s, i); i++)
        printf(" %d", weir_listen_raw_port(s, i));
    printf("\n");
    good = good && serving_run(s);
    weir_server_free(s);
    return good ? 0 : 1;
}
