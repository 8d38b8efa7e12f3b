/*
 * The article's programs on GNU libmicrohttpd: epoll and a pool of threads, one for each processor.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <fcntl.h>
#include <limits.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { CACHE_MAX = 1000, KEY_MAX = 256, PIECE = 8192 };

static const char *root;

/* ---- Replies */

static enum MHD_Result reply(struct MHD_Connection *connection, unsigned status, const char *type,
                             struct MHD_Response *response)
{
    if (response == NULL)
        return MHD_NO;
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result reply_text(struct MHD_Connection *connection, unsigned status, const char *type,
                                  const char *text, size_t len, enum MHD_ResponseMemoryMode mode)
{
    return reply(connection, status, type, MHD_create_response_from_buffer(len, (void *)text, mode));
}

static enum MHD_Result not_found(struct MHD_Connection *connection)
{
    static const char text[] = "File not found";
    return reply_text(connection, MHD_HTTP_NOT_FOUND, "text/plain", text, sizeof(text) - 1, MHD_RESPMEM_PERSISTENT);
}

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

static enum MHD_Result file(struct MHD_Connection *connection, const char *name)
{
    off_t size;
    int fd = open_beneath(name, &size);
    if (fd < 0)
        return not_found(connection);
    return reply(connection, MHD_HTTP_OK, "application/octet-stream",
                 MHD_create_response_from_fd64((uint64_t)size, fd));
}

static ssize_t read_piece(void *opened, uint64_t position, char *buf, size_t most)
{
    (void)position;
    size_t len = fread(buf, 1, most, opened);
    return len > 0          ? (ssize_t)len
           : ferror(opened) ? MHD_CONTENT_READER_END_WITH_ERROR
                            : MHD_CONTENT_READER_END_OF_STREAM;
}

static void close_file(void *opened)
{
    fclose(opened);
}

static enum MHD_Result large(struct MHD_Connection *connection)
{
    off_t size;
    int fd = open_beneath("large.bin", &size);
    FILE *opened = fd < 0 ? NULL : fdopen(fd, "rb");
    if (opened == NULL)
        return not_found(connection);
    struct MHD_Response *response =
        MHD_create_response_from_callback((uint64_t)size, PIECE, read_piece, opened, close_file);
    if (response != NULL)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    return reply(connection, MHD_HTTP_OK, "application/octet-stream", response);
}

/* A file that is read line by line. */
struct lines {
    FILE *file;
    char *line; /* in upper case */
    size_t capacity, len, taken;
};

static int read_line(struct lines *lines)
{
    ssize_t len = getline(&lines->line, &lines->capacity, lines->file);
    for (ssize_t i = 0; i < len; i++)
        lines->line[i] = (char)toupper((unsigned char)lines->line[i]);
    lines->len = len > 0 ? (size_t)len : 0;
    lines->taken = 0;
    return len > 0;
}

/* Fills the buffer with lines; what of the last has no room is the first of the next. */
static ssize_t read_lines(void *opened, uint64_t position, char *buf, size_t most)
{
    struct lines *lines = opened;
    size_t filled = 0;
    (void)position;
    while (filled < most && (lines->taken < lines->len || read_line(lines))) {
        size_t left = lines->len - lines->taken, part = left < most - filled ? left : most - filled;
        memcpy(buf + filled, lines->line + lines->taken, part);
        filled += part, lines->taken += part;
    }
    return filled > 0            ? (ssize_t)filled
           : ferror(lines->file) ? MHD_CONTENT_READER_END_WITH_ERROR
                                 : MHD_CONTENT_READER_END_OF_STREAM;
}

static void close_lines(void *opened)
{
    struct lines *lines = opened;
    fclose(lines->file);
    free(lines->line);
    free(lines);
}

static enum MHD_Result csv(struct MHD_Connection *connection)
{
    off_t size;
    int fd = open_beneath("large_dataset.csv", &size);
    struct lines *lines = fd < 0 ? NULL : calloc(1, sizeof(*lines));
    if (lines == NULL || (lines->file = fdopen(fd, "rb")) == NULL)
        return not_found(connection);
    return reply(connection, MHD_HTTP_OK, "text/csv",
                 MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, PIECE, read_lines, lines, close_lines));
}

/* ---- JSON */

/* Writes text as a JSON string, as far as there is room. Returns the end. */
static char *put_string(char *to, const char *end, const char *text)
{
    *to++ = '"';
    for (; *text != '\0' && end - to > 8; text++) {
        if (*text == '"' || *text == '\\')
            to += snprintf(to, (size_t)(end - to), "\\%c", *text);
        else if ((unsigned char)*text < 0x20)
            to += snprintf(to, (size_t)(end - to), "\\u%04x", *text);
        else
            *to++ = *text;
    }
    *to++ = '"';
    return to;
}

