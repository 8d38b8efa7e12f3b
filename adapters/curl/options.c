/*
 * What libcurl is told of a request. All that could make it do more than that one request is off: other protocols,
 * redirections, proxies and passwords of the environment, signals.
 *
 * SPDX-License-Identifier: MIT
 */
#include "client.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* A setting of a type that libcurl takes; the first failure stays. */
#define SET(option, value)                                                                                             \
    do {                                                                                                               \
        if (code == CURLE_OK)                                                                                          \
            code = curl_easy_setopt(easy, option, value);                                                              \
    } while (0)

static CURLcode set_always(CURL *easy, const weir_curl_config *config)
{
    CURLcode code = CURLE_OK;
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_QUICK_EXIT, 1L); /* who gives up while a name is looked up does not wait for that */
    SET(CURLOPT_TCP_NODELAY, 1L);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)config->connect_timeout_ms);
    SET(CURLOPT_MAXAGE_CONN, (long)config->idle_s);
    if (config->user_agent[0])
        SET(CURLOPT_USERAGENT, config->user_agent);
    SET(CURLOPT_SSL_VERIFYPEER, config->verify == WEIR_OFF ? 0L : 1L);
    SET(CURLOPT_SSL_VERIFYHOST, config->verify == WEIR_OFF ? 0L : 2L);
    if (config->ca_file) {
        SET(CURLOPT_CAINFO, config->ca_file);
        SET(CURLOPT_CAPATH, NULL);
    }
    if (config->certificate) {
        SET(CURLOPT_SSLCERT, config->certificate);
        SET(CURLOPT_SSLKEY, config->key ? config->key : config->certificate);
    }
    return code;
}

/* A method is a token (RFC 9110 section 9.1), and none by which the connection would become something else. */
static bool is_method(const char *method)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    if (!method[0] || strlen(method) > 64 || strcasecmp(method, "CONNECT") == 0)
        return false;
    for (const char *at = method; *at; at++) {
        bool letter = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || (*at >= '0' && *at <= '9');
        if (!letter && !strchr(others, *at))
            return false;
    }
    return true;
}

static bool is_url(const char *url)
{
    if (!url || (strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0))
        return false;
    for (const char *at = url; *at; at++)
        if ((unsigned char)*at <= ' ' || *at == 0x7f)
            return false;
    return true;
}

static bool has_name(const char *line, const char *name)
{
    size_t len = strlen(name);
    return strncasecmp(line, name, len) == 0 && (line[len] == ':' || line[len] == ';');
}

/* Whether a line may be sent: it ends nowhere but at its end, and says nothing of the framing, which is libcurl's. */
static bool is_line(const char *line)
{
    if (line[0] == ':' || !strpbrk(line, ":;") || strpbrk(line, "\r\n"))
        return false;
    return !has_name(line, "Content-Length") && !has_name(line, "Transfer-Encoding") && !has_name(line, "Expect") &&
           !has_name(line, "Upgrade");
}

static int add_lines(struct transfer *t, const weir_curl_request *r, bool sends)
{
    char type[512];
    bool good = true;
    for (const char *const *line = r->headers; line && *line && good; line++) {
        if (!is_line(*line))
            return WEIR_EINVAL;
        good = transfer_add_line(&t->lines, *line);
    }
    if (r->type) {
        int len = snprintf(type, sizeof type, "Content-Type: %s", r->type);
        if (len < 0 || (size_t)len >= sizeof type || strpbrk(r->type, "\r\n"))
            return WEIR_EINVAL;
        good = good && transfer_add_line(&t->lines, type);
    }
    if (sends) /* a 100 would be waited for, for a second */
        good = good && transfer_add_line(&t->lines, "Expect:");
    return good ? 0 : WEIR_ENOMEM;
}

static void set_body(struct transfer *t, const weir_curl_request *r)
{
    t->out_ended = true;
    if (r->write_length != 0) {
        t->out_state = OUT_WRITTEN;
        t->out_left = r->write_length;
        t->out_ended = false;
    } else if (r->body) {
        t->out_state = OUT_WHOLE;
        t->out = t->whole = r->body;
        t->out_len = t->whole_len = r->body_len;
    }
}

static CURLcode set_method(struct transfer *t, const weir_curl_request *r)
{
    CURL *easy = t->easy;
    CURLcode code = CURLE_OK;
    bool sends = t->out_state != OUT_NONE;
    const char *method = r->method ? r->method : sends ? "POST" : "GET";
    if (sends) {
        int64_t len = t->out_state == OUT_WHOLE ? (int64_t)r->body_len : r->write_length;
        SET(CURLOPT_UPLOAD, 1L);
        SET(CURLOPT_INFILESIZE_LARGE, (curl_off_t)len);
        SET(CURLOPT_CUSTOMREQUEST, method);
    } else if (strcmp(method, "HEAD") == 0) {
        SET(CURLOPT_NOBODY, 1L);
    } else {
        SET(CURLOPT_HTTPGET, 1L);
        if (strcmp(method, "GET") != 0)
            SET(CURLOPT_CUSTOMREQUEST, method);
    }
    return code;
}

int transfer_set_options(struct transfer *t, const weir_curl_request *r)
{
    CURL *easy = t->easy;
    const weir_curl_config *config = &t->w->client->config;
    if (!is_url(r->url) || (r->method && !is_method(r->method)) || r->timeout_ms < 0 || r->redirects < 0 ||
        r->write_length < WEIR_OFF || r->idle_timeout_ms < WEIR_OFF || (r->body_len > 0 && !r->body))
        return WEIR_EINVAL;
    set_body(t, r);
    bool sends = t->out_state != OUT_NONE;
    if (r->redirects > 0 && sends) /* libcurl would repeat the method, and what it has of the body */
        return WEIR_EINVAL;
    int error = add_lines(t, r, sends);
    if (error)
        return error;
    CURLcode code = set_always(easy, config);
    /* A handle that has a buffer still, as behind a redirection that was refused, keeps that one's size. */
    (void)curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)SEND_SIZE);
    if (code == CURLE_OK)
        code = set_method(t, r);
    if (code == CURLE_OK)
        code = transfer_set_callbacks(t);
    SET(CURLOPT_URL, r->url);
    SET(CURLOPT_HTTPHEADER, t->lines);
    SET(CURLOPT_PRIVATE, (void *)t);
    SET(CURLOPT_ERRORBUFFER, t->text);
    if (r->unix_path)
        SET(CURLOPT_UNIX_SOCKET_PATH, r->unix_path);
    if (r->redirects > 0) {
        t->redirects = r->redirects;
        SET(CURLOPT_FOLLOWLOCATION, 1L);
        SET(CURLOPT_MAXREDIRS, (long)r->redirects);
    }
    if (code == CURLE_OK && !handle_set_sockets(easy, t->w))
        code = CURLE_OUT_OF_MEMORY;
    return code == CURLE_OK ? 0 : code == CURLE_OUT_OF_MEMORY ? WEIR_ENOMEM : WEIR_EINVAL;
}
