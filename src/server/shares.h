/*
 * What all workers share and the settings bound: the table of connections by address, and bodies larger than request
 * memory.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_SERVER_SHARES_H
#define WEIR_SERVER_SHARES_H

#include <stdint.h>

struct weir_server;

/* Bytes of the table of connections by address. */
uint64_t shares_addresses_size(const struct weir_server *s);
/* Makes the table of connections by address. 0 or WEIR_ENOMEM. */
int shares_make_addresses(struct weir_server *s);

/* Most that bodies may take beside request memory; 0: none is allowed any. */
uint64_t shares_body_memory(const struct weir_server *s);
/* Before the start: a group that allows what the server does not would refuse its longest bodies always, which is a
 * wrong setting. */
void shares_check_bodies(struct weir_server *s);
void shares_open_bodies(struct weir_server *s);

/* Most bytes of compressors' contexts; 0: no group asks for any. */
uint64_t shares_compression(const struct weir_server *s);
/* Opens the account that bounds them, where there are any. */
void shares_open_compression(struct weir_server *s);

#endif
