/*
 * The article's programs on libevent's evhttp: a thread for each processor, each with its own event base and its own
 * listener on the same port.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { CACHE_MAX = 1000, KEY_MAX = 256, PIECE = 8192 };

static const char *root;
static uint16_t port;

static void reply(struct evhttp_request *request, int status, const char *reason, const char *type)
{
    evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type", type);
    evhttp_send_reply(request, status, reason, NULL);
}

static struct evbuffer *body(struct evhttp_request *request)
{
    return evhttp_request_get_output_buffer(request);
}

static void not_found(struct evhttp_request *request)
{
    evbuffer_add_reference(body(request), "File not found", 14, NULL, NULL);
    reply(request, 404, "Not Found", "text/plain");
}

/* ---- Files */

/* A file beneath the root that is a regular one, or -1. */
static int open_beneath(const char *name, off_t *size)
{
    char path[PATH_MAX], real[PATH_MAX];
    struct stat status;
    size_t root_len = strlen(root);
    if (snprintf(path, sizeof(path), "%s/%s", root, name) >= PATH_MAX || realpath(path, real) == NULL ||
        strncmp(real, root, root_len) != 0 || real[root_len] != '/')
        return -1;
    int fd = open(real, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode)) {
        close(fd);
        return -1;
    }
    *size = status.st_size;
    return fd;
}

static void file(struct evhttp_request *request, const char *name)
{
    off_t size;
    char *decoded = evhttp_uridecode(name, 0, NULL);
    int fd = decoded ? open_beneath(decoded, &size) : -1;
    free(decoded);
    if (fd < 0) {
        not_found(request);
        return;
    }
    evbuffer_set_flags(body(request), EVBUFFER_FLAG_DRAINS_TO_FD); /* sendfile instead of a mapping */
    if (size == 0)
        close(fd);
    else
        evbuffer_add_file(body(request), fd, 0, size); /* closes it */
    reply(request, 200, "OK", "application/octet-stream");
}

/* A file that is sent piece by piece: the next when the last has left. */
struct transfer {
    struct evhttp_request *request;
    FILE *file;
    void (*fill)(struct transfer *); /* puts some of the file to the piece, nothing at its end */
    struct evbuffer *piece;
    char *line;
    size_t capacity;
};

static void fill_bytes(struct transfer *transfer)
{
    char buf[PIECE];
    evbuffer_add(transfer->piece, buf, fread(buf, 1, sizeof(buf), transfer->file));
}

static void fill_lines_upper(struct transfer *transfer)
{
    ssize_t len;
    while (evbuffer_get_length(transfer->piece) < PIECE &&
           (len = getline(&transfer->line, &transfer->capacity, transfer->file)) > 0) {
        for (ssize_t i = 0; i < len; i++)
            transfer->line[i] = (char)toupper((unsigned char)transfer->line[i]);
        evbuffer_add(transfer->piece, transfer->line, (size_t)len);
    }
}

static void end_transfer(struct transfer *transfer)
{
    fclose(transfer->file);
    free(transfer->line);
    evbuffer_free(transfer->piece);
    free(transfer);
}

static void client_left(struct evhttp_connection *connection, void *arg)
{
    (void)connection;
    end_transfer(arg);
}

static void send_piece(struct evhttp_connection *connection, void *arg)
{
    struct transfer *transfer = arg;
    transfer->fill(transfer);
    if (evbuffer_get_length(transfer->piece) == 0) {
        evhttp_connection_set_closecb(connection, NULL, NULL);
        evhttp_send_reply_end(transfer->request);
        end_transfer(transfer);
        return;
    }
    evhttp_send_reply_chunk_with_cb(transfer->request, transfer->piece, send_piece, transfer);
}

static void stream_file(struct evhttp_request *request, const char *name, const char *type, int size_known,
                        void (*fill)(struct transfer *))
{
    off_t size;
    char length[32];
    int fd = open_beneath(name, &size);
    struct transfer *transfer = fd < 0 ? NULL : calloc(1, sizeof(*transfer));
    if (transfer == NULL) {
        not_found(request);
        return;
    }
    *transfer = (struct transfer){request, fdopen(fd, "rb"), fill, evbuffer_new(), NULL, 0};
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    evhttp_add_header(headers, "Content-Type", type);
    if (size_known) {
        snprintf(length, sizeof(length), "%lld", (long long)size);
        evhttp_add_header(headers, "Content-Length", length);
        evhttp_add_header(headers, "Connection", "close"); /* the article's program closes at its end */
    }
    struct evhttp_connection *connection = evhttp_request_get_connection(request);
    evhttp_connection_set_closecb(connection, client_left, transfer);
    evhttp_send_reply_start(request, 200, "OK");
    send_piece(connection, transfer);
}

/* ---- JSON */

