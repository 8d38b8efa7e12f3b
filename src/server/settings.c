/*
 * Settings, by a table: each has a name, bounds and a default, so that every wrong one can be named and none is
 * forgotten.
 *
 * SPDX-License-Identifier: MIT
 */
#include "server/settings.h"
#include "http/limits.h"
#include "web/cache/cache.h"
#include "web/file/file_cache.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

enum { MAY_BE_OFF = 1 };

struct setting {
    const char *name;
    size_t offset;
    uint8_t width; /* bytes of the member: 4 or 8, signed or not */
    uint8_t flags;
    int64_t least, most, otherwise;
};

#define SETTING(member, least, most, otherwise, flags)                                                                 \
    {                                                                                                                  \
#member, offsetof(weir_config, member), sizeof(((weir_config *)0)->member), flags, least, most, otherwise      \
    }

#define MINUTE_MS 60000

#define ADDRESS_LIMIT_FROM 256 /* a smaller server is not kept for many addresses: one may have all of it */

#define KERNEL_MEMORY_MIN     (1 << 20)
#define GROUP_CONNECTIONS_MIN 16 /* whatever the group allows */

#define OBJECTS_MAX (1 << 20) /* the most of a worker's pool that are made before the start, or bounded */
#define SET_BUFFERS 2         /* buffers that a request may need: fewer would serve none */

#define BODY_MEMORY       (64 << 20)
#define BODY_MEMORY_SHARE 4 /* of memory_limit */

#define COMPRESSION_MEMORY       (64 << 20)
#define COMPRESSION_MEMORY_SHARE 8 /* of memory_limit */

#define KEPT_MEMORY       ((int64_t)8 << 20)
#define KEPT_MEMORY_SHARE 32 /* of memory_limit */

/* Sizes of the stacks for what a handler's own is too small for. Parsing and deleting a tree as deep as cJSON and
 * jansson allow takes 168 KiB, and writing one as JSON 616 KiB; where there is a bound on all memory, the default is no
 * more than a part of it. */
#define DEEP_LEAST       OFFLOAD_STACK_LEAST
#define DEEP_MOST        OFFLOAD_STACK_MOST
#define DEEP_DEFAULT     ((size_t)1 << 20)
#define DEEP_DEFAULT_LOW ((size_t)256 << 10)
#define DEEP_SHARE       32 /* of memory_limit */

#define TOPIC_MEMORY       ((size_t)64 << 20)
#define TOPIC_MEMORY_MIN   (64 << 10)
#define TOPIC_MEMORY_SHARE 8 /* of memory_limit */

#define WRITE_WINDOW_MS 30000 /* over which a client's rate is measured, where write_timeout_ms is off */

/* Bounds of the settings that are bytes in a socket. */
#define SOCKET_BYTES_MIN 1024
#define SOCKET_BYTES_MAX (1 << 30)

