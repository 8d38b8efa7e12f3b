/*
 * Reading offers, and answering one.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/websocket/negotiate.h"

#include "base/debug.h"
#include "web/websocket/extension.h"

/* One offer: bits are 0 where the parameter is not there, and BITS_OPEN where it has no value. */
struct offer {
    bool server_no_takeover, client_no_takeover;
    uint8_t server_bits, client_bits;
};

#define BITS_OPEN 255

/* A window's bits: 8 to 15, in decimal without a leading zero; 0: no such number. */
static uint8_t bits_read(struct slice value)
{
    const char *digits = value.data;
    if (value.len == 1 && (digits[0] == '8' || digits[0] == '9'))
        return (uint8_t)(digits[0] - '0');
    if (value.len == 2 && digits[0] == '1' && digits[1] >= '0' && digits[1] <= '5')
        return (uint8_t)(10 + digits[1] - '0');
    return 0;
}

/* Notes a parameter that has no value. False: it has one, or comes a second time. */
static bool note_flag(bool *flag, const struct ws_parameter *p)
{
    bool good = !*flag && !p->value.data;
    *flag = true;
    return good;
}

/* Notes a window's bits. */
static bool note_bits(uint8_t *bits, const struct ws_parameter *p, bool may_be_open)
{
    bool good = *bits == 0;
    *bits = p->value.data ? bits_read(p->value) : may_be_open ? BITS_OPEN : 0;
    return good && *bits > 0;
}

/* Notes one parameter. False: the offer has to be declined for it (RFC 7692 section 7.1). */
static bool note(struct offer *o, const struct ws_parameter *p)
{
    if (slice_equal_nocase(p->name, SLICE("server_no_context_takeover")))
        return note_flag(&o->server_no_takeover, p);
    if (slice_equal_nocase(p->name, SLICE("client_no_context_takeover")))
        return note_flag(&o->client_no_takeover, p);
    if (slice_equal_nocase(p->name, SLICE("server_max_window_bits")))
        return note_bits(&o->server_bits, p, false);
    if (slice_equal_nocase(p->name, SLICE("client_max_window_bits")))
        return note_bits(&o->client_bits, p, true);
    return false;
}

enum offer_result { OFFER_GOOD, OFFER_DECLINED, OFFER_MALFORMED };

static enum offer_result offer_read(struct slice parameters, struct offer *o)
{
    struct ws_parameter p;
    enum ws_extension_result result;
    bool good = true;
    *o = (struct offer){0};
    while ((result = ws_parameter_next(&parameters, &p)) == WS_EXTENSION_FOUND)
        good = note(o, &p) && good;
    return result == WS_EXTENSION_MALFORMED ? OFFER_MALFORMED : good ? OFFER_GOOD : OFFER_DECLINED;
}

static void add(struct ws_extensions *answer, struct slice text)
{
    debug_assert(answer->len + text.len <= sizeof answer->text);
    memcpy(answer->text + answer->len, text.data, text.len);
    answer->len = (uint8_t)(answer->len + text.len);
}

static void add_bits(struct ws_extensions *answer, struct slice name, unsigned bits)
{
    char digits[] = {'1', (char)('0' + bits % 10)};
    add(answer, name);
    add(answer, bits < 10 ? slice_of(digits + 1, 1) : slice_of(digits, 2));
}

/* Agrees on an offer. False: it cannot be met. */
static bool offer_meet(const struct offer *o, const struct ws_deflate_settings *wanted, struct ws_extensions *answer)
{
    uint8_t server_bits = wanted->server_bits, client_bits = wanted->client_bits;
    if (o->server_bits > 0 && o->server_bits < server_bits)
        server_bits = o->server_bits;
    if (o->client_bits > 0 && o->client_bits < client_bits)
        client_bits = o->client_bits;
    if (server_bits < WS_BITS_MIN || (o->client_bits == 0 && client_bits < WS_BITS_MAX))
        return false;
    bool server_takeover = wanted->server_takeover && !o->server_no_takeover;
    bool client_takeover = wanted->client_takeover && !o->client_no_takeover;
    answer->deflate = (struct ws_deflate){.server_bits = server_bits & 15U, .client_bits = client_bits & 15U};
    answer->deflate.flags = (uint8_t)(WS_DEFLATE_ON | (server_takeover ? WS_SERVER_TAKEOVER : 0) |
                                      (client_takeover ? WS_CLIENT_TAKEOVER : 0));
    add(answer, SLICE("permessage-deflate"));
    if (!server_takeover)
        add(answer, SLICE("; server_no_context_takeover"));
    if (!client_takeover)
        add(answer, SLICE("; client_no_context_takeover"));
    if (o->server_bits > 0)
        add_bits(answer, SLICE("; server_max_window_bits="), server_bits);
    if (o->client_bits > 0 && client_bits < WS_BITS_MAX)
        add_bits(answer, SLICE("; client_max_window_bits="), client_bits);
    return true;
}

/* Goes over one line. False: it is malformed. */
static bool line_read(struct slice line, const struct ws_deflate_settings *wanted, struct ws_extensions *answer)
{
    struct slice name, parameters;
    enum ws_extension_result result;
    while ((result = ws_extension_next(&line, &name, &parameters)) == WS_EXTENSION_FOUND) {
        struct offer offer;
        enum offer_result read = offer_read(parameters, &offer);
        if (read == OFFER_MALFORMED)
            return false;
        bool known = slice_equal_nocase(name, SLICE("permessage-deflate"));
        if (known && read == OFFER_GOOD && wanted->on && answer->len == 0)
            (void)offer_meet(&offer, wanted, answer);
    }
    return result == WS_EXTENSION_END;
}

bool ws_negotiate(struct ws_lines lines, const struct ws_deflate_settings *wanted, struct ws_extensions *answer)
{
    answer->deflate = (struct ws_deflate){0};
    answer->len = 0;
    for (size_t i = 0; i < lines.count; i++)
        if (!line_read(lines.values[i], wanted, answer))
            return false;
    return true;
}
