/*
 * A sorted array, looked up by halves: once for the name itself, once for the one with a star for its first label.
 *
 * SPDX-License-Identifier: MIT
 */
#include "net/tls/names.h"
#include "weir.h"

#include <stdlib.h>
#include <string.h>

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

/* Copies a name as names are kept: to holds TLS_NAME_MAX + 1 bytes. Its length; 0: it is none. */
static size_t name_copy(char *to, const char *name, size_t len)
{
    if (len > 0 && name[len - 1] == '.')
        len--;
    if (len == 0 || len > TLS_NAME_MAX)
        return 0;
    size_t star = len > 2 && name[0] == '*' && name[1] == '.' ? 1 : 0;
    for (size_t i = 0; i < len; i++) {
        to[i] = lower(name[i]);
        if (i >= star && !is_name_byte(to[i]))
            return 0;
    }
    to[len] = '\0';
    return len;
}

static bool names_grow(struct tls_names *n)
{
    uint32_t room = n->room ? n->room * 2 : 8;
    struct tls_name *larger = memory_alloc(n->account, room * sizeof *larger);
    if (!larger)
        return false;
    if (n->count > 0)
        memcpy(larger, n->names, n->count * sizeof *larger);
    memory_free(n->account, n->names, n->room * sizeof *larger);
    n->names = larger;
    n->room = room;
    return true;
}

int tls_names_add(struct tls_names *n, const char *name, size_t len, uint32_t owner)
{
    char copy[TLS_NAME_MAX + 1];
    len = name_copy(copy, name, len);
    if (len == 0)
        return 0;
    if (n->count == n->room && !names_grow(n))
        return WEIR_ENOMEM;
    char *kept = memory_alloc(n->account, len + 1);
    if (!kept)
        return WEIR_ENOMEM;
    memcpy(kept, copy, len + 1);
    n->names[n->count] = (struct tls_name){.name = kept, .owner = owner, .order = n->count};
    n->count++;
    return 0;
}

static int name_compare(const void *a, const void *b)
{
    const struct tls_name *x = a, *y = b;
    int by_name = strcmp(x->name, y->name);
    return by_name ? by_name : x->order < y->order ? -1 : x->order > y->order;
}

void tls_names_seal(struct tls_names *n)
{
    if (n->count > 1)
        qsort(n->names, n->count, sizeof *n->names, name_compare);
}

/* The first that is not before name. */
static int find_exact(const struct tls_names *n, const char *name)
{
    uint32_t low = 0, high = n->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (strcmp(n->names[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < n->count && strcmp(n->names[low].name, name) == 0 ? (int)n->names[low].owner : -1;
}

int tls_names_find(const struct tls_names *n, const char *host)
{
    char copy[TLS_NAME_MAX + 1];
    if (name_copy(copy, host, strlen(host)) == 0 || copy[0] == '*')
        return -1;
    int owner = find_exact(n, copy);
    char *dot = strchr(copy, '.');
    if (owner >= 0 || !dot || dot == copy)
        return owner;
    dot[-1] = '*';
    return find_exact(n, dot - 1);
}

void tls_names_done(struct tls_names *n)
{
    for (uint32_t i = 0; i < n->count; i++)
        memory_free(n->account, n->names[i].name, strlen(n->names[i].name) + 1);
    memory_free(n->account, n->names, n->room * sizeof *n->names);
    *n = (struct tls_names){.account = n->account};
}
