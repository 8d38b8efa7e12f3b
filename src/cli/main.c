/*
 * The command weir.
 *
 * SPDX-License-Identifier: MIT
 */
#include "cli/new.h"
#include "cli/serve.h"
#include "cli/suggest.h"
#include "cli/top.h"
#include "weir.h"

#include <stdio.h>
#include <string.h>

static const char usage[] = "usage: weir COMMAND ...\n"
                            "\n"
                            "  weir serve [DIR] the files of a folder over HTTP\n"
                            "  weir new NAME    the beginning of a service: program, build, test, container\n"
                            "  weir top URL     what a server does and where its memory is\n"
                            "  weir --version\n"
                            "  weir --help\n"
                            "\n"
                            "weir COMMAND --help says more. man weir(1) has it all.\n";

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} commands[] = {{"new", new_main}, {"serve", serve_main}, {"top", top_main}};

static void print_unknown(const char *command)
{
    struct suggestion near = {.word = command};
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        suggest_consider(&near, commands[i].name);
    fprintf(stderr, "weir: there is no command '%s'", command);
    if (near.nearest)
        fprintf(stderr, "; did you mean %s?", near.nearest);
    fputc('\n', stderr);
}

int main(int argc, char **argv)
{
    const char *command = argc > 1 ? argv[1] : "";
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(command, commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    if (strcmp(command, "--help") == 0 || strcmp(command, "help") == 0) {
        fputs(usage, stdout);
        return 0;
    }
    if (strcmp(command, "--version") == 0) {
        printf("weir %s\n", weir_version_string());
        return 0;
    }
    if (*command)
        print_unknown(command);
    fputs(usage, stderr);
    return EXIT_USAGE;
}
