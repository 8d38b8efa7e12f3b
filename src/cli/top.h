/*
 * weir top: a server's ledger in a terminal.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_CLI_TOP_H
#define WEIR_CLI_TOP_H

enum { EXIT_UNREACHED = 1, EXIT_USAGE = 2 };

extern const char top_usage[];

/* Runs weir top with the arguments behind "top". Returns the exit status. */
int top_main(int argc, char **argv);

#endif
