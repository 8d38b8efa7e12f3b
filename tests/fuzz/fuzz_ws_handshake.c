/*
 * The opening handshake of a WebSocket: what is decided on a request's fields is what a slow reader decides, which
 * knows the grammar of RFC 6455 section 9.1 and of lists by itself.
 *
 * The input is lines; the first byte of each says which field it is of.
 *
 * SPDX-License-Identifier: MIT
 */
#include "fuzz.h"
#include "web/websocket/handshake.h"
#include "weir.h"

#include <ctype.h>
#include <strings.h>

#define LINES_MAX 64

enum { UPGRADE, CONNECTION, KEY, VERSION, PROTOCOLS, EXTENSIONS, ORIGIN, AUTHORITY, FIELDS };

struct field {
    struct slice lines[LINES_MAX];
    size_t count;
};

static const char letters[] = "UCKVPEOA"; /* by the enumeration above */

/* ---- Lists ---- */

/* A string of its own; freed by the caller. */
static char *string_of(const char *from, const char *to)
{
    char *copy = malloc((size_t)(to - from) + 1);
    FUZZ_CHECK(copy);
    memcpy(copy, from, (size_t)(to - from));
    copy[to - from] = '\0';
    return copy;
}

static char *trimmed(const char *from, const char *to)
{
    while (from < to && (*from == ' ' || *from == '\t'))
        from++;
    while (from < to && (to[-1] == ' ' || to[-1] == '\t'))
        to--;
    return string_of(from, to);
}

/* Calls each() for all members of a field, until it is false. */
static bool members(const struct field *f, bool (*each)(void *arg, const char *member), void *arg)
{
    for (size_t i = 0; i < f->count; i++) {
        const char *at = f->lines[i].data, *end = at + f->lines[i].len;
        while (at <= end) {
            const char *to = at;
            while (to < end && *to != ',')
                to++;
            char *member = trimmed(at, to);
            bool go_on = !*member || each(arg, member);
            free(member);
            if (!go_on)
                return false;
            at = to + 1;
        }
    }
    return true;
}

static bool is_other(void *arg, const char *member)
{
    return strcasecmp(member, arg) != 0;
}

static bool has(const struct field *f, const char *name)
{
    return !members(f, is_other, (void *)(uintptr_t)name);
}

/* ---- Grammar ---- */

static bool is_tchar(char c)
{
    return isalnum((unsigned char)c) || (c && strchr("!#$%&'*+-.^_`|~", c));
}

static const char *skip(const char *p)
{
    return p + strspn(p, " \t");
}

static const char *skip_token(const char *p)
{
    const char *from = p;
    while (is_tchar(*p))
        p++;
    return p > from ? p : NULL;
}

struct offers {
    bool good[LINES_MAX]; /* could be agreed on */
    bool server_no[LINES_MAX], client_no[LINES_MAX];
    unsigned server[LINES_MAX], client[LINES_MAX]; /* 0: not there; 99: without a value */
    size_t count;
};

/* A parameter of an offer. */
static void offer_add(struct offers *o, const char *name, const char *value)
{
    size_t i = o->count;
    bool good = false;
    if (!strcasecmp(name, "server_no_context_takeover")) {
        good = !value && !o->server_no[i];
        o->server_no[i] = true;
    } else if (!strcasecmp(name, "client_no_context_takeover")) {
        good = !value && !o->client_no[i];
        o->client_no[i] = true;
    } else if (!strcasecmp(name, "server_max_window_bits") || !strcasecmp(name, "client_max_window_bits")) {
        bool server = tolower((unsigned char)name[0]) == 's';
        unsigned *to = server ? &o->server[i] : &o->client[i], bits = value ? 0 : 99;
        for (unsigned n = 8; value && n <= 15; n++) {
            char text[4];
            snprintf(text, sizeof text, "%u", n);
            bits = strcmp(text, value) == 0 ? n : bits;
        }
        good = *to == 0 && bits > 0 && (bits < 99 || !server);
        *to = bits ? bits : 1;
    }
    o->good[i] = o->good[i] && good;
}

