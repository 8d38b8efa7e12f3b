/*
 * Sends the same request over and over on one connection, over TLS, HTTP/2 or both, in batches of as many streams as
 * are asked for, and waits for all replies of a batch before it goes on: bench/lockstep.c is the same for plain
 * HTTP/1.1. Every reply has to be of status 200. The server so does the same work for each batch, which makes its
 * instructions countable, see script/instructions.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/channel.h"
#include "client/h2.h"
#include "client/http1.h"
#include "client/tls.h"

enum { BATCH_MAX = 100, INPUT = 64 << 10, OUTPUT = 256 << 10 };

static struct {
    struct sockaddr_in server;
    const char *request; /* as HTTP/1.1 has it */
    long requests, batch;
    bool tls, h2;
} o = {.server = {.sin_family = AF_INET}, .batch = 1};

static struct channel channel;
static char input[INPUT];

static void fail(const char *what)
{
    fprintf(stderr, "steps: %s\n", what);
    exit(1);
}

static size_t receive(size_t at)
{
    size_t len = channel_receive(&channel, input + at, sizeof(input) - 1 - at);
    if (len == 0)
        fail("the server closed the connection");
    return len;
}

static void step_http1(void)
{
    size_t got = 0;
    if (!channel_send(&channel, o.request, strlen(o.request)))
        fail("a request was not taken");
    for (long long whole = 0; whole == 0 || (long long)got < whole;) {
        got += receive(got);
        input[got] = '\0';
        whole = whole ? whole : http1_reply_length(input);
        if (whole < 0 || whole > INPUT / 2 || (whole > 0 && (long long)got > whole))
            fail("a reply is not one of status 200, of a known length and short");
    }
}

static void step_h2(struct h2_client *client, const struct h2_request *request, long count)
{
    static uint8_t data[OUTPUT];
    struct h2_output out = {data, 0, sizeof(data)};
    if (!client->stream)
        h2_begin(client, H2_WINDOW_MAX, &out);
    for (long i = 0; i < count; i++)
        h2_ask(client, request, &out);
    for (;;) {
        if (out.len > 0 && !channel_send(&channel, data, out.len))
            fail("what was sent was not taken");
        if (client->open == 0)
            return;
        out.len = 0;
        const char *wrong = h2_feed(client, (const uint8_t *)input, receive(0), &out);
        if (wrong)
            fail(wrong);
        if (client->refused > 0 || client->going_away)
            fail("a reply is not of status 200");
    }
}

static bool parse(int argc, char **argv)
{
    o.server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 1; i + 1 < argc; i += 2) {
        long number = strtol(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--port") == 0)
            o.server.sin_port = htons((unsigned short)number);
        else if (strcmp(argv[i], "--request") == 0)
            o.request = argv[i + 1];
        else if (strcmp(argv[i], "--requests") == 0)
            o.requests = number;
        else if (strcmp(argv[i], "--batch") == 0)
            o.batch = number;
        else if (strcmp(argv[i], "--tls") == 0)
            o.tls = number != 0;
        else if (strcmp(argv[i], "--h2") == 0)
            o.h2 = number != 0;
        else
            return false;
    }
    return argc % 2 == 1 && o.server.sin_port != 0 && o.request && o.requests > 0 && o.batch > 0 &&
           o.batch <= (o.h2 ? BATCH_MAX : 1);
}

int main(int argc, char **argv)
{
    static struct h2_client client;
    static struct h2_request request;
    if (!parse(argc, argv)) {
        fputs("usage: steps --port N --request TEXT --requests N [--tls 1] [--h2 1 [--batch STREAMS]]\n", stderr);
        return 2;
    }
    SSL_CTX *context = o.tls ? tls_new_context(o.h2) : NULL;
    if (o.h2 && !h2_make_request(&request, o.request, o.tls))
        fail("that is no request");
    if (!channel_open(&channel, &o.server, context, NULL) || (o.tls && !tls_agreed(channel.ssl, o.h2)))
        fail("no connection");
    for (long sent = 0, count; sent < o.requests; sent += count) {
        count = o.requests - sent < o.batch ? o.requests - sent : o.batch;
        if (o.h2)
            step_h2(&client, &request, count);
        else
            step_http1();
    }
    channel_close(&channel);
    SSL_CTX_free(context);
    return 0;
}