static const struct setting table[] = {
    SETTING(port, 1, 65535, 8080, MAY_BE_OFF),
    SETTING(backlog, 1, 65535, 1024, 0),
    SETTING(shared_listener, 1, 1, WEIR_OFF, MAY_BE_OFF),
    SETTING(workers, 1, WORKERS_MAX, 0, 0),
    SETTING(offload_threads, 1, 256, 4, 0),
    SETTING(http_buffer_size, 1024, 65536, 8192, 0),
    SETTING(ws_buffer_size, 256, 16 << 20, 4096, 0),
    SETTING(stack_size, 16 << 10, 8 << 20, 64 << 10, 0),
    SETTING(deep_stack_size, DEEP_LEAST, DEEP_MOST, 0, 0),
    SETTING(offload_stack_size, DEEP_LEAST, DEEP_MOST, 0, 0),
    SETTING(request_memory, REQUEST_MEMORY_MIN, REQUEST_MEMORY_MAX, 16 << 10, 0),
    SETTING(memory_limit, 1, INT64_MAX, 0, 0),
    SETTING(kernel_memory_limit, KERNEL_MEMORY_MIN, INT64_MAX, 0, 0),
    SETTING(memory_wait_ms, 1, TIMEOUT_MAX_MS, 5000, 0),
    SETTING(memory_share, 1, 100, 75, 0),
    SETTING(http_buffers, 1, OBJECTS_MAX, 0, 0),
    SETTING(stacks, 1, OBJECTS_MAX, 0, 0),
    SETTING(request_records, 1, OBJECTS_MAX, 0, 0),
    SETTING(request_memory_blocks, 1, OBJECTS_MAX, 0, 0),
    SETTING(connection_records, 1, OBJECTS_MAX, 0, 0),
    SETTING(max_http_buffers, SET_BUFFERS, OBJECTS_MAX, WEIR_OFF, MAY_BE_OFF),
    SETTING(max_stacks, 1, OBJECTS_MAX, WEIR_OFF, MAY_BE_OFF),
    SETTING(max_request_records, 1, OBJECTS_MAX, WEIR_OFF, MAY_BE_OFF),
    SETTING(max_request_memory_blocks, 1, OBJECTS_MAX, WEIR_OFF, MAY_BE_OFF),
    SETTING(open_files, FILE_CACHE_WAYS, FILE_CACHE_MAX, 0, MAY_BE_OFF),
    SETTING(open_files_valid_ms, 1, FILE_CACHE_KEEP_MS, WEIR_OFF, MAY_BE_OFF),
    SETTING(tcp_nodelay, 1, 1, WEIR_ON, MAY_BE_OFF),
    SETTING(so_linger, 1, 65535, WEIR_OFF, MAY_BE_OFF),
    SETTING(notsent_lowat, SOCKET_BYTES_MIN, SOCKET_BYTES_MAX, 32768, MAY_BE_OFF),
    SETTING(send_buffer, SOCKET_BYTES_MIN, SOCKET_BYTES_MAX, WEIR_OFF, MAY_BE_OFF),
    SETTING(receive_buffer, SOCKET_BYTES_MIN, SOCKET_BYTES_MAX, WEIR_OFF, MAY_BE_OFF),
    SETTING(max_connections, 1, INT32_MAX, 0, 0),
    SETTING(max_connections_per_address, 1, INT32_MAX, 0, MAY_BE_OFF),
    SETTING(max_requests_per_connection, 1, INT32_MAX, WEIR_OFF, MAY_BE_OFF),
    SETTING(max_request_line, 16, HEAD_SIZE_MAX, HEAD_SIZE_MAX, 0),
    SETTING(max_header_block, 16, HEAD_SIZE_MAX, HEAD_SIZE_MAX, 0),
    SETTING(max_headers, 1, 1000, 100, 0),
    SETTING(max_body, 1, INT64_MAX, 1 << 30, MAY_BE_OFF),
    SETTING(max_body_memory, 1, INT64_MAX, 0, MAY_BE_OFF),
    SETTING(max_compression_memory, 1, INT64_MAX, 0, MAY_BE_OFF),
    SETTING(max_topic_memory, TOPIC_MEMORY_MIN, INT64_MAX, 0, 0),
    SETTING(max_tasks, 1, 1 << 20, 1000, 0),
    SETTING(max_topics, 1, 1 << 20, 10000, 0),
    SETTING(kept_compressed_memory, CACHE_BYTES_MIN, INT64_MAX, 0, MAY_BE_OFF),
    SETTING(max_chunk_extension, 1, 65535, CHUNK_EXTENSION_MAX, 0),
    SETTING(max_trailer, 2, 65535, CHUNK_TRAILER_MAX, 0),
    SETTING(pipeline_depth, 1, 1 << 20, 64, 0),
    SETTING(http2, 1, 1, WEIR_ON, MAY_BE_OFF),
    SETTING(http2_max_streams, 1, 10000, 100, 0),
    SETTING(http2_stream_window, 1024, 16 << 20, 65536, 0),
    SETTING(http2_connection_window, 65535, 256 << 20, 1 << 20, 0),
    SETTING(header_timeout_ms, 1, TIMEOUT_MAX_MS, 10000, MAY_BE_OFF),
    SETTING(idle_timeout_ms, 1, TIMEOUT_MAX_MS, MINUTE_MS, MAY_BE_OFF),
    SETTING(body_timeout_ms, 1, TIMEOUT_MAX_MS, 30000, MAY_BE_OFF),
    SETTING(body_min_rate, 1, 1 << 30, 240, MAY_BE_OFF),
    SETTING(body_grace_ms, 1, TIMEOUT_MAX_MS, 5000, 0),
    SETTING(write_timeout_ms, 1, TIMEOUT_MAX_MS, 30000, MAY_BE_OFF),
    SETTING(write_min_rate, 1, 1 << 30, 240, MAY_BE_OFF),
    SETTING(handler_timeout_ms, 1, TIMEOUT_MAX_MS, WEIR_OFF, MAY_BE_OFF),
    SETTING(half_close, 1, 1, WEIR_OFF, MAY_BE_OFF),
    SETTING(stop_timeout_ms, 1, TIMEOUT_MAX_MS, 10000, 0),
    SETTING(watchdog_ms, 1, TIMEOUT_MAX_MS, 100, MAY_BE_OFF),
    SETTING(drain_limit, 1, INT64_MAX, 65536, MAY_BE_OFF),
    SETTING(log_level, WEIR_LOG_ERROR, WEIR_LOG_DEBUG, WEIR_LOG_WARN, MAY_BE_OFF),
};

