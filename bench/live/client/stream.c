/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "stream.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "chunk.h"
#include "frame.h"

enum { INPUT_SIZE = 256 << 10, HEAD_MAX = 4096 };

/* The key of RFC 6455, section 1.3, and what is made of it. */
#define KEY    "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

static uint8_t input[INPUT_SIZE]; /* of whichever stream is being read */

void die(const char *what)
{
    perror(what);
    exit(1);
}

void fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(1);
}

void stream_send(const struct stream *s, const void *data, size_t len)
{
    for (const char *at = data; len > 0;) {
        ssize_t sent = send(s->fd, at, len, MSG_NOSIGNAL);
        if (sent < 0)
            die("send");
        at += sent;
        len -= (size_t)sent;
    }
}

static void ask(const struct stream *s, const struct target *target)
{
    char request[512];
    int len = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost:%d\r\n%s\r\n", target->path,
                       ntohs(target->server.sin_port),
                       s->events ? "Accept: text/event-stream\r\n"
                                 : "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                                   "Sec-WebSocket-Key: " KEY "\r\n");
    if (len >= (int)sizeof request)
        fail("the path is too long");
    stream_send(s, request, (size_t)len);
}

static void check_head(const struct stream *s, const char *head)
{
    bool good = s->events
                    ? strncmp(head, "HTTP/1.1 200 ", 13) == 0 && strcasestr(head, "\r\nTransfer-Encoding: chunked")
                    : strncmp(head, "HTTP/1.1 101 ", 13) == 0 && strstr(head, ACCEPT);
    if (!good || strcasestr(head, "\r\nSec-WebSocket-Extensions:")) {
        fprintf(stderr, "not the reply that was asked for: %.300s\n", head);
        exit(1);
    }
}

static void keep_rest(struct stream *s, const uint8_t *data, size_t len)
{
    if (len == 0) {
        free(s->rest);
        s->rest = NULL;
    } else {
        s->rest = realloc(s->rest, len);
        if (!s->rest)
            die("realloc");
        memcpy(s->rest, data, len);
    }
    s->rest_len = (uint32_t)len;
}

static void receive_head(struct stream *s)
{
    char head[HEAD_MAX + 1];
    size_t len = 0;
    const char *end;
    do {
        ssize_t came = recv(s->fd, head + len, HEAD_MAX - len, 0);
        if (came < 0)
            die("recv");
        if (came == 0)
            fail("the connection ended within the reply's head");
        len += (size_t)came;
        head[len] = '\0';
        end = strstr(head, "\r\n\r\n");
    } while (!end);
    check_head(s, head);
    end += 4;
    keep_rest(s, (const uint8_t *)end, len - (size_t)(end - head));
}

void stream_open(struct stream *s, const struct target *target, int receive_buffer)
{
    *s = (struct stream){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .events = target->events};
    if (s->fd < 0)
        die("socket");
    if (receive_buffer > 0 && setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer) < 0)
        die("SO_RCVBUF");
    /* The port is chosen when it connects: then as many connections as there are ports can leave one address. */
    setsockopt(s->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &(int){1}, sizeof(int));
    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    if (target->from.sin_addr.s_addr && bind(s->fd, (const struct sockaddr *)&target->from, sizeof target->from) < 0)
        die("bind");
    if (connect(s->fd, (const struct sockaddr *)&target->server, sizeof target->server) < 0)
        die("connect");
    ask(s, target);
    receive_head(s);
}

void stream_receive(struct stream *s, stream_taker *take, void *arg)
{
    memcpy(input, s->rest, s->rest_len);
    ssize_t came = recv(s->fd, input + s->rest_len, INPUT_SIZE - s->rest_len, MSG_DONTWAIT);
    if (came < 0 && errno == EAGAIN)
        return;
    if (came < 0)
        die("recv");
    if (came == 0)
        fail("the server closed a connection");
    size_t len = s->rest_len + (size_t)came;
    size_t taken = s->events ? chunks_take(s, input, len, take, arg) : frames_take(s, input, len, take, arg);
    if (taken < len || s->rest_len > 0)
        keep_rest(s, input + taken, len - taken);
}
