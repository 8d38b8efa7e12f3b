/*
 * Whom a server believes about its clients: set before the start, only read afterwards.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_CLIENT_CLIENT_H
#define WEIR_WEB_CLIENT_CLIENT_H

#include "web/client/forwarded.h"

#define CLIENT_LISTS_MAX 17 /* of trusted proxies, and of each listener's senders of prefaces */

struct clients {
    const struct networks *trusted; /* NULL: nobody is */
    enum forwarded_form form;
    struct networks *lists[CLIENT_LISTS_MAX]; /* all of them, owned */
    size_t list_count;
};

struct site;

/* A list of networks from a setting's text. NULL: it is wrong, which is among the site's errors. The site's. */
const struct networks *clients_networks(struct site *s, const char *setting, const char *text);
/* Reads trusted_proxies and forwarded_header, each of which may be NULL. What is wrong is among the site's errors. */
void clients_read(struct site *s, const char *trusted, const char *header);
void clients_free(struct site *s);

#endif