static int64_t setting_get(const weir_config *config, const struct setting *s)
{
    const char *at = (const char *)config + s->offset;
    int32_t narrow;
    int64_t wide;
    if (s->width == sizeof narrow) {
        memcpy(&narrow, at, sizeof narrow);
        return narrow;
    }
    memcpy(&wide, at, sizeof wide);
    return wide;
}

static void setting_put(weir_config *config, const struct setting *s, int64_t value)
{
    char *at = (char *)config + s->offset;
    int32_t narrow = (int32_t)value;
    if (s->width == sizeof narrow)
        memcpy(at, &narrow, sizeof narrow);
    else
        memcpy(at, &value, sizeof value);
}

static COLD void setting_refuse(const struct setting *s, int64_t value, struct site *errors)
{
    char what[64];
    snprintf(what, sizeof what, "setting %s", s->name);
    const char *negative = s->offset == offsetof(weir_config, port) ? "WEIR_ANY" : "WEIR_OFF";
    site_error_number(errors, what, value, s->least, s->most, s->flags & MAY_BE_OFF ? negative : NULL);
}

static void setting_check(weir_config *config, const struct setting *s, struct site *errors)
{
    int64_t value = setting_get(config, s);
    if (value == 0) {
        setting_put(config, s, s->otherwise);
        return;
    }
    if (value == WEIR_OFF && (s->flags & MAY_BE_OFF))
        return;
    if (value < s->least || value > s->most) {
        setting_refuse(s, value, errors);
        setting_put(config, s, s->otherwise);
    }
}

/* Off is as long as a timer can be. */
static uint32_t timeout_of(int ms)
{
    return ms < 0 ? TIMER_DELAY_MAX : (uint32_t)ms;
}

static int descriptors(void)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > INT32_MAX ? INT32_MAX : (int)limit.rlim_cur;
}

#define PROCESS_DESCRIPTORS 64 /* the process's share */

/* An eighth of the descriptors may be files that are kept open, so that connections have nearly as many as without; and
 * no more than is left by as many connections as were asked for. */
static int open_files_by_descriptors(const weir_config *c)
{
    int all = descriptors(), most = all / 8;
    if (c->max_connections > 0 && all - PROCESS_DESCRIPTORS - c->max_connections < most)
        most = all - PROCESS_DESCRIPTORS - c->max_connections;
    most /= c->workers;
    return most < FILE_CACHE_WAYS ? WEIR_OFF : most < FILE_CACHE_MAX ? most : FILE_CACHE_MAX;
}

/* What the descriptor limit leaves when the process has had its share, and the files that are kept open theirs. */
static int connections_by_descriptors(const weir_config *c)
{
    int most = descriptors(), share = PROCESS_DESCRIPTORS + (c->open_files > 0 ? c->open_files * c->workers : 0);
    if (most == INT32_MAX)
        return most;
    return most > 2 * share ? most - share : most / 2 + 1;
}

/* In a small container the sockets alone can be too much: the kernel charges about 4 KiB for each (3.7 measured), and
 * what is in its queues. Of what the group allows beside memory_limit and the program itself, a quarter is for the
 * queues and the rest for sockets. */
#define GROUP_PROGRAM ((uint64_t)4 << 20)
#define GROUP_SOCKET  4608

