/*
 * The static table (RFC 7541 appendix A), with what its fields are to HTTP/2 (field_kind.h).
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/h2/field_kind.h"
#include "http/h2/hpack_table.h"

#define STATIC_TABLE(X)                                                                                                \
    X(1, ":authority", "", BAD_AUTHORITY)                                                                              \
    X(2, ":method", "GET", METHOD)                                                                                     \
    X(3, ":method", "POST", METHOD)                                                                                    \
    X(4, ":path", "/", PATH)                                                                                           \
    X(5, ":path", "/index.html", PATH)                                                                                 \
    X(6, ":scheme", "http", SCHEME)                                                                                    \
    X(7, ":scheme", "https", SCHEME)                                                                                   \
    X(8, ":status", "200", BAD_PSEUDO)                                                                                 \
    X(9, ":status", "204", BAD_PSEUDO)                                                                                 \
    X(10, ":status", "206", BAD_PSEUDO)                                                                                \
    X(11, ":status", "304", BAD_PSEUDO)                                                                                \
    X(12, ":status", "400", BAD_PSEUDO)                                                                                \
    X(13, ":status", "404", BAD_PSEUDO)                                                                                \
    X(14, ":status", "500", BAD_PSEUDO)                                                                                \
    X(15, "accept-charset", "", PLAIN)                                                                                 \
    X(16, "accept-encoding", "gzip, deflate", PLAIN)                                                                   \
    X(17, "accept-language", "", PLAIN)                                                                                \
    X(18, "accept-ranges", "", PLAIN)                                                                                  \
    X(19, "accept", "", PLAIN)                                                                                         \
    X(20, "access-control-allow-origin", "", PLAIN)                                                                    \
    X(21, "age", "", PLAIN)                                                                                            \
    X(22, "allow", "", PLAIN)                                                                                          \
    X(23, "authorization", "", PLAIN)                                                                                  \
    X(24, "cache-control", "", PLAIN)                                                                                  \
    X(25, "content-disposition", "", PLAIN)                                                                            \
    X(26, "content-encoding", "", PLAIN)                                                                               \
    X(27, "content-language", "", PLAIN)                                                                               \
    X(28, "content-length", "", BAD_LENGTH)                                                                            \
    X(29, "content-location", "", PLAIN)                                                                               \
    X(30, "content-range", "", PLAIN)                                                                                  \
    X(31, "content-type", "", PLAIN)                                                                                   \
    X(32, "cookie", "", COOKIE)                                                                                        \
    X(33, "date", "", PLAIN)                                                                                           \
    X(34, "etag", "", PLAIN)                                                                                           \
    X(35, "expect", "", EXPECT)                                                                                        \
    X(36, "expires", "", PLAIN)                                                                                        \
    X(37, "from", "", PLAIN)                                                                                           \
    X(38, "host", "", BAD_HOST)                                                                                        \
    X(39, "if-match", "", PLAIN)                                                                                       \
    X(40, "if-modified-since", "", PLAIN)                                                                              \
    X(41, "if-none-match", "", PLAIN)                                                                                  \
    X(42, "if-range", "", PLAIN)                                                                                       \
    X(43, "if-unmodified-since", "", PLAIN)                                                                            \
    X(44, "last-modified", "", PLAIN)                                                                                  \
    X(45, "link", "", PLAIN)                                                                                           \
    X(46, "location", "", PLAIN)                                                                                       \
    X(47, "max-forwards", "", PLAIN)                                                                                   \
    X(48, "proxy-authenticate", "", PLAIN)                                                                             \
    X(49, "proxy-authorization", "", PLAIN)                                                                            \
    X(50, "range", "", PLAIN)                                                                                          \
    X(51, "referer", "", PLAIN)                                                                                        \
    X(52, "refresh", "", PLAIN)                                                                                        \
    X(53, "retry-after", "", PLAIN)                                                                                    \
    X(54, "server", "", PLAIN)                                                                                         \
    X(55, "set-cookie", "", PLAIN)                                                                                     \
    X(56, "strict-transport-security", "", PLAIN)                                                                      \
    X(57, "transfer-encoding", "", BAD_CONNECTION)                                                                     \
    X(58, "user-agent", "", PLAIN)                                                                                     \
    X(59, "vary", "", PLAIN)                                                                                           \
    X(60, "via", "", PLAIN)                                                                                            \
    X(61, "www-authenticate", "", PLAIN)

#define ROOM(index, name, value, kind)    char e##index[sizeof(name) + sizeof(value)];
#define STRINGS(index, name, value, kind) name "\0" value "\0"

/* Where the strings of each entry are. */
struct static_bytes {
    STATIC_TABLE(ROOM)
    char slack[HPACK_SLACK];
};

const char hpack_static_bytes[sizeof(struct static_bytes)] = STATIC_TABLE(STRINGS);

#define ENTRY(index, name, value, kind_)                                                                               \
    [index] = {.at = offsetof(struct static_bytes, e##index),                                                          \
               .name_len = sizeof(name) - 1,                                                                           \
               .value_len = sizeof(value) - 1,                                                                         \
               .kind = FIELD_##kind_},

const struct hpack_entry hpack_static[HPACK_STATIC_COUNT + 1] = {STATIC_TABLE(ENTRY)};
