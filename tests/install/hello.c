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

struct greeting {
    const char *word, *from;
};

WEIR_ATTRIBUTE(struct visit, current_visit)

static void hello(weir_ctx *c)
{
    struct visit *visit = current_visit(c);
    if (!visit)
        weir_fail(c, 500, "no memory");
    visit->count++;
    const struct greeting *greeting = weir_route_data(c);
    weir_reply_printf(c, "text/plain", "%s from %s, %s, visit %d\n", greeting->word, greeting->from,
                      weir_version_string(), visit->count);
}

static void hello_plain(weir_ctx *c)
{
    weir_reply_text(c, weir_route_data(c) ? "data" : "none");
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
    weir_get(s, "/", hello, &(struct greeting){"hello", "C"});
    weir_route(s, "GET", "/plain", hello_plain);
    weir_post(s, "/plain", hello_plain);
    weir_group_set(weir_root(s), &(weir_group_settings){.handler_timeout_ms = 1000, .request_memory = 8192});
    weir_put(s, "/plain", hello_plain, NULL);
    int (*function)(weir_server *, const char *, weir_handler) = weir_delete;
    function(s, "/plain", hello_plain);
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
