/*
 * Every grant of memory is refused once, in a server that starts, serves requests of every kind and stops: no crash, no
 * leak, no wait without end, and afterwards it serves as before. The test refuses by the hook of the memory table, so
 * that it runs under the sanitizers too, and is server and client in one process.
 *
 * SPDX-License-Identifier: MIT
 */
#include "selftest.h"
#include "server/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENTS   24 /* at once: more than the pools hold beforehand */
#define REPLY_MAX 65536

/* ---- The server ---- */

static _Atomic int grants, refuse_at;

static bool refuse(void *arg, const struct account *a, size_t size)
{
    (void)arg;
    (void)a;
    (void)size;
    return atomic_fetch_add(&grants, 1) + 1 == atomic_load(&refuse_at);
}

static void fixed(weir_ctx *c)
{
    weir_reply_static(c, "text/plain", "fixed", 5);
}

static void file(weir_ctx *c)
{
    weir_send_file(c, "/proc/self", weir_param(c, "file"));
}

static void stream(weir_ctx *c)
{
    for (int i = 0; i < 2000; i++) {
        if (weir_printf(c, "Chunk %d\n", i) != 0)
            return;
        if (i % 1000 == 0)
            weir_sleep(c, 1);
    }
}

static void memory(weir_ctx *c)
{
    weir_sleep(c, 5);
    char *text = weir_alloc(c, 4000);
    if (!text)
        weir_fail(c, 503, "no memory");
    memset(text, 'm', 4000);
    weir_sleep(c, 5);
    weir_reply(c, "text/plain", text, 4000);
}

static void echo(weir_ctx *c)
{
    const void *data;
    ssize_t len;
    while ((len = weir_read_slice(c, &data)) > 0)
        if (weir_write(c, data, (size_t)len) != 0)
            return;
    if (len < 0)
        weir_fail(c, 503, "%s", weir_strerror((int)len));
}

static int fill(weir_ctx *c, weir_cache_slot *slot, void *arg)
{
    (void)c;
    static char value[5000];
    (void)arg;
    return weir_cache_put(slot, value, sizeof value);
}

static void cached(weir_ctx *c)
{
    const weir_value *value;
    weir_cache *cache = weir_server_data(c);
    if (!cache)
        weir_fail(c, 503, "no memory");
    int error = weir_cache_get(c, cache, weir_param(c, "key"), fill, NULL, &value, NULL);
    if (error)
        weir_fail(c, 503, "%s", weir_strerror(error));
    weir_reply_value(c, "text/plain", value);
}

static int nothing(void *arg)
{
    (void)arg;
    return 7;
}

static void offload(weir_ctx *c)
{
    int result = weir_offload(c, nothing, NULL);
    if (result < 0)
        weir_fail(c, 503, "%s", weir_strerror(result));
    weir_reply_printf(c, "text/plain", "%d", result);
}

static void account(weir_ctx *c)
{
    weir_account *a = weir_account_open(weir_ctx_server(c), NULL, "test", 0);
    void *p = a ? weir_account_alloc(a, 1000) : NULL;
    bool had = p != NULL;
    weir_account_free(a, p);
    CHECK(weir_account_close(a) == 0);
    if (!had)
        weir_fail(c, 503, "no memory");
    weir_reply_text(c, "account");
}

static weir_server *make(void)
{
    weir_config config = {.port = WEIR_ANY,
                          .workers = 1,
                          .http_buffers = 1,
                          .request_memory_blocks = 1,
                          .request_memory = 8192,
                          .log_level = WEIR_OFF};
    weir_server *s = weir_server_new(&config);
    CHECK(s != NULL);
    s->memory.fault = refuse;
    s->settings.config.server_data = weir_cache_new(s, NULL);
    weir_get(s, "/", fixed);
    weir_get(s, "/file/{file:^.*$}", file);
    weir_get(s, "/stream", stream);
    weir_get(s, "/memory", memory);
    weir_any(s, "/echo", echo);
    weir_get(s, "/cache/{key}", cached);
    weir_get(s, "/offload", offload);
    weir_get(s, "/account", account);
    weir_get(s, "/users/{id:[0-9]+}", fixed);
    weir_on_request(weir_group_new(s, NULL, "/group", "*.test"), fixed);
    return s;
}

/* ---- The client ---- */

static int client_open(int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct timeval patience = {.tv_sec = 60};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0);
    CHECK(connect(fd, (const struct sockaddr *)&to, sizeof to) == 0);
    return fd;
}

