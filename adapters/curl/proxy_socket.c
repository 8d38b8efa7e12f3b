/*
 * WebSockets that are passed on. Libcurl connects; the handshake's two heads are written and read here, since libcurl
 * knows no Upgrade; then bytes go over in both directions, whatever they mean.
 *
 * SPDX-License-Identifier: MIT
 */
#include "proxy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#define HEAD_SIZE 16384 /* bytes of the upstream's head, and of what is passed on at once */

struct tunnel {
    struct passage *p;
    struct transfer *t;
    int idle_ms;
    size_t len; /* bytes in buffer */
    char buffer[HEAD_SIZE + 1];
};

bool proxy_is_websocket(weir_ctx *c)
{
    const char *protocol = weir_header(c, "Upgrade");
    if (!protocol || strcasecmp(protocol, "websocket") != 0)
        return false;
    if (weir_http_version(c) == WEIR_HTTP_2)
        return strcmp(weir_method(c), "CONNECT") == 0;
    const char *line;
    for (size_t i = 0; strcmp(weir_method(c), "GET") == 0 && (line = weir_header_nth(c, "Connection", i)); i++)
        if (proxy_list_has(line, "upgrade"))
            return true;
    return false;
}

/* ---- Bytes to and from the upstream, by libcurl ---- */

struct move {
    struct tunnel *tunnel;
    const char *data;
    size_t len;
    size_t done;
    CURLcode code;
};

static int send_some(void *arg)
{
    struct move *m = arg;
    m->code = curl_easy_send(m->tunnel->t->easy, m->data, m->len, &m->done);
    return 0;
}

static int receive_some(void *arg)
{
    struct move *m = arg;
    struct tunnel *tunnel = m->tunnel;
    m->code = curl_easy_recv(tunnel->t->easy, tunnel->buffer + tunnel->len, HEAD_SIZE - tunnel->len, &m->done);
    return 0;
}

/* What has come of the upstream's, behind what is in the buffer: how many bytes; 0: nothing now; WEIR_EDONE: the end;
 * or an error. */
static ssize_t receive(struct tunnel *tunnel)
{
    struct move m = {.tunnel = tunnel};
    int error = weir_call_deep(tunnel->p->c, receive_some, &m);
    if (error)
        return error;
    if (m.code == CURLE_AGAIN)
        return 0;
    if (m.code != CURLE_OK)
        return WEIR_EREACH;
    tunnel->len += m.done;
    return m.done > 0 ? (ssize_t)m.done : WEIR_EDONE;
}

/* Passes on to the client what has come: 0; WEIR_EDONE: the upstream has ended; or an error. */
static int receive_all(struct tunnel *tunnel)
{
    ssize_t len;
    while ((len = receive(tunnel)) > 0) {
        tunnel->len = 0;
        int error = weir_write(tunnel->p->c, tunnel->buffer, (size_t)len);
        if (error)
            return error;
    }
    return (int)len;
}

/* Sends all of data. While the upstream does not take it, what it sends is passed on, if relays: it may wait for
 * that. */
static int send_all(struct tunnel *tunnel, const char *data, size_t len, bool relays)
{
    weir_ctx *c = tunnel->p->c;
    while (len > 0) {
        struct move m = {.tunnel = tunnel, .data = data, .len = len};
        int error = weir_call_deep(c, send_some, &m);
        if (!error && m.code != CURLE_OK && m.code != CURLE_AGAIN)
            error = WEIR_EREACH;
        if (error)
            return error;
        data += m.done;
        len -= m.done;
        if (m.done > 0)
            continue;
        int ready =
            weir_fd_wait(c, tunnel->t->tunnel, relays ? WEIR_READABLE | WEIR_WRITABLE : WEIR_WRITABLE, tunnel->idle_ms);
        if (ready < 0)
            return ready;
        error = relays && (ready & WEIR_READABLE) ? receive_all(tunnel) : 0;
        if (error)
            return error;
    }
    return 0;
}

/* ---- The handshake ---- */

static int prepare(struct transfer *t, void *arg)
{
    (void)arg;
    t->connects = true;
    return curl_easy_setopt(t->easy, CURLOPT_CONNECT_ONLY, 1L) == CURLE_OK ? 0 : WEIR_EINVAL;
}

