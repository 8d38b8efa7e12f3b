/*
 * A server with one TLS listener, and no other, for the wire tests of TLS: `secure SETTING=VALUE ...`. Settings are the
 * members of weir_tls_config by name; `more=CERTIFICATE,KEY` adds a certificate; workers, memory_limit,
 * http_buffer_size, receive_buffer, idle_timeout_ms, header_timeout_ms, log_level and root are the server's. It prints
 * `listening on https://127.0.0.1:PORT`, loads its files anew at SIGHUP, and says `reloaded` or `kept` then.
 *
 * SPDX-License-Identifier: MIT
 */
#include "serving.h"

#include <stdlib.h>
#include <string.h>

#define MORE_MAX 255

struct site {
    const char *root;
    weir_config config;
    weir_listen_config listener;
    weir_tls_config tls;
    weir_tls_certificate more[MORE_MAX];
};

static void hello(weir_ctx *c)
{
    weir_reply_text(c, "Hello, World!");
}

static void info(weir_ctx *c)
{
    weir_tls_session s;
    int error = weir_tls_info(c, &s);
    weir_reply_printf(c, "application/json",
                      "{\"error\":%d,\"version\":\"%s\",\"cipher\":\"%s\",\"server_name\":%s,\"protocol\":\"%s\","
                      "\"resumed\":%s,\"verified\":%s,\"subject\":%s}",
                      error, s.version, s.cipher, weir_json_string(c, s.server_name), s.protocol,
                      s.resumed ? "true" : "false", s.verified ? "true" : "false", weir_json_string(c, s.subject));
}

static void echo(weir_ctx *c)
{
    const void *data;
    ssize_t len;
    if (weir_body_length(c) >= 0)
        weir_set_length(c, weir_body_length(c));
    while ((len = weir_read_slice(c, &data)) > 0)
        if (weir_write(c, data, (size_t)len) != 0)
            return;
    if (len < 0)
        weir_fail(c, 400, "%s", weir_strerror((int)len));
}

/* The length of the body, or the error that ended it. */
static void length(weir_ctx *c)
{
    const void *data;
    ssize_t len;
    long long total = 0;
    while ((len = weir_read_slice(c, &data)) > 0)
        total += len;
    weir_reply_printf(c, "text/plain", "%lld", len < 0 ? (long long)len : total);
}

static void bytes(weir_ctx *c)
{
    char piece[4096];
    long long left = strtoll(weir_param(c, "count"), NULL, 10);
    weir_set_length(c, left);
    for (size_t i = 0; i < sizeof piece; i++)
        piece[i] = (char)('a' + i % 26);
    while (left > 0) {
        size_t len = left < (long long)sizeof piece ? (size_t)left : sizeof piece;
        if (weir_write(c, piece, len) != 0)
            return;
        left -= (long long)len;
    }
}

static void file(weir_ctx *c)
{
    const struct site *site = weir_server_data(c);
    if (weir_send_file(c, site->root, weir_param(c, "file")) != 0)
        weir_reply_error(c, 404, "no such file");
}

static void drip(weir_ctx *c)
{
    for (int i = 0; i < 20; i++) {
        if (weir_printf(c, "%d\n", i) != 0 || weir_flush(c) != 0)
            return;
        weir_sleep(c, 5);
    }
}

static void wait_ms(weir_ctx *c)
{
    int error = weir_sleep(c, (int)strtol(weir_param(c, "ms"), NULL, 10));
    weir_reply_printf(c, "text/plain", "%d", error);
}