/* One member: a token, then parameters. False: it is none. */
static bool offer_read(void *arg, const char *member)
{
    struct offers *o = arg;
    const char *p = skip_token(member);
    if (!p)
        return false;
    char *name = string_of(member, p);
    bool known = !strcasecmp(name, "permessage-deflate") && o->count < LINES_MAX;
    size_t i = o->count;
    free(name);
    if (known)
        o->good[i] = true;
    for (p = skip(p); *p;) {
        if (*p++ != ';')
            return false;
        const char *from = skip(p), *value = NULL, *value_end = NULL, *end = skip_token(from);
        if (!end)
            return false;
        p = skip(end);
        if (*p == '=') {
            value = skip(p + 1);
            bool quoted = *value == '"';
            value += quoted;
            value_end = skip_token(value);
            if (!value_end || (quoted && *value_end != '"'))
                return false;
            p = skip(value_end + quoted);
        }
        char *name_text = string_of(from, end), *value_text = value ? string_of(value, value_end) : NULL;
        if (known)
            offer_add(o, name_text, value_text);
        free(name_text);
        free(value_text);
    }
    if (known)
        o->count++;
    return true;
}

/* ---- Decisions ---- */

static bool key_is_good(struct slice key)
{
    if (key.len != 24 || key.data[22] != '=' || key.data[23] != '=')
        return false;
    for (size_t i = 0; i < 22; i++)
        if (!isalnum((unsigned char)key.data[i]) && key.data[i] != '+' && key.data[i] != '/')
            return false;
    return true;
}

/* An origin with its port, in lower case; freed by the caller. NULL: none of http and https. */
static char *origin_of(const char *scheme, struct slice rest)
{
    const char *port = strcmp(scheme, "https://") == 0 ? ":443" : ":80";
    size_t digits = 0;
    while (digits < rest.len && isdigit((unsigned char)rest.data[rest.len - 1 - digits]))
        digits++;
    bool has_colon = digits < rest.len && rest.data[rest.len - 1 - digits] == ':';
    size_t host = has_colon ? rest.len - digits - 1 : rest.len;
    if (host == 0)
        return NULL;
    char *text = malloc(rest.len + 32);
    FUZZ_CHECK(text);
    strncpy(text, scheme, 9);
    size_t len = strlen(text);
    for (size_t i = 0; i < host; i++)
        text[len++] = (char)tolower((unsigned char)rest.data[i]);
    if (has_colon && digits > 0) {
        memcpy(text + len, rest.data + host, digits + 1);
        text[len + digits + 1] = '\0';
    } else {
        strncpy(text + len, port, 5);
    }
    return text;
}

static bool is_own(struct slice origin, struct slice authority)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (int i = 0; i < 2; i++) {
        size_t len = strlen(schemes[i]);
        if (origin.len < len || strncasecmp(origin.data, schemes[i], len) != 0)
            continue;
        char *a = origin_of(schemes[i], slice_of(origin.data + len, origin.len - len));
        char *b = origin_of(schemes[i], authority);
        bool same = a && b && strcmp(a, b) == 0;
        free(a);
        free(b);
        return same;
    }
    return false;
}

static bool is_protocol(void *arg, const char *member)
{
    const char **chosen = arg, *end = skip_token(member);
    if (!end || *end)
        return false;
    if (!*chosen)
        *chosen = strcmp(member, "chat") == 0 ? "chat" : strcmp(member, "superchat") == 0 ? "superchat" : NULL;
    return true;
}

static enum ws_verdict reference(const struct field *f, bool upgrade, struct slice authority)
{
    const char *chosen = NULL;
    struct offers offers = {0};
    if (upgrade && (!has(&f[UPGRADE], "websocket") || !has(&f[CONNECTION], "upgrade")))
        return WS_NOT_ASKED;
    if (upgrade && (f[KEY].count != 1 || !key_is_good(f[KEY].lines[0])))
        return WS_MALFORMED;
    if (f[VERSION].count > 1)
        return WS_MALFORMED;
    if (f[VERSION].count == 0 || !slice_equal(f[VERSION].lines[0], SLICE("13")))
        return WS_OTHER_VERSION;
    if (f[ORIGIN].count > 1)
        return WS_MALFORMED;
    if (f[ORIGIN].count == 1 && !is_own(f[ORIGIN].lines[0], authority) &&
        !is_own(f[ORIGIN].lines[0], SLICE("b.example:8080")) && !slice_equal_nocase(f[ORIGIN].lines[0], SLICE("null")))
        return WS_FOREIGN;
    if (!members(&f[PROTOCOLS], is_protocol, &chosen) || !members(&f[EXTENSIONS], offer_read, &offers))
        return WS_MALFORMED;
    return WS_ACCEPTED;
}

