/*
 * What the parts of the service share: one structure, which is the server's data. Handlers and tasks get it by app_of().
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef NOTES_APP_H
#define NOTES_APP_H

#include <weir.h>

#include "cache.h"
#include "links.h"
#include "settings.h"
#include "store.h"

struct app {
    struct settings settings;
    struct store store; /* where notes are kept */
    struct cache cache; /* what was read lately */
    struct links links; /* who is asked for titles */
};

static inline struct app *app_of(weir_ctx *c)
{
    return weir_server_data(c);
}

#endif
