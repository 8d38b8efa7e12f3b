/*
 * Makes TLS connections one after the other, in as many threads as are asked for: on each a handshake, one request and
 * its reply, and the end. With --resume each resumes the session of the one before. A line of JSON tells how many
 * handshakes were made, how many of them resumed a session, and by which version and cipher.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/channel.h"
#include "client/http1.h"
#include "client/tls.h"

enum { THREADS_MAX = 256, REPLY_MAX = 4096 };

static struct {
    struct sockaddr_in server;
    const char *request;
    long threads;
    double seconds;
    bool resume;
} o = {.server = {.sin_family = AF_INET},
       .request = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
       .threads = 8,
       .seconds = 1};

struct thread {
    pthread_t id;
    long made, resumed, failed;
    SSL_SESSION *session; /* the newest */
    char version[32], cipher[64];
};

static SSL_CTX *context;
static double ending;

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Asks, and reads the whole reply: the tickets come before it. */
static bool ask(struct channel *channel)
{
    char reply[REPLY_MAX];
    size_t got = 0;
    if (!channel_send(channel, o.request, strlen(o.request)))
        return false;
    for (;;) {
        size_t more = channel_receive(channel, reply + got, sizeof(reply) - 1 - got);
        got += more;
        reply[got] = '\0';
        long long whole = http1_reply_length(reply);
        if (more == 0 || whole < 0 || whole > (long long)sizeof(reply) - 1)
            return false;
        if (whole > 0 && (long long)got >= whole)
            return true;
    }
}

static bool make_one(struct thread *thread)
{
    struct channel channel;
    if (!channel_open(&channel, &o.server, context, thread->session))
        return false;
    thread->resumed += SSL_session_reused(channel.ssl);
    if (!*thread->cipher) {
        snprintf(thread->version, sizeof(thread->version), "%s", SSL_get_version(channel.ssl));
        snprintf(thread->cipher, sizeof(thread->cipher), "%s", SSL_get_cipher_name(channel.ssl));
    }
    bool good = ask(&channel);
    if (good && o.resume) {
        SSL_SESSION_free(thread->session);
        thread->session = SSL_get1_session(channel.ssl);
    }
    channel_close(&channel);
    return good;
}

static void *run(void *argument)
{
    struct thread *thread = argument;
    while (now() < ending && thread->failed == 0) {
        bool good = make_one(thread);
        thread->made += good;
        thread->failed += !good;
    }
    SSL_SESSION_free(thread->session);
    return NULL;
}

static bool parse(int argc, char **argv)
{
    o.server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *name = argv[i], *value = argv[i + 1];
        if (strcmp(name, "--port") == 0)
            o.server.sin_port = htons((unsigned short)strtol(value, NULL, 10));
        else if (strcmp(name, "--request") == 0)
            o.request = value;
        else if (strcmp(name, "--threads") == 0)
            o.threads = strtol(value, NULL, 10);
        else if (strcmp(name, "--seconds") == 0)
            o.seconds = strtod(value, NULL);
        else if (strcmp(name, "--resume") == 0)
            o.resume = strtol(value, NULL, 10) != 0;
        else
            return false;
    }
    return argc % 2 == 1 && o.server.sin_port != 0 && o.threads >= 1 && o.threads <= THREADS_MAX && o.seconds > 0;
}

int main(int argc, char **argv)
{
    static struct thread threads[THREADS_MAX];
    long made = 0, resumed = 0, failed = 0;
    if (!parse(argc, argv)) {
        fputs("usage: handshakes --port N [--threads N] [--seconds N] [--resume 1] [--request TEXT]\n", stderr);
        return 2;
    }
    context = tls_new_context(false);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    double began = now();
    ending = began + o.seconds;
    for (long i = 0; i < o.threads; i++) {
        if (pthread_create(&threads[i].id, NULL, run, &threads[i]) != 0) {
            fputs("handshakes: a thread could not be started\n", stderr);
            return 1;
        }
    }
    for (long i = 0; i < o.threads; i++) {
        pthread_join(threads[i].id, NULL);
        made += threads[i].made;
        resumed += threads[i].resumed;
        failed += threads[i].failed;
    }
    printf("{\"handshakes\": %ld, \"resumed\": %ld, \"failed\": %ld, \"seconds\": %.6f, \"version\": \"%s\", "
           "\"cipher\": \"%s\"}\n",
           made, resumed, failed, now() - began, threads[0].version, threads[0].cipher);
    SSL_CTX_free(context);
    return 0;
}
