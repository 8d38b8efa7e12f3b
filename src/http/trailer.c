/*
 * The fields that no trailer may hold, by name and by family: those that say how a message is framed, routed or
 * authorised, and what its content is. Someone behind weir may take a trailer field for one of the head's. Others are
 * data.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/trailer.h"

static const struct slice names[] = {
    {"Authorization", 13},
    {"Cache-Control", 13},
    {"Connection", 10},
    {"Content-Encoding", 16},
    {"Content-Length", 14},
    {"Content-Range", 13},
    {"Content-Type", 12},
    {"Cookie", 6},
    {"Expect", 6},
    {"Forwarded", 9},
    {"Host", 4},
    {"HTTP2-Settings", 14},
    {"Keep-Alive", 10},
    {"Max-Forwards", 12},
    {"Origin", 6},
    {"Range", 5},
    {"Set-Cookie", 10},
    {"TE", 2},
    {"Trailer", 7},
    {"Transfer-Encoding", 17},
    {"Upgrade", 7},
    {"X-HTTP-Method-Override", 22},
};

static const struct slice families[] = {
    {"If-", 3},
    {"Proxy-", 6},
    {"Sec-", 4},
    {"X-Forwarded-", 12},
};

/* Of a reply: what its caching, its place and its authentication depend on. */
static const struct slice reply_names[] = {
    {"Age", 3},      {"Date", 4},         {"Expires", 7},
    {"Location", 8}, {"Retry-After", 11}, {"Strict-Transport-Security", 25},
    {"Vary", 4},     {"Warning", 7},      {"WWW-Authenticate", 16},
};

bool trailer_is_forbidden(struct slice name)
{
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++)
        if (name.len >= families[i].len && slice_equal_nocase(slice_of(name.data, families[i].len), families[i]))
            return true;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (slice_equal_nocase(name, names[i]))
            return true;
    return false;
}

bool trailer_is_forbidden_in_reply(struct slice name)
{
    for (size_t i = 0; i < sizeof reply_names / sizeof reply_names[0]; i++)
        if (slice_equal_nocase(name, reply_names[i]))
            return true;
    return trailer_is_forbidden(name);
}