static int connect_upstream(struct tunnel *tunnel)
{
    struct passage *p = tunnel->p;
    weir_curl_request r = {
        .url = p->upstream,
        .timeout_ms = p->options->timeout_ms,
        .idle_timeout_ms = p->options->idle_timeout_ms,
        .unix_path = p->options->unix_path,
        .why = p->options->why,
        .why_size = p->options->why_size,
    };
    int error = transfer_begin(p->c, p->client, &r, true, prepare, NULL, &tunnel->t);
    if (error)
        return error;
    struct transfer *t = tunnel->t;
    tunnel->idle_ms = t->idle_ms;
    while (!error && !t->done)
        error = transfer_wait(t);
    transfer_left(t);
    if (!error)
        error = transfer_result(t);
    curl_socket_t s = CURL_SOCKET_BAD;
    if (!error && (curl_easy_getinfo(t->easy, CURLINFO_ACTIVESOCKET, &s) != CURLE_OK || s == CURL_SOCKET_BAD))
        error = WEIR_EREACH;
    if (error)
        return error;
    worker_forget_socket(t->w, s); /* from here on the handler waits for it */
    t->tunnel = weir_fd_new(p->c, s);
    return t->tunnel ? 0 : WEIR_ENOMEM;
}

/* A key for a client of HTTP/2, which has none. */
static void make_key(char key[static 25])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned char random[18] = {0};
    (void)!getrandom(random, 16, 0);
    for (size_t i = 0; i < 6; i++) {
        const unsigned char *three = random + 3 * i;
        key[4 * i] = digits[three[0] >> 2];
        key[4 * i + 1] = digits[(three[0] & 3) << 4 | three[1] >> 4];
        key[4 * i + 2] = digits[(three[1] & 15) << 2 | three[2] >> 6];
        key[4 * i + 3] = digits[three[2] & 63];
    }
    key[22] = key[23] = '=';
    key[24] = '\0';
}

