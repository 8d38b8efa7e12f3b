/*
 * A protocol of lines, as many of the old ones are: the server greets, each line is a command, and each is answered.
 * "time" is, "add A B" is, "wait MS" waits without a thread, and "quit" ends the connection. A client that says
 * nothing for a minute is told so; one that is still there when the server stops is, too.
 *
 *     tcp_lines [PORT]
 *     nc 127.0.0.1 60000
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <weir.h>

/* Answers a command. False: it was the last. */
static bool answer(weir_ctx *c, const char *line)
{
    char *rest;
    if (strcmp(line, "quit") == 0) {
        weir_printf(c, "bye\n");
        return false;
    }
    if (strcmp(line, "time") == 0) {
        weir_printf(c, "%lld\n", (long long)time(NULL));
    } else if (strncmp(line, "add ", 4) == 0) {
        long long first = strtoll(line + 4, &rest, 10);
        weir_printf(c, "%lld\n", (first + strtoll(rest, NULL, 10)) % 1000000);
    } else if (strncmp(line, "wait ", 5) == 0) {
        weir_sleep(c, (int)(strtoul(line + 5, NULL, 10) % 10000));
        weir_printf(c, "done\n");
    } else {
        weir_printf(c, "what is \"%.40s\"?\n", line);
    }
    return true;
}

static void lines(weir_ctx *c)
{
    char line[256];
    ssize_t len;
    weir_printf(c, "hello; there are time, add, wait and quit\n");
    while ((len = weir_body_line(c, line, sizeof line)) > 0) {
        line[strcspn(line, "\r\n")] = '\0';
        if (!answer(c, line))
            return;
    }
    if (len == WEIR_ETIMEDOUT)
        weir_printf(c, "nothing has come for too long\n");
    else if (len == WEIR_ETOOBIG)
        weir_printf(c, "that line is too long\n");
    else if (weir_stopping(c))
        weir_printf(c, "the server stops\n");
}

int main(int argc, char **argv)
{
    weir_listen_config listener = {
        .port = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 60000,
        .server_first = WEIR_ON,
        .read_timeout_ms = 60000,
    };
    weir_server *s = weir_server_new(NULL);
    weir_listen_raw(s, &listener, lines);
    int error = weir_run(s);
    weir_server_free(s);
    return error ? 1 : 0;
}