static enum MHD_Result json(struct MHD_Connection *connection)
{
    char buf[2048], *end = buf + sizeof(buf) - 64;
    const char *id = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "X-Request-ID");
    char *to = stpcpy(buf, "{\"request_id\":");
    to = put_string(to, end, id != NULL ? id : "unknown");
    to += snprintf(to, 64, ",\"timestamp\":%lld,\"status\":\"ok\"}", (long long)time(NULL));
    return reply_text(connection, MHD_HTTP_OK, "application/json", buf, (size_t)(to - buf), MHD_RESPMEM_MUST_COPY);
}

static enum MHD_Result efficient(struct MHD_Connection *connection, const char *path)
{
    char buf[1024];
    int len = snprintf(buf, sizeof(buf), "A reply to %s, made in %zu bytes of stack.\n", path, sizeof(buf));
    return reply_text(connection, MHD_HTTP_OK, "text/plain", buf, (size_t)len, MHD_RESPMEM_MUST_COPY);
}

/* ---- The cache: replies that are made once and shared by all requests */

static pthread_rwlock_t cache_lock = PTHREAD_RWLOCK_INITIALIZER;
static struct {
    char key[KEY_MAX];
    struct MHD_Response *response;
} cache[CACHE_MAX];
static size_t cache_count;

static struct MHD_Response *make_entry(const char *key, const char *found)
{
    char buf[2 * KEY_MAX + 64];
    char *to = put_string(stpcpy(buf, "{\"key\":"), buf + sizeof(buf) - 32, key);
    to = stpcpy(to, ",\"computed\":true}");
    struct MHD_Response *response = MHD_create_response_from_buffer((size_t)(to - buf), buf, MHD_RESPMEM_MUST_COPY);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
    MHD_add_response_header(response, "X-Cache", found);
    return response;
}

static enum MHD_Result cached(struct MHD_Connection *connection, const char *key)
{
    enum MHD_Result result = MHD_NO;
    int hit = 0;
    pthread_rwlock_rdlock(&cache_lock);
    for (size_t i = 0; i < cache_count && !hit; i++) {
        if (strcmp(cache[i].key, key) == 0) {
            hit = 1;
            result = MHD_queue_response(connection, MHD_HTTP_OK, cache[i].response);
        }
    }
    pthread_rwlock_unlock(&cache_lock);
    if (hit)
        return result;
    pthread_rwlock_wrlock(&cache_lock);
    if (cache_count < CACHE_MAX && strlen(key) < KEY_MAX) {
        memcpy(cache[cache_count].key, key, strlen(key) + 1);
        cache[cache_count++].response = make_entry(key, "HIT");
    }
    pthread_rwlock_unlock(&cache_lock);
    struct MHD_Response *response = make_entry(key, "MISS");
    result = MHD_queue_response(connection, MHD_HTTP_OK, response);
    MHD_destroy_response(response);
    return result;
}

/* ---- Serving */

static enum MHD_Result serve(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
                             const char *version, const char *data, size_t *data_len, void **state)
{
    static const char hello[] = "Hello, World!";
    static int seen;
    (void)cls, (void)version, (void)data, (void)data_len;
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0)
        return MHD_NO;
    if (*state == NULL) { /* first the head alone: a reply now would end the connection */
        *state = &seen;
        return MHD_YES;
    }
    if (strcmp(url, "/") == 0)
        return reply_text(connection, MHD_HTTP_OK, "text/plain", hello, sizeof(hello) - 1, MHD_RESPMEM_PERSISTENT);
    if (strncmp(url, "/file/", 6) == 0)
        return file(connection, url + 6);
    if (strncmp(url, "/cache/", 7) == 0)
        return cached(connection, url + 7);
    if (strcmp(url, "/json") == 0)
        return json(connection);
    if (strcmp(url, "/efficient") == 0)
        return efficient(connection, url);
    if (strcmp(url, "/large") == 0)
        return large(connection);
    if (strcmp(url, "/csv") == 0)
        return csv(connection);
    return not_found(connection);
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (argc != 3 || (root = realpath(argv[2], NULL)) == NULL)
        return fprintf(stderr, "usage: server PORT ROOT\n"), 2;
    address.sin_port = htons((uint16_t)strtol(argv[1], NULL, 10));
    signal(SIGPIPE, SIG_IGN); /* its manual asks for this */
    unsigned threads = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
    struct MHD_Daemon *daemon =
        MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_TURBO, 0, NULL, NULL, serve, NULL,
                         MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&address, MHD_OPTION_THREAD_POOL_SIZE, threads,
                         MHD_OPTION_CONNECTION_LIMIT, 16384u, MHD_OPTION_LISTEN_BACKLOG_SIZE, 4096u, MHD_OPTION_END);
    if (daemon == NULL)
        return fprintf(stderr, "the daemon does not start\n"), 1;
    pause();
    MHD_stop_daemon(daemon);
    return 0;
}
