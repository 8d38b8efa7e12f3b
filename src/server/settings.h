/*
 * A server's settings: the program's structure with every default filled in, checked all at once.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_SERVER_SETTINGS_H
#define WEIR_SERVER_SETTINGS_H

#include "http/http.h"
#include "net/listener.h"
#include "web/site.h"
#include "weir.h"

#define LISTENERS_MAX 16
#define WORKERS_MAX   1024

#define WORKER_STACK_SIZE   ((size_t)128 * 1024) /* of its thread: the loop's, worker_start's and worker_stop's */
#define WATCHDOG_STACK_SIZE ((size_t)64 * 1024)

/* Bounds of the stacks of threads for blocking work. */
#define OFFLOAD_STACK_LEAST ((int64_t)64 << 10)
#define OFFLOAD_STACK_MOST  ((int64_t)64 << 20)

struct settings {
    weir_config config; /* defaults filled in; its strings are not kept */
    struct http_settings http;
    struct listen_spec listeners[LISTENERS_MAX];
    size_t listener_count;
    struct address address; /* of config's host and port, also for listeners that name none */
    bool own_address;       /* the first listener is config's host and port */
};

/* Fills out from given (size bytes of it; NULL: all defaults). Every wrong setting becomes a line of the site's
 * errors. */
void settings_read(struct settings *out, const weir_config *given, size_t size, struct site *errors);

/* Adds a listener. 0, or WEIR_EINVAL with a line of the site's errors. */
int settings_add_listener(struct settings *s, const weir_listen_config *given, struct site *errors);

/* The settings of a listener whose connections have another transport, for HTTP. */
struct listen_spec settings_listener(const struct settings *s, const struct transport *t);

/* What is known only when everything has been added: whether the default listener is wanted. */
void settings_complete(struct settings *s);

/* Processors that this process may use: its affinity, and its cgroup's quota rounded up. At least 1. */
int settings_processors(void);

/* Bytes that its control group lets it use, the kernel's for it included; 0: any number. */
uint64_t settings_group_memory(void);

#endif
