/*
 * A pool of threads that the program has added for one kind of blocking work.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_OFFLOAD_POOL_H
#define WEIR_WEB_OFFLOAD_POOL_H

#include "base/list.h"
#include "io/offload.h"
#include "weir.h"

struct weir_offload_pool {
    struct offload offload;
    struct weir_server *server;
    struct list link; /* in the server's pools */
    bool at_start;    /* all threads start with the server */
    char name[WEIR_LEDGER_OFFLOAD_POOL_NAME_SIZE];
};

#endif