/* The answer is what the first offer that can be met allows. */
static void check_extensions(const struct field *f, const struct ws_deflate_settings *wanted,
                             const struct ws_extensions *a)
{
    struct offers o = {0};
    FUZZ_CHECK(members(f, offer_read, &o));
    char right[256] = "";
    for (size_t i = 0; i < o.count && !*right; i++) {
        unsigned server = o.server[i] && o.server[i] < wanted->server_bits ? o.server[i] : wanted->server_bits;
        unsigned client = o.client[i] && o.client[i] < wanted->client_bits ? o.client[i] : wanted->client_bits;
        if (!wanted->on || !o.good[i] || server < 9 || (!o.client[i] && client < 15))
            continue;
        bool server_no = o.server_no[i] || !wanted->server_takeover,
             client_no = o.client_no[i] || !wanted->client_takeover;
        char server_text[32] = "", client_text[32] = "";
        if (o.server[i])
            snprintf(server_text, sizeof server_text, "; server_max_window_bits=%u", server);
        if (o.client[i] && client < 15)
            snprintf(client_text, sizeof client_text, "; client_max_window_bits=%u", client);
        snprintf(right, sizeof right, "permessage-deflate%s%s%s%s", server_no ? "; server_no_context_takeover" : "",
                 client_no ? "; client_no_context_takeover" : "", server_text, client_text);
        FUZZ_CHECK(a->deflate.server_bits == server && a->deflate.client_bits == client);
        FUZZ_CHECK(!(a->deflate.flags & WS_SERVER_TAKEOVER) == server_no);
        FUZZ_CHECK(!(a->deflate.flags & WS_CLIENT_TAKEOVER) == client_no);
    }
    FUZZ_CHECK(slice_equal(slice_from(right), slice_of(a->text, a->len)));
    FUZZ_CHECK(!(a->deflate.flags & WS_DEFLATE_ON) == !*right);
}

/* ---- The input ---- */

/* Cuts the input into fields; the copies of their lines are freed by the caller. */
static void fields_read(struct field *fields, const uint8_t *data, size_t size)
{
    while (size > 0) {
        const uint8_t *feed = memchr(data, '\n', size);
        size_t len = feed ? (size_t)(feed - data) : size;
        const char *letter = len > 0 && data[0] ? strchr(letters, data[0]) : NULL;
        if (letter && fields[letter - letters].count < LINES_MAX && !memchr(data, 0, len)) {
            struct field *f = &fields[letter - letters];
            f->lines[f->count++] = slice_of(fuzz_copy(data + 1, len - 1, 0), len - 1);
        }
        data += len + (feed != NULL);
        size -= len + (feed != NULL);
    }
}

static struct ws_lines lines_of(const struct field *f)
{
    return (struct ws_lines){f->lines, f->count};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct field fields[FIELDS];
    if (size < 1 || size > 8192)
        return 0;
    for (size_t i = 0; i < FIELDS; i++)
        fields[i].count = 0;
    fields_read(fields, data + 1, size - 1);
    bool upgrade = !(data[0] & 1);
    struct slice authority = fields[AUTHORITY].count ? fields[AUTHORITY].lines[0] : SLICE("a.example");
    const struct ws_policy policy = {.protocols = " chat  superchat",
                                     .origins = "http://b.example:8080 https://b.example:8080 null",
                                     .deflate = {.on = !(data[0] & 2),
                                                 .server_takeover = data[0] & 4,
                                                 .client_takeover = data[0] & 8,
                                                 .server_bits = data[0] & 16 ? 15 : 11,
                                                 .client_bits = data[0] & 32 ? 15 : 10}};
    const struct ws_request r = {.http = upgrade ? WEIR_HTTP_1_1 : WEIR_HTTP_2,
                                 .method = SLICE("GET"),
                                 .authority = authority,
                                 .upgrade = lines_of(&fields[UPGRADE]),
                                 .connection = lines_of(&fields[CONNECTION]),
                                 .key = lines_of(&fields[KEY]),
                                 .version = lines_of(&fields[VERSION]),
                                 .protocols = lines_of(&fields[PROTOCOLS]),
                                 .extensions = lines_of(&fields[EXTENSIONS]),
                                 .origin = lines_of(&fields[ORIGIN])};
    struct ws_answer answer;
    const char *why = NULL, *chosen = NULL;
    enum ws_verdict verdict = ws_handshake(&r, &policy, &answer, &why);
    FUZZ_CHECK(verdict == reference(fields, upgrade, authority));
    FUZZ_CHECK((verdict == WS_ACCEPTED) == (why == NULL));
    if (verdict == WS_ACCEPTED) {
        members(&fields[PROTOCOLS], is_protocol, &chosen);
        FUZZ_CHECK(slice_equal(answer.protocol, slice_from(chosen)));
        check_extensions(&fields[EXTENSIONS], &policy.deflate, &answer.extensions);
    }
    for (size_t i = 0; i < FIELDS; i++)
        for (size_t j = 0; j < fields[i].count; j++)
            free((char *)(uintptr_t)fields[i].lines[j].data);
    return 0;
}
