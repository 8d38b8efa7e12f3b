/*
 * What whoever runs the service asks it.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef NOTES_HEALTH_H
#define NOTES_HEALTH_H

#include <weir.h>

/* GET: the process lives. Whoever gets no answer starts it anew; so nothing is asked here that others could break. */
void health_live(weir_ctx *c);
/* GET: it can serve. With 503 it gets no new clients for a while. */
void health_ready(weir_ctx *c);
/* GET: what the cache has done. */
void health_cache(weir_ctx *c);

#endif
