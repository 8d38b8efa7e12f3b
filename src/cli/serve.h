/*
 * weir serve: the files of a folder over HTTP.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_CLI_SERVE_H
#define WEIR_CLI_SERVE_H

/* Runs `weir serve` with its arguments, of which argv[0] is "serve". Returns the exit status: 0 after a stop, 1: cannot
 * serve, 2: wrong use. */
int serve_main(int argc, char **argv);

#endif