static void settings_fit_group(weir_config *c, bool any_connections)
{
    uint64_t memory = settings_group_memory(), own = c->memory_limit ? c->memory_limit : memory / 2;
    if (memory == 0)
        return;
    uint64_t room = memory > own + GROUP_PROGRAM ? memory - own - GROUP_PROGRAM : 0;
    uint64_t connections = room / 4 * 3 / GROUP_SOCKET;
    if (any_connections && connections < (uint64_t)c->max_connections)
        c->max_connections = connections > GROUP_CONNECTIONS_MIN ? (int)connections : GROUP_CONNECTIONS_MIN;
    if (c->kernel_memory_limit == 0)
        c->kernel_memory_limit = room / 4 > KERNEL_MEMORY_MIN ? room / 4 : KERNEL_MEMORY_MIN;
}

/* How many of a pool's objects a worker makes before the start: a default never meets the bound, what was given may. */
struct preallocation {
    const char *name, *bound_name;
    int *count;
    int otherwise, bound;
};

static void settings_fit_pools(weir_config *c, struct site *errors)
{
    const struct preallocation all[] = {
        {"http_buffers", "max_http_buffers", &c->http_buffers, 8, c->max_http_buffers},
        {"stacks", "max_stacks", &c->stacks, 1, c->max_stacks},
        {"request_records", "max_request_records", &c->request_records, 1, c->max_request_records},
        {"request_memory_blocks", "max_request_memory_blocks", &c->request_memory_blocks, 4,
         c->max_request_memory_blocks},
        {"connection_records", "max_connections", &c->connection_records, 1, c->max_connections},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        const struct preallocation *p = &all[i];
        if (*p->count > p->bound && p->bound > 0)
            site_error(errors, "setting %s: %d is more than %s, %d", p->name, *p->count, p->bound_name, p->bound);
        if (*p->count == 0)
            *p->count = p->bound > 0 && p->bound < p->otherwise ? p->bound : p->otherwise;
    }
}

static struct listen_spec spec_of(const weir_config *c)
{
    return (struct listen_spec){
        .protocol = &http_protocol_h1,
        .offers = http_offers(c->http2 == WEIR_ON),
        .shared = c->shared_listener == WEIR_ON,
        .backlog = c->backlog,
        .unix_mode = 0666,
        .notsent_lowat = c->notsent_lowat,
        .send_buffer = c->send_buffer,
        .receive_buffer = c->receive_buffer,
        .linger_seconds = c->so_linger,
        .nodelay = c->tcp_nodelay == WEIR_ON,
        .user_timeout_ms = c->write_timeout_ms,
    };
}

struct listen_spec settings_listener(const struct settings *s, const struct transport *t)
{
    struct listen_spec spec = spec_of(&s->config);
    spec.transport = t;
    spec.offers = NULL;
    return spec;
}

static int port_of(int port)
{
    return port == WEIR_ANY ? 0 : port;
}

static uint32_t bound_of(int most)
{
    return most < 0 ? 0 : (uint32_t)most;
}

