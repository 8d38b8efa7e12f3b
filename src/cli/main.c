/*
 * The command weir.
 *
 * SPDX-License-Identifier: MIT
 */
#include "cli/top.h"
#include "weir.h"

#include <stdio.h>
#include <string.h>

static const char usage[] = "usage: weir COMMAND ...\n"
                            "\n"
                            "  weir top URL     what a server does and where its memory is\n"
                            "  weir --version\n"
                            "  weir --help\n"
                            "\n"
                            "weir COMMAND --help says more. man weir(1) has it all.\n";

int main(int argc, char **argv)
{
    const char *command = argc > 1 ? argv[1] : "";
    if (strcmp(command, "top") == 0)
        return top_main(argc - 1, argv + 1);
    if (strcmp(command, "--help") == 0 || strcmp(command, "help") == 0) {
        fputs(usage, stdout);
        return 0;
    }
    if (strcmp(command, "--version") == 0) {
        printf("weir %s\n", weir_version_string());
        return 0;
    }
    if (*command)
        fprintf(stderr, "weir: there is no command '%s'\n", command);
    fputs(usage, stderr);
    return EXIT_USAGE;
}
