/*
 * The article's programs on CivetWeb: a thread for each connection, out of a pool.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include <civetweb.h>
#include <ctype.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { CACHE_MAX = 1000, KEY_MAX = 256, HEAD_MAX = 512, SMALL_MAX = 4096, PIECE = 8192 };

static const char *root;

/* ---- Replies */

/* The library closes after these requests: a reply has to say so. */
static const char *connection_line(const struct mg_connection *connection)
{
    const char *wish = mg_get_header(connection, "Connection");
    return wish == NULL || strcasestr(wish, "keep-alive") != NULL ? "" : "Connection: close\r\n";
}

/* Writes a head. line: more header lines, the framing among them. Returns its length. */
static int put_head(const struct mg_connection *connection, char *to, const char *status, const char *type,
                    const char *line)
{
    return snprintf(to, HEAD_MAX, "HTTP/1.1 %s\r\nContent-Type: %s\r\n%s%s\r\n", status, type, line,
                    connection_line(connection));
}

/* A small reply is one write. Returns its status, as a handler does. more: header lines, each with its end. */
static int reply(struct mg_connection *connection, int code, const char *status, const char *type, const char *more,
                 const char *text, size_t len)
{
    char buf[HEAD_MAX + SMALL_MAX], line[HEAD_MAX / 2];
    snprintf(line, sizeof(line), "Content-Length: %zu\r\n%s", len, more);
    int head = put_head(connection, buf, status, type, line);
    memcpy(buf + head, text, len);
    mg_write(connection, buf, (size_t)head + len);
    return code;
}

static int not_found(struct mg_connection *connection)
{
    return reply(connection, 404, "404 Not Found", "text/plain", "", "File not found", 14);
}

static int hello(struct mg_connection *connection, void *data)
{
    (void)data;
    return reply(connection, 200, "200 OK", "text/plain", "", "Hello, World!", 13);
}

/* ---- Files */

/* The path of a regular file beneath the root, or NULL. */
static char *find_beneath(const char *name, char *real, struct stat *status)
{
    char path[PATH_MAX];
    size_t root_len = strlen(root);
    if (snprintf(path, sizeof(path), "%s/%s", root, name) >= PATH_MAX || realpath(path, real) == NULL ||
        strncmp(real, root, root_len) != 0 || real[root_len] != '/' || stat(real, status) < 0 ||
        !S_ISREG(status->st_mode))
        return NULL;
    return real;
}

static int file(struct mg_connection *connection, void *data)
{
    (void)data;
    char real[PATH_MAX];
    struct stat status;
    const char *name = mg_get_request_info(connection)->local_uri + strlen("/file");
    if (*name == '\0' || find_beneath(name + 1, real, &status) == NULL)
        return not_found(connection);
    mg_send_mime_file(connection, real, "application/octet-stream");
    return 200;
}

static int large(struct mg_connection *connection, void *data)
{
    (void)data;
    char real[PATH_MAX], buf[PIECE], head[HEAD_MAX], line[64];
    struct stat status;
    FILE *opened = find_beneath("large.bin", real, &status) == NULL ? NULL : fopen(real, "rb");
    if (opened == NULL)
        return not_found(connection);
    mg_disable_connection_keep_alive(connection);
    snprintf(line, sizeof(line), "Content-Length: %lld\r\n%s", (long long)status.st_size,
             *connection_line(connection) == '\0' ? "Connection: close\r\n" : "");
    mg_write(connection, head, (size_t)put_head(connection, head, "200 OK", "application/octet-stream", line));
    size_t len;
    while ((len = fread(buf, 1, sizeof(buf), opened)) > 0 && mg_write(connection, buf, len) > 0)
        ;
    fclose(opened);
    return 200;
}

static void start_chunks(struct mg_connection *connection, const char *type)
{
    char head[HEAD_MAX];
    mg_write(connection, head, (size_t)put_head(connection, head, "200 OK", type, "Transfer-Encoding: chunked\r\n"));
}

/* Text that goes out as a chunk once it is full: a chunk for each line would be three writes for each. */
struct piece {
    char text[PIECE];
    size_t len;
};

static int send_piece(struct mg_connection *connection, struct piece *piece)
{
    int sent = piece->len > 0 ? mg_send_chunk(connection, piece->text, (unsigned)piece->len) : 0;
    piece->len = 0;
    return sent;
}

static int append(struct mg_connection *connection, struct piece *piece, const char *text, size_t len)
{
    while (len > 0) {
        size_t part = len < PIECE - piece->len ? len : PIECE - piece->len;
        memcpy(piece->text + piece->len, text, part);
        piece->len += part, text += part, len -= part;
        if (piece->len == PIECE && send_piece(connection, piece) < 0)
            return -1; /* the client has gone */
    }
    return 0;
}

