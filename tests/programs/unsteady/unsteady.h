/*
 * A transport for tests that does over real sockets whatever one may do: it reads records and gives a byte at a time,
 * takes fewer bytes than it is given, holds what it has taken until a flush, and wants the socket in either direction
 * when it need not. What it does next is drawn by a seed.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_TESTS_UNSTEADY_H
#define WEIR_TESTS_UNSTEADY_H

#include <weir.h>

/* Gives all listeners of a server that has not been started the transport. seed > 0: of what it draws; each connection
 * goes on where the one before it has begun. */
void unsteady_install(weir_server *s, unsigned seed);

#endif