static void client_send(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
        if (n <= 0)
            return; /* refused: what there is of a reply is looked at */
        data += n;
        len -= (size_t)n;
    }
}

/* Reads to the end and closes: how many replies there were, all of them good ones or refusals. Counts what was
 * refused. */
static int client_read(int fd, int *refused)
{
    static char reply[REPLY_MAX + 1];
    size_t len = 0;
    ssize_t n = 0;
    while (len < REPLY_MAX && (n = recv(fd, reply + len, REPLY_MAX - len, 0)) > 0)
        len += (size_t)n;
    CHECK(!(n < 0 && errno == EAGAIN)); /* it has waited for a minute */
    close(fd);
    reply[len] = '\0';
    int count = 0;
    for (const char *at = reply; (at = strstr(at, "HTTP/1.1 ")); at += 12) {
        bool refusal = strncmp(at + 9, "503", 3) == 0 || strncmp(at + 9, "500", 3) == 0;
        CHECK(refusal || strncmp(at + 9, "200", 3) == 0);
        *refused += refusal;
        count++;
    }
    return count;
}

struct piece {
    const char *head;
    size_t body; /* bytes */
    int replies;
};

#define LAST      "Connection: close\r\n\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n" LAST
#define H10       "X-A: 1\r\nX-B: 2\r\nX-C: 3\r\nX-D: 4\r\nX-E: 5\r\nX-F: 6\r\nX-G: 7\r\nX-H: 8\r\nX-I: 9\r\nX-J: 0\r\n"

static const struct piece pieces[] = {
    {GET("/"), 0, 1},
    {GET("/file/status"), 0, 1},
    {GET("/stream"), 0, 1},
    {GET("/memory"), 0, 1},
    {GET("/cache/a"), 0, 1},
    {GET("/cache/a"), 0, 1},
    {GET("/offload"), 0, 1},
    {GET("/account"), 0, 1},
    {GET("/users/7?a=%41"), 0, 1},
    {"GET / HTTP/1.1\r\nHost: a\r\n" H10 H10 H10 H10 LAST, 0, 1},
    {"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n" LAST, 20000, 1},
    {"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /users/1 HTTP/1.1\r\nHost: a\r\n\r\n" GET("/cache/b"), 0, 3},
};

static int ask(int port, const struct piece *p, int *refused)
{
    static char body[20000];
    int fd = client_open(port);
    client_send(fd, p->head, strlen(p->head));
    client_send(fd, body, p->body);
    int replies = client_read(fd, refused);
    *refused += p->replies - replies;
    return replies;
}

/* Many at once, so that every pool has to grow; some have sent half a head and are left at that. */
static void ask_together(int port, int *refused)
{
    static const char half[] = "GET /memory HTTP/1.1\r\nHost: a\r\nX-Half: ";
    int fds[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = client_open(port);
        if (i % 4 == 0)
            client_send(fds[i], half, sizeof half - 1);
        else
            client_send(fds[i], GET("/memory"), sizeof GET("/memory") - 1);
    }
    for (int i = 0; i < CLIENTS; i++) {
        if (i % 4 == 0)
            client_send(fds[i], "x\r\n" LAST, sizeof "x\r\n" LAST - 1);
        if (client_read(fds[i], refused) == 0)
            ++*refused;
    }
}

/* One life of a server. How many requests were refused; -1: it did not start. */
static int run(int n)
{
    atomic_store(&grants, 0);
    atomic_store(&refuse_at, n);
    int refused = 0, late = 0;
    weir_server *s = make();
    int error = weir_server_start(s);
    if (error) {
        CHECK(error == WEIR_ENOMEM || (error == WEIR_EINVAL && strstr(weir_server_errors(s), "memory")));
        weir_server_free(s);
        return -1;
    }
    int port = weir_server_port(s);
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++)
        (void)ask(port, &pieces[i], &refused);
    ask_together(port, &refused);
    CHECK(ask(port, &pieces[0], &late) == 1 && late == 0); /* whatever was refused before */
    weir_server_free(s);                                   /* asserts that every account is empty */
    return refused;
}

int main(void)
{
    int n = 0, starts = 0, refusals = 0;
    CHECK(run(0) == 0);
    for (;;) {
        int refused = run(++n);
        if (atomic_load(&grants) < n)
            break;
        starts += refused < 0;
        refusals += refused > 0;
    }
    printf("%d grants were refused: %d ended the start, %d refused a request\n", n - 1, starts, refusals);
    CHECK(starts > 10 && refusals > 5);
    return selftest_end();
}