/* Arguments by name: where the value goes. */
static bool take(struct site *site, const char *name, const char *value)
{
    weir_tls_config *t = &site->tls;
    const struct {
        const char *name;
        const char **text;
        int *number;
    } known[] = {
        {"certificate", &t->certificate, NULL},
        {"key", &t->key, NULL},
        {"certificate_pem", &t->certificate_pem, NULL},
        {"key_pem", &t->key_pem, NULL},
        {"ocsp_response", &t->ocsp_response, NULL},
        {"self_signed", &t->self_signed, NULL},
        {"ciphers", &t->ciphers, NULL},
        {"ciphersuites", &t->ciphersuites, NULL},
        {"groups", &t->groups, NULL},
        {"ticket_file", &t->ticket_file, NULL},
        {"client_ca", &t->client_ca, NULL},
        {"root", &site->root, NULL},
        {"strict_names", NULL, &t->strict_names},
        {"min_version", NULL, &t->min_version},
        {"http2", NULL, &t->http2},
        {"tickets", NULL, &t->tickets},
        {"client_certificates", NULL, &t->client_certificates},
        {"handshake_timeout_ms", NULL, &t->handshake_timeout_ms},
        {"max_handshakes", NULL, &t->max_handshakes},
        {"lean_records", NULL, &t->lean_records},
        {"redirect_plain", NULL, &t->redirect_plain},
        {"watch_files", NULL, &t->watch_files},
        {"workers", NULL, &site->config.workers},
        {"idle_timeout_ms", NULL, &site->config.idle_timeout_ms},
        {"header_timeout_ms", NULL, &site->config.header_timeout_ms},
        {"log_level", NULL, &site->config.log_level},
        {"receive_buffer", NULL, &site->listener.receive_buffer},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(known[i].name, name) != 0)
            continue;
        if (known[i].text)
            *known[i].text = value;
        else
            *known[i].number = (int)strtol(value, NULL, 10);
        return true;
    }
    if (strcmp(name, "memory_limit") == 0)
        site->config.memory_limit = strtoull(value, NULL, 10);
    else if (strcmp(name, "http_buffer_size") == 0)
        site->config.http_buffer_size = strtoull(value, NULL, 10);
    else
        return false;
    return true;
}

/* CERTIFICATE,KEY */
static bool take_more(struct site *site, char *value)
{
    char *comma = strchr(value, ',');
    if (!comma || site->tls.certificate_count == MORE_MAX)
        return false;
    *comma = '\0';
    site->more[site->tls.certificate_count++] = (weir_tls_certificate){.certificate = value, .key = comma + 1};
    return true;
}

static bool take_all(struct site *site, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        char *equals = strchr(argv[i], '=');
        if (!equals)
            return false;
        *equals = '\0';
        if (strcmp(argv[i], "more") == 0 ? !take_more(site, equals + 1) : !take(site, argv[i], equals + 1))
            return false;
    }
    return true;
}

/* Until SIGTERM; at SIGHUP the files are loaded anew. */
static bool run(weir_server *s)
{
    sigset_t signals = serving_end();
    int number;
    sigaddset(&signals, SIGHUP);
    printf("listening on https://127.0.0.1:%d\n", weir_server_tls_port(s));
    fflush(stdout);
    while (sigwait(&signals, &number) == 0 && number == SIGHUP) {
        puts(weir_tls_reload(s) == 0 ? "reloaded" : "kept");
        fflush(stdout);
    }
    weir_server_stop(s);
    return weir_server_wait(s) == 0;
}

int main(int argc, char **argv)
{
    static struct site site = {
        .root = ".", .config = {.workers = 2}, .listener = {.host = "127.0.0.1", .port = WEIR_ANY}};
    sigset_t hangup;
    sigemptyset(&hangup);
    sigaddset(&hangup, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &hangup, NULL);
    if (!take_all(&site, argc, argv)) {
        fprintf(stderr, "secure: an argument is wrong\n");
        return 2;
    }
    site.config.server_data = &site;
    site.tls.certificates = site.more;
    site.listener.tls = &site.tls;
    weir_server *s = weir_server_new(&site.config);
    (void)weir_server_listen(s, &site.listener);
    weir_get(s, "/", hello);
    weir_get(s, "/info", info);
    weir_any(s, "/echo", echo);
    weir_post(s, "/length", length);
    weir_get(s, "/bytes/{count}", bytes);
    weir_get(s, "/file/{file:^.*$}", file);
    weir_get(s, "/drip", drip);
    weir_get(s, "/wait/{ms}", wait_ms);
    weir_group *strict = weir_group_new(s, NULL, "/strict", NULL);
    weir_group_set(strict, &(weir_group_settings){.hsts_seconds = 31536000, .hsts_subdomains = WEIR_ON});
    weir_group_route(strict, "GET", "", hello, NULL);
    weir_server_admin(s, "/_weir", NULL);
    bool good = serving_start(s) && run(s);
    weir_server_free(s);
    return good ? 0 : 1;
}
