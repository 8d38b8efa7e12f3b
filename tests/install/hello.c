/*
 * A program as a user of the installed library writes it: a server on a port of the system's choice, stopped by
 * SIGTERM. It runs the start, the wait and the stop by hand, because it has to print the port in between.
 *
 * SPDX-License-Identifier: MIT
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <weir.h>

struct visit {
    int count;
};

WEIR_ATTRIBUTE(struct visit, current_visit)

static void hello(weir_ctx *c)
{
    struct visit *visit = current_visit(c);
    if (!visit)
        weir_fail(c, 500, "no memory");
    visit->count++;
    weir_reply_printf(c, "text/plain", "hello from C, %s, visit %d\n", weir_version_string(), visit->count);
}

int main(void)
{
    sigset_t stop;
    int number;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigprocmask(SIG_BLOCK, &stop, NULL);

    if (strcmp(weir_version_string(), WEIR_VERSION_STRING) != 0)
        return 1;
    weir_server *s = weir_server_new(&(weir_config){.host = "127.0.0.1", .port = WEIR_ANY, .workers = 1});
    weir_get(s, "/", hello);
    if (weir_server_start(s) != 0) {
        fprintf(stderr, "%s", weir_server_errors(s));
        return 1;
    }
    printf("%d\n", weir_server_port(s));
    fflush(stdout);

    sigwait(&stop, &number);
    weir_server_stop(s);
    int result = weir_server_wait(s);
    weir_server_free(s);
    return result == 0 ? 0 : 1;
}
