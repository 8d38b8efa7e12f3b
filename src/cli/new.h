/*
 * weir new: the beginning of a service.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_CLI_NEW_H
#define WEIR_CLI_NEW_H

#include <stddef.h>

/* A file of the service, embedded at build time from src/cli/new. */
struct new_file {
    const char *name;
    const unsigned char *data; /* "@NAME@" in it stands for the service's name */
    size_t size;
};

extern const struct new_file new_files[]; /* name NULL: the end */

/* What is wrong with a service's name: static. NULL: nothing. */
const char *new_name_fault(const char *name);

/* Runs `weir new` with its arguments, of which argv[0] is "new". Returns the exit status: 0, 1: the files cannot be
 * written, 2: wrong use. */
int new_main(int argc, char **argv);

#endif
