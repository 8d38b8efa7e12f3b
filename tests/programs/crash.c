/*
 * A server that crashes, for the wire tests: crash SIGNAL [PLACE]. SIGNAL is what each of its handlers does; PLACE is
 * where it is done before any request: in "main", in "start" (of a worker) or in a "thread" of the program. "overflow"
 * is done by handlers only.
 *
 * SPDX-License-Identifier: MIT
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir.h>

static int use_stack(int levels)
{
    volatile char used[1024];
    used[0] = (char)levels;
    return levels > 0 ? use_stack(levels - 1) + used[0] : 0;
}

static void crash(const char *how)
{
    static volatile int *volatile nothing;
    if (strcmp(how, "SIGSEGV") == 0)
        *nothing = 1;
    else if (strcmp(how, "SIGABRT") == 0)
        abort();
    else if (strcmp(how, "SIGILL") == 0)
        __builtin_trap();
    else if (strcmp(how, "SIGFPE") == 0)
        raise(SIGFPE);
    else if (strcmp(how, "SIGBUS") == 0)
        raise(SIGBUS);
    else if (strcmp(how, "overflow") == 0)
        use_stack(1000000);
}

static void crash_now(weir_ctx *c)
{
    crash(weir_server_data(c));
}

/* Another request has been handled on this worker meanwhile. */
static void crash_later(weir_ctx *c)
{
    weir_sleep(c, 200);
    crash(weir_server_data(c));
}

static int crash_offloaded(void *arg)
{
    crash(arg);
    return 0;
}

static void crash_elsewhere(weir_ctx *c)
{
    weir_offload(c, crash_offloaded, weir_server_data(c));
}

/* Of a head that is not one: there is no route. */
static void crash_refusing(weir_ctx *c, int status, const char *message)
{
    (void)message;
    if (status == 400)
        crash(weir_server_data(c));
}

static void hello(weir_ctx *c)
{
    weir_reply_text(c, "hello");
}

static void *in_thread(void *arg)
{
    crash(arg);
    return NULL;
}

static void *in_start(void *server_data, int worker)
{
    (void)worker;
    crash(server_data);
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    const char *place = argc > 2 ? argv[2] : "";
    weir_server *s = weir_server_new(&(weir_config){.port = WEIR_ANY,
                                                    .workers = 1,
                                                    .server_data = argv[1],
                                                    .worker_start = strcmp(place, "start") == 0 ? in_start : NULL});
    weir_get(s, "/", hello);
    weir_any(s, "/now/{how}", crash_now);
    weir_get(s, "/later", crash_later);
    weir_get(s, "/elsewhere", crash_elsewhere);
    weir_on_error(s, crash_refusing);
    if (weir_catch_crash() != 0 || weir_catch_stack_overflow() != 0 || weir_catch_crash() != 0)
        fprintf(stderr, "not installed\n");
    if (strcmp(place, "main") == 0)
        crash(argv[1]);
    pthread_t thread;
    if (strcmp(place, "thread") == 0 && pthread_create(&thread, NULL, in_thread, argv[1]) == 0)
        pthread_join(thread, NULL);
    if (weir_server_start(s) != 0)
        return 1;
    printf("listening on http://127.0.0.1:%d\n", weir_server_port(s));
    fflush(stdout);
    return weir_server_wait(s) == 0 ? 0 : 1;
}