/* Off is 0 where the HTTP floor has a word for it, and never met where it has none. */
static struct http_settings http_settings_of(const weir_config *c)
{
    return (struct http_settings){
        .buffer_size = (uint32_t)c->http_buffer_size,
        .request_memory = (uint32_t)c->request_memory,
        .max_headers = (uint16_t)c->max_headers,
        .max_request_line = (uint32_t)c->max_request_line,
        .max_header_block = (uint32_t)c->max_header_block,
        .max_chunk_extension = (uint16_t)c->max_chunk_extension,
        .max_trailer = (uint16_t)c->max_trailer,
        .max_requests = c->max_requests_per_connection < 0 ? 0 : (uint32_t)c->max_requests_per_connection,
        .pipeline_depth = (uint32_t)c->pipeline_depth,
        .header_timeout_ms = timeout_of(c->header_timeout_ms),
        .idle_timeout_ms = timeout_of(c->idle_timeout_ms),
        .body_timeout_ms = timeout_of(c->body_timeout_ms),
        .body_min_rate = c->body_min_rate < 0 ? 0 : (uint32_t)c->body_min_rate,
        .body_grace_ms = (uint32_t)c->body_grace_ms,
        .write_timeout_ms = timeout_of(c->write_timeout_ms),
        .write_min_rate = c->write_min_rate < 0 ? 0 : (uint32_t)c->write_min_rate,
        .write_window_ms = c->write_timeout_ms < 0 ? WRITE_WINDOW_MS : (uint32_t)c->write_timeout_ms,
        .handler_timeout_ms = c->handler_timeout_ms < 0 ? 0 : (uint32_t)c->handler_timeout_ms,
        .max_body = c->max_body < 0 ? INT64_MAX : c->max_body,
        .http2 = WEIR_WITH_HTTP2 && c->http2 == WEIR_ON,
        .h2_max_streams = (uint32_t)c->http2_max_streams,
        .h2_stream_window = (uint32_t)c->http2_stream_window,
        .h2_connection_window = (uint32_t)c->http2_connection_window,
        .memory_wait_ms = (uint32_t)c->memory_wait_ms,
        .memory_share = (uint8_t)c->memory_share,
        .bounds = {.records = bound_of(c->max_request_records),
                   .buffers = bound_of(c->max_http_buffers),
                   .arenas = bound_of(c->max_request_memory_blocks),
                   .stacks = bound_of(c->max_stacks)},
        .spill_limit = c->memory_limit / 4 / (uint64_t)c->workers,
        .drain_limit = c->drain_limit < 0 ? 0 : c->drain_limit,
        .news = c->half_close == WEIR_ON ? NEWS_GONE : NEWS_GONE | NEWS_HALF_CLOSED,
    };
}

static size_t deep_default(const weir_config *c)
{
    size_t share = c->memory_limit / DEEP_SHARE & ~(size_t)65535;
    if (c->memory_limit == 0 || share > DEEP_DEFAULT)
        return DEEP_DEFAULT;
    return share > DEEP_DEFAULT_LOW ? share : DEEP_DEFAULT_LOW;
}

static size_t topic_memory_default(const weir_config *c)
{
    size_t share = c->memory_limit / TOPIC_MEMORY_SHARE;
    return c->memory_limit == 0 ? TOPIC_MEMORY : share > TOPIC_MEMORY_MIN ? share : TOPIC_MEMORY_MIN;
}

static int64_t kept_default(const weir_config *c)
{
    int64_t share = (int64_t)(c->memory_limit / KEPT_MEMORY_SHARE);
    if (c->memory_limit == 0 || share > KEPT_MEMORY)
        return KEPT_MEMORY;
    return share >= (int64_t)CACHE_BYTES_MIN ? share : WEIR_OFF;
}

void settings_read(struct settings *out, const weir_config *given, size_t size, struct site *errors)
{
    *out = (struct settings){0};
    weir_config *c = &out->config;
    if (given)
        memcpy(c, given, size < sizeof *c ? size : sizeof *c);
    out->own_address = c->host || c->port;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        setting_check(c, &table[i], errors);
    if (c->workers == 0)
        c->workers = settings_processors();
    if (c->deep_stack_size == 0)
        c->deep_stack_size = deep_default(c);
    if (c->offload_stack_size == 0)
        c->offload_stack_size = deep_default(c);
    if (c->open_files == 0)
        c->open_files = open_files_by_descriptors(c);
    bool any_connections = c->max_connections == 0;
    if (any_connections)
        c->max_connections = connections_by_descriptors(c);
    settings_fit_group(c, any_connections);
    settings_fit_pools(c, errors);
    if (c->max_body_memory == 0)
        c->max_body_memory = c->memory_limit ? (int64_t)(c->memory_limit / BODY_MEMORY_SHARE) : BODY_MEMORY;
    if (c->max_compression_memory == 0)
        c->max_compression_memory =
            c->memory_limit ? (int64_t)(c->memory_limit / COMPRESSION_MEMORY_SHARE) + 1 : COMPRESSION_MEMORY;
    if (c->max_topic_memory == 0)
        c->max_topic_memory = topic_memory_default(c);
    if (c->kept_compressed_memory == 0)
        c->kept_compressed_memory = kept_default(c);
    if (c->max_connections_per_address == 0)
        c->max_connections_per_address =
            c->max_connections < ADDRESS_LIMIT_FROM ? WEIR_OFF : c->max_connections - c->max_connections / 4;
    struct listen_spec *first = &out->listeners[0];
    *first = spec_of(c);
    const char *host = c->host ? c->host : "127.0.0.1";
    if (address_parse(&first->address, host, port_of(c->port)) != 0)
        site_error(errors, "setting host: \"%.120s\" is not an IPv4 or IPv6 address or unix:PATH", host);
    out->address = first->address;
    first->shared |= first->address.base.sa_family == AF_UNIX;
    out->listener_count = 1;
    c->host = NULL;
    clients_read(errors, c->trusted_proxies, c->forwarded_header);
    c->trusted_proxies = c->forwarded_header = NULL;
    out->http = http_settings_of(c);
}

