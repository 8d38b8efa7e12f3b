/*
 * The addresses of a server, as links that a person can follow.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_CLI_SERVE_LINKS_H
#define WEIR_CLI_SERVE_LINKS_H

#include <stdbool.h>
#include <stdio.h>

/* Prints a line for each address by which a listener can be reached: of 0.0.0.0 and :: this machine's own. */
void serve_print_links(FILE *out, const char *host, int port, bool tls);

/* The names and addresses that a certificate for these hosts is for, with spaces between them. */
void serve_certificate_names(char *names, size_t size, const char *const *hosts, size_t count);

#endif