/* Writes the request's head, of the lines and the target, to *head, which the caller frees. */
static int write_head(const struct passage *p, const struct curl_slist *lines, char **head)
{
    size_t size = 0;
    FILE *out = open_memstream(head, &size);
    if (!out)
        return WEIR_ENOMEM;
    (void)fprintf(out, "GET %s HTTP/1.1\r\n", p->target);
    if (p->options->keep_host <= 0 || !weir_host(p->c)[0]) {
        const char *authority = strstr(p->upstream, "://") + 3;
        (void)fprintf(out, "Host: %.*s\r\n", (int)strcspn(authority, "/?#"), authority);
    }
    for (; lines; lines = lines->next) {
        size_t len = strlen(lines->data), name_len = strcspn(lines->data, ":;");
        if (lines->data[name_len] == ';')
            (void)fprintf(out, "%.*s:\r\n", (int)name_len, lines->data);
        else if (name_len + 1 < len) /* else it is one of libcurl's that is not wanted */
            (void)fprintf(out, "%s\r\n", lines->data);
    }
    if (weir_http_version(p->c) == WEIR_HTTP_2) {
        char key[25];
        make_key(key);
        (void)fprintf(out, "Sec-WebSocket-Key: %s\r\n", key);
    }
    (void)fprintf(out, "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    bool bad = ferror(out);
    return fclose(out) == 0 && !bad ? 0 : WEIR_ENOMEM;
}

static int send_head(struct tunnel *tunnel)
{
    struct curl_slist *lines = NULL;
    char *head = NULL;
    int error = proxy_add_fields(tunnel->p, &lines) ? write_head(tunnel->p, lines, &head) : WEIR_ENOMEM;
    curl_slist_free_all(lines);
    if (!error)
        error = weir_defer(tunnel->p->c, free, head);
    else
        free(head);
    return error ? error : send_all(tunnel, head, strlen(head), false);
}

/* Reads up to the end of the upstream's head. *head_len is its length with the empty line. */
static int receive_head(struct tunnel *tunnel, size_t *head_len)
{
    for (;;) {
        ssize_t len = receive(tunnel);
        if (len < 0)
            return len == WEIR_EDONE ? WEIR_EREACH : (int)len;
        tunnel->buffer[tunnel->len] = '\0';
        const char *end = strstr(tunnel->buffer, "\r\n\r\n");
        if (end) {
            *head_len = (size_t)(end - tunnel->buffer) + 4;
            return 0;
        }
        if (tunnel->len == HEAD_SIZE)
            return WEIR_ETOOBIG;
        if (len == 0) {
            int ready = weir_fd_wait(tunnel->p->c, tunnel->t->tunnel, WEIR_READABLE, tunnel->idle_ms);
            if (ready < 0)
                return ready;
        }
    }
}

/* Passes a line of the upstream's head on, in place. True: it agrees on the protocol. */
static int pass_line(weir_ctx *c, char *line, const char *connection, bool opens, bool *agrees)
{
    char *colon = strchr(line, ':');
    if (!colon || colon == line)
        return WEIR_EPROTO;
    *colon = '\0';
    char *value = colon + 1 + strspn(colon + 1, " \t");
    for (char *end = value + strlen(value); end > value && (end[-1] == ' ' || end[-1] == '\t');)
        *--end = '\0';
    if (strcasecmp(line, "Upgrade") == 0)
        *agrees = strcasecmp(value, "websocket") == 0;
    if (strcasecmp(line, "Sec-WebSocket-Accept") == 0 && weir_http_version(c) == WEIR_HTTP_2)
        return 0;
    if (!opens && strncasecmp(line, "Content-", 8) == 0) /* the body is not passed on */
        return 0;
    return proxy_pass_field(c, connection, line, value);
}

/* Passes the upstream's head on: *status is its own. */
static int pass_head(struct tunnel *tunnel, size_t len, int *status)
{
    weir_ctx *c = tunnel->p->c;
    char *at = tunnel->buffer, *end = at + len - 2;
    bool agrees = false;
    if (memchr(at, '\0', len) || strncmp(at, "HTTP/1.1 ", 9) != 0 || strspn(at + 9, "0123456789") != 3)
        return WEIR_EPROTO;
    *status = (int)strtol(at + 9, NULL, 10);
    int error = 0;
    for (at = strstr(at, "\r\n") + 2; !error && at < end;) {
        char *line_end = strstr(at, "\r\n");
        *line_end = '\0';
        if (strpbrk(at, "\r\n"))
            return WEIR_EPROTO;
        error = pass_line(c, at, NULL, *status == 101, &agrees);
        at = line_end + 2;
    }
    return error ? error : *status == 101 && !agrees ? WEIR_EPROTO : 0;
}

/* ---- Bytes in both directions ---- */

/* Relays until one side ends: 0, or an error. */
static int relay(struct tunnel *tunnel)
{
    weir_ctx *c = tunnel->p->c;
    for (;;) {
        const void *data;
        size_t len;
        int result = receive_all(tunnel);
        if (result == 0)
            result = weir_read_or_wait(c, tunnel->t->tunnel, WEIR_READABLE, &data, &len, 0);
        if (result == 0 && len > 0)
            result = send_all(tunnel, data, len, true);
        else if (result == 0)
            return 0;
        if (result < 0)
            return result == WEIR_EDONE ? 0 : result;
    }
}

static void free_tunnel(void *arg)
{
    struct tunnel *tunnel = arg;
    weir_account_free(tunnel->p->client->account, tunnel);
}

/* The upstream has another answer than 101: the client gets its status and fields. */
static int refuse(weir_ctx *c, int status)
{
    if (status < 300 || status > 599)
        return WEIR_EPROTO;
    if (status >= 400)
        return weir_reply_error(c, status, NULL);
    int error = weir_set_status(c, status);
    return error ? error : weir_reply(c, NULL, "", 0);
}

int proxy_websocket(struct passage *p)
{
    weir_ctx *c = p->c;
    size_t head_len = 0;
    int status = 0;
    struct tunnel *tunnel = weir_account_alloc(p->client->account, sizeof *tunnel);
    if (!tunnel)
        return WEIR_ENOMEM;
    *tunnel = (struct tunnel){.p = p};
    int error = weir_defer(c, free_tunnel, tunnel);
    if (!error)
        error = connect_upstream(tunnel);
    if (!error)
        error = send_head(tunnel);
    if (!error)
        error = receive_head(tunnel, &head_len);
    if (!error)
        error = pass_head(tunnel, head_len, &status);
    if (!error && status != 101)
        return refuse(c, status);
    if (!error)
        error = weir_upgrade(c, "websocket");
    if (error)
        return error;
    if (tunnel->len > head_len && weir_write(c, tunnel->buffer + head_len, tunnel->len - head_len) != 0)
        return 0;
    tunnel->len = 0;
    if (relay(tunnel) != 0) /* neither side has ended: the client must not take it for an end */
        weir_fail(c, 502, "broken off");
    return 0;
}
