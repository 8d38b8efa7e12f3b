/*
 * Sends the same request over and over on one connection, one at a time or in batches, and waits for the whole reply
 * (or the batch's replies) before it goes on. Every reply must be as long as the second: nothing else is looked at. The
 * server so does exactly the same work for each request or batch, which makes its instructions countable, see
 * script/instructions.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct options {
    struct sockaddr_in server;
    const char *request;
    long requests;
    long batch;
};

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void send_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(fd, data, len, MSG_NOSIGNAL);
        if (sent < 0)
            die("send");
        data += sent;
        len -= (size_t)sent;
    }
}

/* Receives len bytes, or with `some` at least one of them, into buf. Returns how many. */
static size_t receive(int fd, char *buf, size_t len, bool some)
{
    size_t got = 0;
    while (got < len && !(some && got > 0)) {
        ssize_t more = recv(fd, buf + got, len - got, 0);
        if (more < 0)
            die("recv");
        if (more == 0) {
            fprintf(stderr, "lockstep: the server closed the connection\n");
            exit(1);
        }
        got += (size_t)more;
    }
    return got;
}

/* Makes one request. Returns the length of the reply: head and body by Content-Length. */
static size_t learn_length(int fd, const char *request)
{
    char reply[4096];
    size_t got = 0;
    char *blank = NULL;
    send_all(fd, request, strlen(request));
    while (blank == NULL && got < sizeof(reply) - 1) {
        got += receive(fd, reply + got, sizeof(reply) - 1 - got, true);
        reply[got] = '\0';
        blank = strstr(reply, "\r\n\r\n");
    }
    const char *length = strcasestr(reply, "\r\nContent-Length: ");
    if (blank == NULL || length == NULL || strncmp(reply, "HTTP/1.1 200 ", 13) != 0) {
        fprintf(stderr, "lockstep: no good reply: %.200s\n", reply);
        exit(1);
    }
    size_t whole = (size_t)(blank + 4 - reply) + strtoul(length + strlen("\r\nContent-Length: "), NULL, 10);
    if (whole > sizeof(reply)) {
        fprintf(stderr, "lockstep: the reply is longer than this program expects\n");
        exit(1);
    }
    receive(fd, reply + got, whole - got, false);
    return whole;
}

static bool parse(struct options *o, int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        long number = strtol(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--port") == 0)
            o->server.sin_port = htons((unsigned short)number);
        else if (strcmp(argv[i], "--request") == 0)
            o->request = argv[i + 1];
        else if (strcmp(argv[i], "--requests") == 0)
            o->requests = number;
        else if (strcmp(argv[i], "--batch") == 0)
            o->batch = number;
        else
            return false;
    }
    return o->server.sin_port != 0 && o->request != NULL && o->requests > 0 && o->batch > 0 && argc % 2 == 1;
}

int main(int argc, char **argv)
{
    struct options o = {.server = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, .batch = 1};
    if (!parse(&o, argc, argv)) {
        fprintf(stderr, "usage: lockstep --port N --request BYTES --requests N [--batch N]\n");
        return 2;
    }
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&o.server, sizeof(o.server)) < 0)
        die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));

    size_t len = strlen(o.request);
    learn_length(fd, o.request); /* a first reply may differ: a cache is empty */
    size_t reply = learn_length(fd, o.request);
    char *batch = malloc(len * (size_t)o.batch);
    char *sink = malloc(reply * (size_t)o.batch);
    if (batch == NULL || sink == NULL)
        die("malloc");
    for (long i = 0; i < o.batch; i++)
        memcpy(batch + len * (size_t)i, o.request, len);
    for (long sent = 0; sent < o.requests;) {
        size_t count = (size_t)(o.requests - sent < o.batch ? o.requests - sent : o.batch);
        send_all(fd, batch, len * count);
        receive(fd, sink, reply * count, false);
        /* The last reply begins where it must: none was longer or shorter. */
        if (memcmp(sink + reply * (count - 1), "HTTP/1.1 200 ", 13) != 0) {
            fprintf(stderr, "lockstep: a reply is not as long as the second\n");
            return 1;
        }
        sent += (long)count;
    }
    close(fd);
    free(batch);
    free(sink);
    return 0;
}
