/*
 * The C++ counterpart of hello.c: the header has to be valid C++11, its macros included.
 *
 * SPDX-License-Identifier: MIT
 */
#include <csignal>
#include <cstdio>
#include <string>

#include <weir.h>

namespace
{

struct visit {
    int count;
};

WEIR_ATTRIBUTE(visit, current_visit)

void hello(weir_ctx *c)
{
    visit *v = current_visit(c);
    if (!v)
        weir_fail(c, 500, "no memory");
    v->count++;
    const char *from = static_cast<const char *>(weir_route_data(c));
    weir_reply_printf(c, "text/plain", "hello from %s, %s, visit %d\n", from, weir_version_string(), v->count);
}

} // namespace

int main()
{
    sigset_t stop;
    int number;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigprocmask(SIG_BLOCK, &stop, nullptr);

    if (std::string(weir_version_string()) != WEIR_VERSION_STRING)
        return 1;
    weir_config config = weir_config();
    config.host = "127.0.0.1";
    config.port = WEIR_ANY;
    config.workers = 1;
    weir_server *s = weir_server_new(&config);
    char from[] = "C++";
    weir_get(s, "/", hello, from);
    weir_route(s, "GET", "/plain", [](weir_ctx *c) {
        int a = 1, b = 2;
        weir_reply_printf(c, "text/plain", "%d", a + b);
    });
    weir_post(s, "/plain", hello);
    weir_group_settings settings = weir_group_settings();
    settings.handler_timeout_ms = 1000;
    weir_group_set(weir_root(s), &settings);
    weir_put(s, "/plain", hello, nullptr);
    int (*function)(weir_server *, const char *, weir_handler) = weir_delete;
    function(s, "/plain", hello);
    if (weir_server_start(s) != 0) {
        std::fprintf(stderr, "%s", weir_server_errors(s));
        return 1;
    }
    std::printf("%d\n", weir_server_port(s));
    std::fflush(stdout);

    sigwait(&stop, &number);
    weir_server_stop(s);
    int result = weir_server_wait(s);
    weir_server_free(s);
    return result == 0 ? 0 : 1;
}