static void put_string(struct evbuffer *to, const char *text)
{
    evbuffer_add(to, "\"", 1);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            evbuffer_add_printf(to, "\\%c", *text);
        else if ((unsigned char)*text < 0x20)
            evbuffer_add_printf(to, "\\u%04x", *text);
        else
            evbuffer_add(to, text, 1);
    }
    evbuffer_add(to, "\"", 1);
}

static void json(struct evhttp_request *request)
{
    const char *id = evhttp_find_header(evhttp_request_get_input_headers(request), "X-Request-ID");
    evbuffer_add(body(request), "{\"request_id\":", 14);
    put_string(body(request), id != NULL ? id : "unknown");
    evbuffer_add_printf(body(request), ",\"timestamp\":%lld,\"status\":\"ok\"}", (long long)time(NULL));
    reply(request, 200, "OK", "application/json");
}

static void efficient(struct evhttp_request *request)
{
    char buf[1024];
    int len = snprintf(buf, sizeof(buf), "A reply to %s, made in %zu bytes of stack.\n",
                       evhttp_request_get_uri(request), sizeof(buf));
    evbuffer_add(body(request), buf, (size_t)len);
    reply(request, 200, "OK", "text/plain");
}

/* ---- The cache: values stay where they are once they are in it, so that hits refer to them */

static pthread_rwlock_t cache_lock = PTHREAD_RWLOCK_INITIALIZER;
static struct {
    char key[KEY_MAX];
    char value[2 * KEY_MAX];
    size_t len;
} cache[CACHE_MAX];
static size_t cache_count;

static void cached(struct evhttp_request *request, const char *key)
{
    size_t at = 0;
    pthread_rwlock_rdlock(&cache_lock);
    while (at < cache_count && strcmp(cache[at].key, key) != 0)
        at++;
    int hit = at < cache_count;
    pthread_rwlock_unlock(&cache_lock);
    evhttp_add_header(evhttp_request_get_output_headers(request), "X-Cache", hit ? "HIT" : "MISS");
    if (hit) {
        evbuffer_add_reference(body(request), cache[at].value, cache[at].len, NULL, NULL);
        reply(request, 200, "OK", "application/json");
        return;
    }
    evbuffer_add(body(request), "{\"key\":", 7);
    put_string(body(request), key);
    evbuffer_add(body(request), ",\"computed\":true}", 17);
    pthread_rwlock_wrlock(&cache_lock);
    size_t len = evbuffer_get_length(body(request));
    if (cache_count < CACHE_MAX && strlen(key) < KEY_MAX && len < sizeof(cache[0].value)) {
        memcpy(cache[cache_count].key, key, strlen(key) + 1);
        evbuffer_copyout(body(request), cache[cache_count].value, len);
        cache[cache_count++].len = len;
    }
    pthread_rwlock_unlock(&cache_lock);
    reply(request, 200, "OK", "application/json");
}

/* ---- Serving */

static void serve(struct evhttp_request *request, void *arg)
{
    const char *path = evhttp_request_get_uri(request);
    (void)arg;
    if (strcmp(path, "/") == 0) {
        evbuffer_add_reference(body(request), "Hello, World!", 13, NULL, NULL);
        reply(request, 200, "OK", "text/plain");
    } else if (strncmp(path, "/file/", 6) == 0) {
        file(request, path + 6);
    } else if (strncmp(path, "/cache/", 7) == 0) {
        cached(request, path + 7);
    } else if (strcmp(path, "/json") == 0) {
        json(request);
    } else if (strcmp(path, "/efficient") == 0) {
        efficient(request);
    } else if (strcmp(path, "/large") == 0) {
        stream_file(request, "large.bin", "application/octet-stream", 1, fill_bytes);
    } else if (strcmp(path, "/csv") == 0) {
        stream_file(request, "large_dataset.csv", "text/csv", 0, fill_lines_upper);
    } else {
        not_found(request);
    }
}

static void *run(void *arg)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    setsockopt(listener, SOL_SOCKET, SO_REUSEPORT, &(int){1}, sizeof(int));
    setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)); /* accepted sockets inherit it */
    struct event_base *base = event_base_new();
    struct evhttp *http = evhttp_new(base);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(listener, 4096) < 0 || evhttp_accept_socket(http, listener) < 0) {
        perror("listen");
        exit(1);
    }
    evhttp_set_allowed_methods(http, EVHTTP_REQ_GET);
    evhttp_set_gencb(http, serve, NULL);
    event_base_dispatch(base);
    return arg;
}

int main(int argc, char **argv)
{
    if (argc != 3 || (root = realpath(argv[2], NULL)) == NULL)
        return fprintf(stderr, "usage: server PORT ROOT\n"), 2;
    port = (uint16_t)strtol(argv[1], NULL, 10);
    signal(SIGPIPE, SIG_IGN); /* its manual asks for this */
    long threads = sysconf(_SC_NPROCESSORS_ONLN);
    for (long i = 1; i < threads; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, run, NULL) != 0)
            return 1;
    }
    run(NULL);
    return 0;
}
