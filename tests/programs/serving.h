/*
 * How a program of this folder serves: it prints "listening on http://127.0.0.1:PORT" once clients can connect, and
 * ends when SIGTERM comes.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_TESTS_SERVING_H
#define WEIR_TESTS_SERVING_H

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>

#include <weir.h>

static inline sigset_t serving_end(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    return signals;
}

/* Starts s. False: it says why on standard error. */
static inline bool serving_start(weir_server *s)
{
    sigset_t end = serving_end();
    pthread_sigmask(SIG_BLOCK, &end, NULL);
    int error = weir_server_start(s);
    if (error)
        fprintf(stderr, "%s\n%s", weir_strerror(error), weir_server_errors(s));
    return !error;
}

/* Serves until the end. False: it was not a clean one. */
static inline bool serving_run(weir_server *s)
{
    sigset_t end = serving_end();
    int number;
    printf("listening on http://127.0.0.1:%d\n", weir_server_port(s));
    if (weir_server_tls_port(s))
        printf("listening on https://127.0.0.1:%d\n", weir_server_tls_port(s));
    fflush(stdout);
    sigwait(&end, &number);
    weir_server_stop(s);
    return weir_server_wait(s) == 0;
}

/* Both, and frees s. Returns the program's exit status. */
static inline int serve(weir_server *s)
{
    bool good = serving_start(s) && serving_run(s);
    weir_server_free(s);
    return good ? 0 : 1;
}

#endif
