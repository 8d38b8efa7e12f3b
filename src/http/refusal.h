/*
 * Why a request was refused, a connection ended early, or accepting paused. Each limit and each timeout is a cause of
 * its own, with the reply that the client gets, the words for the log and a counter, so that an operator can tell from
 * outside which limit was met.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_HTTP_REFUSAL_H
#define WEIR_HTTP_REFUSAL_H

#include <stdint.h>

/* X(CAUSE, "name of its counter", status of the reply or 0 for none, "words for the log and the error hook") */
#define REFUSAL_TABLE(X)                                                                                               \
    X(MALFORMED, "malformed", 400, "malformed request")                                                                \
    X(EXPECTATION, "expectation", 417, "unknown expectation")                                                          \
    X(NOT_IMPLEMENTED, "not_implemented", 501, "transfer coding or method not supported")                              \
    X(VERSION, "version", 505, "HTTP version not supported")                                                           \
    X(REQUEST_LINE, "max_request_line", 414, "the request line is too long")                                           \
    X(PATH_PARAMETER, "path_parameter", 414, "a parameter in the path is longer than 4,096 bytes")                     \
    X(HEADER_BLOCK, "max_header_block", 431, "the header block is too long")                                           \
    X(HEADER_COUNT, "max_headers", 431, "too many header fields")                                                      \
    X(BODY, "max_body", 413, "the body is too long")                                                                   \
    X(DIGEST, "content_digest", 400, "the body is not what its Content-Digest says")                                   \
    X(CHUNK_EXTENSION, "max_chunk_extension", 413, "the chunk extensions are too long")                                \
    X(TRAILER, "max_trailer", 431, "the trailer is too long")                                                          \
    X(FORM, "form", 400, "the form is malformed")                                                                      \
    X(FORM_TYPE, "form_type", 415, "the body is not a form")                                                           \
    X(FORM_PARTS, "form_parts", 413, "the form has too many parts")                                                    \
    X(FORM_HEADER, "form_header", 413, "the header of a form's part is too long")                                      \
    X(FORM_PART, "form_part", 413, "a part of the form is too long")                                                   \
    X(FORM_SIZE, "form_size", 413, "the form is too long")                                                             \
    X(UPLOADS, "max_uploads", 503, "too many uploads that go on later")                                                \
    X(CONNECTIONS, "max_connections", 0, "accepting pauses: max_connections are open")                                 \
    X(ADDRESS_CONNECTIONS, "max_connections_per_address", 503, "too many connections from one address")                \
    X(CONNECTION_REQUESTS, "max_requests_per_connection", 0, "the connection has had its requests")                    \
    X(HEADER_TIMEOUT, "header_timeout_ms", 408, "the head did not come in time")                                       \
    X(BODY_TIMEOUT, "body_timeout_ms", 408, "the body did not come for too long")                                      \
    X(BODY_RATE, "body_min_rate", 408, "the body came too slowly")                                                     \
    X(IDLE_TIMEOUT, "idle_timeout_ms", 0, "the connection was idle for too long")                                      \
    X(WRITE_TIMEOUT, "write_timeout_ms", 0, "the client took nothing for too long")                                    \
    X(WRITE_RATE, "write_min_rate", 0, "the client took the reply too slowly")                                         \
    X(HANDLER_TIMEOUT, "handler_timeout_ms", 503, "the handler took too long")                                         \
    X(DEADLINE, "deadline", 504, "the request was not served within its time")                                         \
    X(BROKEN_REPLY, "broken_reply", 0, "a reply that had begun could not be made whole")                               \
    X(H2_PROTOCOL, "http2_protocol", 0, "what came breaks the rules of HTTP/2")                                        \
    X(H2_STREAMS, "http2_max_streams", 0, "too many streams at once")                                                  \
    X(H2_RESETS, "http2_resets", 0, "too many streams that were reset")                                                \
    X(H2_CONTROL, "http2_control", 0, "too many pings or settings")                                                    \
    X(H2_SETTINGS, "http2_settings", 0, "the client did not acknowledge the settings in time")                         \
    X(H2_EMPTY, "http2_empty", 0, "too many frames that say nothing")                                                  \
    X(H2_CONTINUATION, "http2_continuation", 0, "a header block in too many frames, or too long")                      \
    X(KERNEL_MEMORY, "kernel_memory_limit", 0, "the client took nothing, and the kernel's memory is over its bound")   \
    X(MEMORY, "memory", 503, "no memory within the bound")

enum refusal {
    REFUSAL_NONE, /* where there may be no cause; it has no row */
#define X(cause, name, status, text) REFUSAL_##cause,
    REFUSAL_TABLE(X)
#undef X
        REFUSAL_COUNT
};

struct refusal_info {
    const char *name; /* of the counter: that of the setting where there is one */
    const char *text;
    uint16_t status; /* 0: the connection ends without a reply, or nothing ends at all */
};

extern const struct refusal_info refusal_infos[REFUSAL_COUNT];

#endif
