/*
 * The line of transfers.
 *
 * SPDX-License-Identifier: MIT
 */
#include "cli/progress_line.h"
#include "cli/show.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define NAME_MIN 12 /* columns that a name is shortened to, at most */

/* ---- Names ---- */

static int hex_digit(char c)
{
    const char *digits = "0123456789abcdef", *at = c ? strchr(digits, tolower((unsigned char)c)) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* The byte that the path has at `at`, which moves behind it. A triplet stands for its byte (RFC 3986 section 2.1). */
static unsigned char next_byte(const char **at)
{
    const char *p = *at;
    int high = p[0] == '%' ? hex_digit(p[1]) : -1, low = high >= 0 ? hex_digit(p[2]) : -1;
    *at += low >= 0 ? 3 : 1;
    return low >= 0 ? (unsigned char)(high * 16 + low) : (unsigned char)p[0];
}

void progress_name(char name[PROGRESS_NAME_SIZE], const char *target)
{
    const char *end = target + strcspn(target, "?#"), *begin = end;
    size_t len = 0;
    while (begin > target && begin[-1] == '/' && begin == end)
        begin--; /* the slash that ends the path */
    while (begin > target && begin[-1] != '/')
        begin--;
    for (const char *at = begin; at < end && len + 4 < PROGRESS_NAME_SIZE;) {
        unsigned char byte = next_byte(&at);
        if (byte >= 0x20 && byte < 0x7f)
            name[len++] = (char)byte;
        else
            len += (size_t)snprintf(name + len, 4, "%%%02X", byte);
    }
    name[len] = '\0';
}

/* ---- The line ---- */

/* Puts a name of at most `most` columns behind len bytes of the line. */
static size_t put_name(char *line, size_t len, const char *name, size_t most)
{
    size_t name_len = strlen(name);
    if (name_len <= most) {
        memcpy(line + len, name, name_len + 1);
        return len + name_len;
    }
    size_t behind = (most - 3) / 2, before = most - 3 - behind;
    memcpy(line + len, name, before);
    memcpy(line + len + before, "...", 3);
    memcpy(line + len + before + 3, name + name_len - behind, behind + 1);
    return len + most;
}

/* How far they have come, and how fast. */
static void put_figures(char *text, size_t size, const struct progress *p)
{
    char done[TEXT_SIZE], total[TEXT_SIZE], rate[TEXT_SIZE];
    show_bytes(done, (double)p->done);
    show_bytes(rate, p->rate);
    if (!p->total_known || p->total == 0) {
        snprintf(text, size, ": %s, %s/s", done, rate);
        return;
    }
    uint64_t most = p->done < p->total ? p->done : p->total; /* framing may be counted with what has come */
    snprintf(text, size, ": %.0f%%, %s of %s, %s/s", (double)(uint64_t)((double)most / (double)p->total * 100), done,
             show_bytes(total, (double)p->total), rate);
}

/* Cuts a line at the width, behind a figure, so that none is cut. */
static void cut(char *line, size_t width)
{
    size_t len = strlen(line) > width ? width : strlen(line);
    if (line[len] && !strchr(",:", line[len]))
        while (len > 0 && !strchr(",:", line[len]))
            len--;
    line[len] = '\0';
}

void progress_line(char *line, size_t width, const struct progress *p)
{
    char what[96], figures[128], whole[sizeof what + sizeof figures];
    size_t count = p->sending + p->receiving;
    line[0] = '\0';
    if (count == 0)
        return;
    put_figures(figures, sizeof figures, p);
    if (count == 1 && *p->name && !p->more) {
        size_t len = (size_t)snprintf(what, sizeof what, "%s ", p->sending ? "sending" : "receiving");
        size_t used = len + strlen(figures), room = used < width ? width - used : 0;
        if (room >= strlen(p->name) || room >= NAME_MIN) {
            memcpy(line, what, len + 1);
            len = put_name(line, len, p->name, room);
            snprintf(line + len, width + 1 - len, "%s", figures);
            return;
        }
    }
    if (p->sending && p->receiving)
        snprintf(what, sizeof what, "sending %zu, receiving %zu%s", p->sending, p->receiving,
                 p->more ? ", and more" : "");
    else
        snprintf(what, sizeof what, "%s %zu%s", p->sending ? "sending" : "receiving", count,
                 p->more ? " and more" : "");
    snprintf(whole, sizeof whole, "%s%s", what, figures);
    cut(whole, width);
    snprintf(line, width + 1, "%s", whole);
}
