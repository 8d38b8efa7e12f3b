/*
 * The addresses of a server as links.
 *
 * SPDX-License-Identifier: MIT
 */
#include "cli/serve_links.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>

#define UNIX_PREFIX "unix:"

static bool is_any(const char *host)
{
    return strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

/* The text of an address of an interface that others can name without naming the interface; false: it is none, or of
 * another family. */
static bool own_address(const struct ifaddrs *at, int family, char text[INET6_ADDRSTRLEN])
{
    const struct sockaddr *a = at->ifa_addr;
    if (!a || a->sa_family != family || !(at->ifa_flags & IFF_UP))
        return false;
    if (family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, a, sizeof in);
        return inet_ntop(family, &in.sin_addr, text, INET6_ADDRSTRLEN) != NULL;
    }
    struct sockaddr_in6 in6;
    memcpy(&in6, a, sizeof in6);
    return !IN6_IS_ADDR_LINKLOCAL(&in6.sin6_addr) && inet_ntop(family, &in6.sin6_addr, text, INET6_ADDRSTRLEN);
}

/* Calls each(arg, address) for this machine's addresses of the family of a host that stands for all of them. */
static void each_own(const char *host, void (*each)(void *arg, const char *address), void *arg)
{
    struct ifaddrs *list;
    char text[INET6_ADDRSTRLEN];
    if (getifaddrs(&list) != 0)
        return;
    for (const struct ifaddrs *at = list; at; at = at->ifa_next)
        if (own_address(at, strchr(host, ':') ? AF_INET6 : AF_INET, text))
            each(arg, text);
    freeifaddrs(list);
}

struct link {
    FILE *out;
    int port;
    bool tls;
    int printed;
};

static void print_link(void *arg, const char *address)
{
    struct link *l = arg;
    bool wide = strchr(address, ':') != NULL;
    fprintf(l->out, "  http%s://%s%s%s:%d/\n", l->tls ? "s" : "", wide ? "[" : "", address, wide ? "]" : "", l->port);
    l->printed++;
}

void serve_print_links(FILE *out, const char *host, int port, bool tls)
{
    struct link l = {.out = out, .port = port, .tls = tls};
    if (strncmp(host, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0) {
        fprintf(out, "  %s\n", host);
        return;
    }
    if (is_any(host))
        each_own(host, print_link, &l);
    if (l.printed == 0)
        print_link(&l, is_any(host) ? (strchr(host, ':') ? "::1" : "127.0.0.1") : host);
}

struct names {
    char *to;
    size_t size;
};

static void add_name(void *arg, const char *name)
{
    struct names *n = arg;
    size_t len = strlen(n->to), name_len = strlen(name);
    for (const char *found = n->to; (found = strstr(found, name)) != NULL; found += name_len)
        if ((found == n->to || found[-1] == ' ') && (found[name_len] == ' ' || found[name_len] == '\0'))
            return;
    if (len + name_len + 2 <= n->size)
        snprintf(n->to + len, n->size - len, " %s", name);
}

void serve_certificate_names(char *names, size_t size, const char *const *hosts, size_t count)
{
    struct names n = {.to = names, .size = size};
    snprintf(names, size, "localhost 127.0.0.1 ::1");
    for (size_t i = 0; i < count; i++) {
        if (is_any(hosts[i]))
            each_own(hosts[i], add_name, &n);
        else if (strncmp(hosts[i], UNIX_PREFIX, strlen(UNIX_PREFIX)) != 0)
            add_name(&n, hosts[i]);
    }
}
