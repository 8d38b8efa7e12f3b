/*
 * The fields that no trailer may hold, by name and by family.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/trailer.h"

static const struct slice names[] = {
    {"Accept", 6},
    {"Age", 3},
    {"Alt-Svc", 7},
    {"Authorization", 13},
    {"Cache-Control", 13},
    {"Connection", 10},
    {"Cookie", 6},
    {"Date", 4},
    {"Expect", 6},
    {"Expires", 7},
    {"Forwarded", 9},
    {"Host", 4},
    {"HTTP2-Settings", 14},
    {"Keep-Alive", 10},
    {"Location", 8},
    {"Max-Forwards", 12},
    {"Origin", 6},
    {"Pragma", 6},
    {"Range", 5},
    {"Retry-After", 11},
    {"Set-Cookie", 10},
    {"TE", 2},
    {"Trailer", 7},
    {"Transfer-Encoding", 17},
    {"Upgrade", 7},
    {"Vary", 4},
    {"Via", 3},
    {"Warning", 7},
    {"WWW-Authenticate", 16},
    {"X-HTTP-Method-Override", 22},
};

static const struct slice families[] = {
    {"Accept-", 7}, {"Access-Control-", 15}, {"Content-", 8}, {"If-", 3}, {"Proxy-", 6},
    {"Sec-", 4},    {"X-Forwarded-", 12},
};

bool trailer_is_forbidden(struct slice name)
{
    /* A digest of the content is what trailers are for (RFC 9530 section 2). */
    if (slice_equal_nocase(name, SLICE("Content-Digest")))
        return false;
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++)
        if (name.len >= families[i].len && slice_equal_nocase(slice_of(name.data, families[i].len), families[i]))
            return true;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (slice_equal_nocase(name, names[i]))
            return true;
    return false;
}