/* Zero: as the server's settings say. */
static bool socket_bytes_valid(int bytes)
{
    return bytes == 0 || bytes == WEIR_OFF || (bytes >= SOCKET_BYTES_MIN && bytes <= SOCKET_BYTES_MAX);
}

static bool listener_in_range(const weir_listen_config *given, int port)
{
    return given->fd >= 0 && given->backlog >= 0 && port >= WEIR_ANY && port <= 65535 && given->unix_mode >= 0 &&
           given->unix_mode <= 0777 && given->server_first >= WEIR_OFF && given->server_first <= WEIR_ON &&
           given->proxy_protocol >= WEIR_OFF && given->proxy_protocol <= WEIR_ON &&
           (given->read_timeout_ms == WEIR_OFF ||
            (given->read_timeout_ms >= 0 && given->read_timeout_ms <= TIMEOUT_MAX_MS)) &&
           socket_bytes_valid(given->notsent_lowat) && socket_bytes_valid(given->send_buffer) &&
           socket_bytes_valid(given->receive_buffer);
}

/* Reads who may send prefaces. False: it is wrong, which is among the errors. */
static bool settings_read_senders(struct listen_spec *spec, const weir_listen_config *given, struct site *errors)
{
    if (!spec->proxied) {
        site_error(errors, "listener: proxy_networks goes with proxy_protocol");
        return false;
    }
    spec->proxy_networks = clients_networks(errors, "listener: proxy_networks", given->proxy_networks);
    return spec->proxy_networks != NULL;
}

int settings_add_listener(struct settings *s, const weir_listen_config *given, struct site *errors)
{
    if (!given || s->listener_count == LISTENERS_MAX) {
        site_error(errors, "listener: %s", given ? "there are too many" : "no settings");
        return WEIR_EINVAL;
    }
    struct listen_spec spec = spec_of(&s->config);
    int port = given->port ? given->port : s->config.port;
    const char *host = given->host ? given->host : "without a host";
    if (!listener_in_range(given, port)) {
        site_error(errors, "listener %.120s: a number is out of range", host);
        return WEIR_EINVAL;
    }
    if (given->fd > 0) {
        spec.inherited_fd = given->fd;
    } else if (!given->host) {
        spec.address = s->address;
        address_set_port(&spec.address, port_of(port));
    } else if (address_parse(&spec.address, host, port_of(port)) != 0) {
        site_error(errors, "listener: \"%.120s\" is not an IPv4 or IPv6 address or unix:PATH", host);
        return WEIR_EINVAL;
    }
    if (given->shared_listener)
        spec.shared = given->shared_listener == WEIR_ON;
    spec.shared |= spec.inherited_fd > 0 || spec.address.base.sa_family == AF_UNIX;
    if (given->backlog)
        spec.backlog = given->backlog;
    if (given->notsent_lowat)
        spec.notsent_lowat = given->notsent_lowat;
    if (given->send_buffer)
        spec.send_buffer = given->send_buffer;
    if (given->receive_buffer)
        spec.receive_buffer = given->receive_buffer;
    if (given->unix_mode)
        spec.unix_mode = given->unix_mode;
    spec.proxied = given->proxy_protocol == WEIR_ON;
    if (given->proxy_networks && !settings_read_senders(&spec, given, errors))
        return WEIR_EINVAL;
    s->listeners[s->listener_count++] = spec;
    return 0;
}

void settings_complete(struct settings *s)
{
    size_t others = 0; /* listeners that were added for the program's own clients */
    for (size_t i = 1; i < s->listener_count; i++)
        others += !s->listeners[i].admin;
    if (!s->own_address && others > 0) {
        s->listener_count--;
        memmove(&s->listeners[0], &s->listeners[1], s->listener_count * sizeof s->listeners[0]);
    }
}
