/*
 * What weir_dial() is told to connect to, as text. Knows no request and no socket.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_OUTGOING_TARGET_H
#define WEIR_WEB_OUTGOING_TARGET_H

#include "base/slice.h"
#include "web/outgoing/names.h"

#include <stdbool.h>
#include <sys/un.h>

enum target_kind { TARGET_TCP, TARGET_TLS, TARGET_UNIX };

struct dial_target {
    enum target_kind kind;
    uint16_t port;
    char host[NAME_MAX_LEN + 1]; /* without brackets; of TARGET_UNIX: empty */
    struct sockaddr_un local;    /* of TARGET_UNIX */
    socklen_t local_len;
};

/* Reads "tcp://HOST:PORT", "tls://HOST:PORT", "unix:/PATH" or "unix:@NAME". False: it is none of them. */
bool target_parse(struct dial_target *t, const char *text);

/* Whether that is "ADDRESS", "ADDRESS:PORT" or "[ADDRESS]:PORT". */
bool target_is_nameserver(struct slice text);

#endif
