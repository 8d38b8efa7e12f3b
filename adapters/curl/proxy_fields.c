/*
 * Which fields a proxy passes on, and which it adds.
 *
 * SPDX-License-Identifier: MIT
 */
#include "proxy.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool proxy_is_hop_field(const char *name)
{
    static const char *const names[] = {
        "Connection",
        "Keep-Alive",
        "Proxy-Connection",
        "TE",
        "Trailer",
        "Transfer-Encoding",
        "Upgrade",
        "HTTP2-Settings",
        "Content-Length",
        "Proxy-Authenticate",
        "Proxy-Authentication-Info",
        "Proxy-Authorization",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcasecmp(names[i], name) == 0)
            return true;
    return false;
}

bool proxy_list_has(const char *list, const char *member)
{
    size_t len = strlen(member);
    while (list && *list) {
        list += strspn(list, " \t,");
        size_t at = strcspn(list, " \t,;");
        if (at == len && strncasecmp(list, member, len) == 0)
            return true;
        list += strcspn(list, ",");
    }
    return false;
}

/* Whether a line of the client's Connection names the field. */
static bool is_named(weir_ctx *c, const char *name)
{
    const char *line;
    for (size_t i = 0; (line = weir_header_nth(c, "Connection", i)); i++)
        if (proxy_list_has(line, name))
            return true;
    return false;
}

WEIR_PRINTF(2, 3) static bool add(struct curl_slist **lines, const char *format, ...)
{
    va_list arguments;
    char *line = NULL;
    va_start(arguments, format);
    int len = vasprintf(&line, format, arguments);
    va_end(arguments);
    if (len < 0)
        return false;
    bool good = transfer_add_line(lines, line);
    free(line);
    return good;
}

static bool add_field(struct curl_slist **lines, const char *name, const char *value)
{
    return value[0] ? add(lines, "%s: %s", name, value) : add(lines, "%s;", name);
}

/* A field that the proxy writes itself, or leaves out. */
static bool is_own(const struct passage *p, const char *name)
{
    if (strcasecmp(name, "Forwarded") == 0)
        return p->options->forwarded == WEIR_OFF;
    return strncasecmp(name, "X-Forwarded-", 12) == 0 || strcasecmp(name, "Host") == 0 ||
           strcasecmp(name, "Expect") == 0;
}

static bool add_clients(const struct passage *p, struct curl_slist **lines)
{
    const char *name, *value;
    for (size_t i = 0; weir_header_item(p->c, i, &name, &value); i++) {
        if (proxy_is_hop_field(name) || is_own(p, name) || is_named(p->c, name))
            continue;
        if (!add_field(lines, name, value))
            return false;
    }
    return true;
}

/* The address by which the request has come to this proxy, without a port. Without fields of earlier proxies it is the
 * client's, which a PROXY preface may tell. */
static void seen_address(weir_ctx *c, char *address, size_t size)
{
    bool forwarded = weir_header(c, "Forwarded") || weir_header(c, "X-Forwarded-For");
    (void)snprintf(address, size, "%s", forwarded ? weir_peer(c) : weir_client(c));
    if (!forwarded)
        return;
    char *port = strrchr(address, ':');
    if (port)
        *port = '\0';
    if (address[0] == '[') {
        address[strcspn(address, "]")] = '\0';
        memmove(address, address + 1, strlen(address));
    }
}

static bool add_forwarded(const struct passage *p, struct curl_slist **lines)
{
    weir_ctx *c = p->c;
    char address[128];
    seen_address(c, address, sizeof address);
    const char *host = weir_client_host(c), *scheme = weir_client_scheme(c);
    bool unix_socket = !address[0] || strncmp(address, "unix", 4) == 0;
    if (p->options->forwarded != WEIR_OFF) {
        const char *open = strchr(address, ':') ? "\"[" : "", *close = open[0] ? "]\"" : "";
        bool tells_host = host[0] && !strpbrk(host, "\"\\");
        if (!add(lines, "Forwarded: for=%s%s%s;proto=%s%s%s%s", unix_socket ? "" : open,
                 unix_socket ? "unknown" : address, unix_socket ? "" : close, scheme, tells_host ? ";host=\"" : "",
                 tells_host ? host : "", tells_host ? "\"" : ""))
            return false;
    }
    if (p->options->x_forwarded == WEIR_OFF)
        return true;
    const char *line;
    for (size_t i = 0; (line = weir_header_nth(c, "X-Forwarded-For", i)); i++)
        if (line[0] && !add(lines, "X-Forwarded-For: %s", line))
            return false;
    return add(lines, "X-Forwarded-For: %s", unix_socket ? "unknown" : address) &&
           add(lines, "X-Forwarded-Proto: %s", scheme) && (!host[0] || add(lines, "X-Forwarded-Host: %s", host));
}

bool proxy_add_fields(const struct passage *p, struct curl_slist **lines)
{
    weir_ctx *c = p->c;
    static const char *const defaults[] = {"User-Agent", "Accept"};
    if (!add_clients(p, lines) || !add_forwarded(p, lines) ||
        !add(lines, "Via: %s %s",
             weir_http_version(c) == WEIR_HTTP_2     ? "2.0"
             : weir_http_version(c) == WEIR_HTTP_1_0 ? "1.0"
                                                     : "1.1",
             p->options->via ? p->options->via : "weir"))
        return false;
    if (p->options->keep_host > 0 && weir_host(c)[0] && !add(lines, "Host: %s", weir_host(c)))
        return false;
    const char *te = weir_header(c, "TE");
    if (te && proxy_list_has(te, "trailers") && !proxy_is_websocket(c) &&
        (!add(lines, "TE: trailers") || !add(lines, "Connection: TE")))
        return false;
    for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++) /* libcurl's own is not the client's */
        if (!weir_header(c, defaults[i]) && !add(lines, "%s:", defaults[i]))
            return false;
    return true;
}

int proxy_pass_field(weir_ctx *c, const char *connection, const char *name, const char *value)
{
    if (proxy_is_hop_field(name) || strcasecmp(name, "Date") == 0 || proxy_list_has(connection, name))
        return 0;
    int error = weir_add_header(c, name, value);
    return error == WEIR_ENOMEM ? error : 0; /* what is no field is not passed on */
}
