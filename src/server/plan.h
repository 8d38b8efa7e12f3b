/*
 * The plan: the memory that a server takes, told before its start.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_SERVER_PLAN_H
#define WEIR_SERVER_PLAN_H

#include <stdint.h>

struct weir_server;

/* The least memory_limit by what is registered so far: what the workers make, and what requests need to wait. */
uint64_t plan_least(struct weir_server *s);
/* Before the start: memory_limit has to allow plan_least(), or is a wrong setting. */
void plan_check_limit(struct weir_server *s);

#endif