static int csv(struct mg_connection *connection, void *data)
{
    (void)data;
    char real[PATH_MAX], *line = NULL;
    struct stat status;
    struct piece piece = {.len = 0};
    size_t capacity = 0;
    ssize_t len;
    FILE *opened = find_beneath("large_dataset.csv", real, &status) == NULL ? NULL : fopen(real, "rb");
    if (opened == NULL)
        return not_found(connection);
    start_chunks(connection, "text/csv");
    while ((len = getline(&line, &capacity, opened)) > 0) {
        for (ssize_t i = 0; i < len; i++)
            line[i] = (char)toupper((unsigned char)line[i]);
        if (append(connection, &piece, line, (size_t)len) < 0)
            break;
    }
    free(line);
    fclose(opened);
    send_piece(connection, &piece);
    mg_send_chunk(connection, "", 0);
    return 200;
}

static int stream(struct mg_connection *connection, void *data)
{
    (void)data;
    start_chunks(connection, "text/plain");
    for (int i = 0; i < 1000000; i++) {
        char chunk[32];
        int len = snprintf(chunk, sizeof(chunk), "Chunk %d\n", i);
        if (mg_send_chunk(connection, chunk, (unsigned)len) < 0)
            return 200; /* the client has gone */
        if (i % 1000 == 0)
            usleep(1000);
    }
    mg_send_chunk(connection, "", 0);
    return 200;
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

static int json(struct mg_connection *connection, void *data)
{
    (void)data;
    char buf[2048], *end = buf + sizeof(buf) - 64;
    const char *id = mg_get_header(connection, "X-Request-ID");
    char *to = stpcpy(buf, "{\"request_id\":");
    to = put_string(to, end, id != NULL ? id : "unknown");
    to += snprintf(to, 64, ",\"timestamp\":%lld,\"status\":\"ok\"}", (long long)time(NULL));
    return reply(connection, 200, "200 OK", "application/json", "", buf, (size_t)(to - buf));
}

static int efficient(struct mg_connection *connection, void *data)
{
    (void)data;
    char buf[1024];
    int len = snprintf(buf, sizeof(buf), "A reply to %.512s, made in %zu bytes of stack.\n",
                       mg_get_request_info(connection)->local_uri, sizeof(buf));
    return reply(connection, 200, "200 OK", "text/plain", "", buf, (size_t)len);
}

/* ---- The cache: bodies that are made once; entries are never changed or taken out */

static pthread_rwlock_t cache_lock = PTHREAD_RWLOCK_INITIALIZER;
static struct entry {
    char key[KEY_MAX];
    char body[2 * KEY_MAX + 64];
    size_t len;
} cache[CACHE_MAX];
static size_t cache_count;

static void fill_entry(struct entry *entry, const char *key)
{
    const char *end = entry->body + sizeof(entry->body) - 32;
    char *to = put_string(stpcpy(entry->body, "{\"key\":"), end, key);
    entry->len = (size_t)(stpcpy(to, ",\"computed\":true}") - entry->body);
    memcpy(entry->key, key, strlen(key) + 1);
}

static int cached(struct mg_connection *connection, void *data)
{
    (void)data;
    const char *key = mg_get_request_info(connection)->local_uri + strlen("/cache");
    if (*key == '\0' || strlen(++key) >= KEY_MAX)
        return not_found(connection);
    const struct entry *found = NULL;
    pthread_rwlock_rdlock(&cache_lock);
    for (size_t i = 0; i < cache_count && found == NULL; i++)
        found = strcmp(cache[i].key, key) == 0 ? &cache[i] : NULL;
    pthread_rwlock_unlock(&cache_lock);
    if (found != NULL)
        return reply(connection, 200, "200 OK", "application/json", "X-Cache: HIT\r\n", found->body, found->len);
    struct entry made;
    fill_entry(&made, key);
    pthread_rwlock_wrlock(&cache_lock);
    if (cache_count < CACHE_MAX)
        cache[cache_count++] = made;
    pthread_rwlock_unlock(&cache_lock);
    return reply(connection, 200, "200 OK", "application/json", "X-Cache: MISS\r\n", made.body, made.len);
}

int main(int argc, char **argv)
{
    if (argc != 3 || (root = realpath(argv[2], NULL)) == NULL)
        return fprintf(stderr, "usage: server PORT ROOT\n"), 2;
    char address[32];
    snprintf(address, sizeof(address), "127.0.0.1:%s", argv[1]);
    const char *settings[] = {"listening_ports",   address, "num_threads",    "1024", "tcp_nodelay", "1",
                              "enable_keep_alive", "yes",   "listen_backlog", "4096", NULL};
    mg_init_library(MG_FEATURES_DEFAULT);
    struct mg_context *server = mg_start(NULL, NULL, settings);
    if (server == NULL)
        return fprintf(stderr, "the server does not start\n"), 1;
    mg_set_request_handler(server, "/$", hello, NULL);
    mg_set_request_handler(server, "/file", file, NULL);
    mg_set_request_handler(server, "/stream", stream, NULL);
    mg_set_request_handler(server, "/large", large, NULL);
    mg_set_request_handler(server, "/json", json, NULL);
    mg_set_request_handler(server, "/efficient", efficient, NULL);
    mg_set_request_handler(server, "/csv", csv, NULL);
    mg_set_request_handler(server, "/cache", cached, NULL);
    pause();
    mg_stop(server);
    return 0;
}
