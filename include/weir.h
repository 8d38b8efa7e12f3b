/*
 * weir: web servers whose memory stays level, whatever flows through them.
 *
 * The header is the whole public interface and its reference manual. Conventions that hold for every function here,
 * unless its own comment says otherwise:
 *
 *  - Functions that can fail return 0 (or a count) or a negative WEIR_E... value; weir_strerror() names it.
 *  - NULL where a comment does not allow it is an error: WEIR_EINVAL, or NULL from what returns a pointer. A weir_ctx *
 *    is the one that the handler was given: NULL there is not looked for.
 *  - Pointers that a function returns for a request (header values, parameters, arena memory) are valid until the
 *    handler and its deferred calls have ended. Never keep them longer.
 *  - A buffer passed to a call is the caller's again when the call returns.
 *  - Strings are NUL-terminated and in no particular encoding.
 *  - A weir_ctx may only be used on the fiber that its handler runs on; builds of the library with WEIR_DEBUG end the
 *    process with a message if it is not. "May suspend" means that the fiber may be parked while its worker serves
 *    others; no lock may be held across such a call. A call whose comment does not say so does not suspend.
 *  - Calls on a weir_server and what belongs to it are the program's, from any one thread at a time; "any thread" means
 *    from several at once, handlers included. "Before the start" means before weir_run() or weir_server_start().
 *  - Times are in milliseconds, sizes in bytes.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_H
#define WEIR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WEIR_VERSION_MAJOR  0
#define WEIR_VERSION_MINOR  1
#define WEIR_VERSION_PATCH  0
#define WEIR_VERSION_STRING "0.1.0"

#if defined(__GNUC__)
#define WEIR_API               __attribute__((visibility("default")))
#define WEIR_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define WEIR_NORETURN          __attribute__((noreturn))
#else
#define WEIR_API
#define WEIR_PRINTF(fmt, args)
#define WEIR_NORETURN
#endif

/* The version of the library that is linked, as "MAJOR.MINOR.PATCH"; static. Any thread. */
WEIR_API const char *weir_version_string(void);

/* ---- Errors ------------------------------------------------------------------------------------------------- */

enum weir_error {
    WEIR_OK = 0,
    WEIR_EINVAL = -1,     /* an argument or a setting is wrong */
    WEIR_ENOMEM = -2,     /* the memory's bound, or the machine's, is reached */
    WEIR_ECLOSED = -3,    /* the client has gone, or the connection was cut */
    WEIR_ECOMMITTED = -4, /* the reply's head has been sent and cannot be changed any more */
    WEIR_EDONE = -5,      /* a final reply has been made; nothing can be added */
    WEIR_ETOOBIG = -6,    /* a limit is exceeded */
    WEIR_ETIMEDOUT = -7,  /* the time given has passed */
    WEIR_ENOENT = -8,     /* no such file, key or route */
    WEIR_EACCES = -9,     /* not permitted, or outside the root */
    WEIR_EIO = -10,       /* reading or writing a file failed */
    WEIR_EDEADLK = -11,   /* the call would wait for itself */
    WEIR_ECANCELED = -12, /* the server is stopping and the wait was cut */
    WEIR_EPROTO = -13,    /* the peer broke the protocol */
    WEIR_EEXIST = -14,    /* a route or a name is already there */
    WEIR_EBUSY = -15,     /* a resource is in use, such as an address or a table */
    WEIR_ESYS = -16,      /* the system refused for another reason; the log names it */
};

/* A short English text for an error value; static, never NULL. Any thread. */
WEIR_API const char *weir_strerror(int error);

/* ---- Settings ----------------------------------------------------------------------------------------------- */

/* Special values of settings: zero always means the default. */
#define WEIR_OFF (-1) /* off, without limit, or false */
#define WEIR_ANY (-1) /* any port, chosen by the system */
#define WEIR_ON  1    /* true */

/* A server: settings, routes, caches and workers. Made by weir_server_new(), freed by weir_server_free(). */
typedef struct weir_server weir_server;
/* One request and its reply, as a handler sees them. The library's; lives until the handler's deferred calls ended. */
typedef struct weir_ctx weir_ctx;
/* Routes that share a prefix, a host, middleware and settings, see weir_group_new(). The server's. */
typedef struct weir_group weir_group;

enum weir_log_level { WEIR_LOG_ERROR = 1, WEIR_LOG_WARN = 2, WEIR_LOG_INFO = 3, WEIR_LOG_DEBUG = 4 };

/* Receives a line of the log without its newline; line is valid during the call. data is log_data. Called from any
 * thread of the server, from several at once; must not block for long. */
typedef void (*weir_log_fn)(void *data, int level, const char *line);

/*
 * The settings of a server. Fill them in with designated initialisers; zero is each member's default. Wrong values are
 * all reported by name when the server starts. weir_server_new() copies the structure; its strings need to live only
 * for that call. A status behind a limit is what a client gets that exceeds it (RFC 9110 section 15; 431: RFC 6585
 * section 5). docs/settings.md and docs/limits.md say more of each.
 */
typedef struct weir_config {
    const char *host;    /* address to listen on: IPv4, IPv6 or "unix:PATH"; default "127.0.0.1" */
    int port;            /* TCP port; default 8080; WEIR_ANY: chosen by the system, see weir_server_port() */
    int backlog;         /* connections that wait to be accepted, of each listening socket; default 1024 */
    int shared_listener; /* WEIR_ON: one listening socket for all workers instead of one each; default WEIR_OFF */
    int workers;         /* threads; default: the processors this process may use, its cgroup's quota included */
    int offload_threads; /* threads for weir_offload(), started at its first use; default 4 */

    size_t http_buffer_size; /* a receive or send buffer; the head of a request must fit; 1024..65536, default 8192 */
    size_t ws_buffer_size;   /* a WebSocket message buffer; 256..16 MiB, default 4096 */
    size_t stack_size;       /* a handler's stack; 16 KiB..8 MiB, default 64 KiB */
    /* A worker's stack for weir_call_deep(), mapped while it is used; 64 KiB..64 MiB. Default 1 MiB; with memory_limit
     * a 32nd of that if it is less, and 256 KiB at least. */
    size_t deep_stack_size;
    size_t offload_stack_size; /* the stack of each offload thread; bounds and default as deep_stack_size */
    size_t request_memory;     /* most that weir_alloc() gives a request; 4 KiB..1 MiB, default 16 KiB */
    size_t memory_limit;       /* bound on the server's user-space memory; default none */
    /* Soft bound on the kernel's memory in sockets' queues; 1 MiB and more. Default none; in a memory cgroup a quarter
     * of what is left of the group's beside memory_limit and 4 MiB. */
    size_t kernel_memory_limit;
    int memory_wait_ms; /* longest wait of a request for memory under a bound, then 503; default 5000 */
    int memory_share;   /* percent of waiting requests' memory that those of one route may hold; default 75 */

    /* Objects that each worker makes before the start and keeps, in whole slabs. Where a bound below is less than the
     * default, the default gives way. */
    int http_buffers;          /* buffers of each kind; default 8 */
    int stacks;                /* handlers' stacks; default 1 */
    int request_records;       /* records of live requests; default 1 */
    int request_memory_blocks; /* request arenas' blocks; default 4 */
    int connection_records;    /* records of connections; default 1, at most max_connections */

    /* Most objects that a worker uses at once; default WEIR_OFF: any number. At such a bound a request waits, or is
     * told 503, as under memory_limit: see docs/memory.md. max_connections and offload_threads bound the rest. */
    int max_http_buffers;          /* at least 2 and http_buffers; a request counts as two, one may stay free */
    int max_stacks;                /* at least stacks */
    int max_request_records;       /* at least request_records */
    int max_request_memory_blocks; /* at least request_memory_blocks */

    /* Small files that a worker keeps open between requests for them, see weir_send_file(); at most 64. Default 64 or
     * what an eighth of the descriptors allows, and max_connections if that is given; WEIR_OFF. */
    int open_files;
    /* Milliseconds, up to 2000, for which a look at such a file holds: requests meanwhile get the file that was found
     * then, also if it has been replaced or removed since. Default WEIR_OFF: each request looks. */
    int open_files_valid_ms;

    int tcp_nodelay;    /* TCP_NODELAY of connections; WEIR_ON (default) or WEIR_OFF */
    int so_linger;      /* seconds for SO_LINGER; default WEIR_OFF: the system's own behaviour */
    int notsent_lowat;  /* TCP_NOTSENT_LOWAT: bytes the kernel may hold unsent; default 32768, lean 16384; WEIR_OFF */
    int send_buffer;    /* SO_SNDBUF of connections; default: the system's */
    int receive_buffer; /* SO_RCVBUF of connections; default: the system's */

    int max_connections; /* in all workers; default: what descriptors and the cgroup's memory allow */
    /* Connections of one IPv4 address or one IPv6 /64; 503. Default 3/4 of max_connections, WEIR_OFF where that is
     * below 256. */
    int max_connections_per_address;
    int max_requests_per_connection; /* the last one's reply says close; default WEIR_OFF */
    int max_request_line;            /* bytes, CRLF included; default and at most http_buffer_size; 414 */
    /* Bytes from behind the request line to the end of the head; default and at most http_buffer_size; 431. */
    int max_header_block;
    int max_headers;  /* header lines of a request; default 100, at most 1000; 431 */
    int64_t max_body; /* bytes of a request's body; default 1 GiB; WEIR_OFF; 413; see weir_group_max_body() */
    /* Bytes that bodies of groups with body_memory may take together, in all workers; default a quarter of
     * memory_limit, or 64 MiB without one; WEIR_OFF: what memory_limit allows. Then weir_body() gives WEIR_ENOMEM. */
    int64_t max_body_memory;
    int max_chunk_extension; /* bytes of chunk extensions beyond 1/16 of the data; default 1024; 413 */
    int max_trailer;         /* bytes of a chunked body's trailer; default 4096; 431 */
    int pipeline_depth;      /* requests of one connection served before others get a turn; default 64 */
    int64_t drain_limit;     /* unread body bytes that are read and dropped to keep a connection; default 65536 */

    int header_timeout_ms;  /* from a head's first byte to its last, however it drips; default 10000; 408 */
    int idle_timeout_ms;    /* a connection between requests, or before its first; default 60000 */
    int body_timeout_ms;    /* longest wait for a piece of a request's body; default 30000; 408 */
    int body_min_rate;      /* bytes a second that a body has to come with while it is waited for; default 240; 408 */
    int body_grace_ms;      /* time at a body's beginning in which body_min_rate does not count; default 5000 */
    int write_timeout_ms;   /* longest time in which a client takes nothing, then a reset; default 30000 */
    int write_min_rate;     /* bytes a second that a waiting reply is taken with, over write_timeout_ms; default 240 */
    int handler_timeout_ms; /* a handler that waits for longer in all is ended with 503; default WEIR_OFF */
    /*
     * What a client means that ends its side of the connection (a FIN) and has not been answered. WEIR_OFF, the
     * default: it may have gone, as most have; waits of its handler end with WEIR_ECLOSED, once, and the reply is still
     * sent. WEIR_ON: it is there until it resets the connection or takes nothing for write_timeout_ms.
     */
    int half_close;
    int stop_timeout_ms; /* time of a graceful stop, which then cuts what still runs; default 10000 */
    int watchdog_ms;     /* a handler that runs longer without waiting is logged; default 100, WEIR_OFF */

    int log_level;   /* enum weir_log_level; default WEIR_LOG_WARN; WEIR_OFF: silent */
    weir_log_fn log; /* default: lines to standard error, dropped where that has no room */
    void *log_data;  /* handed to log; the program's */

    void *server_data; /* read by weir_server_data(); the program's */
    /* Runs on each worker's thread before the worker serves; what it returns is that worker's weir_worker_data(). The
     * thread's stack is 128 KiB beside the program's thread-local data. May be NULL. */
    void *(*worker_start)(void *server_data, int worker);
    /* Runs on each worker's thread when it ends, to undo what worker_start did. May be NULL. */
    void (*worker_stop)(void *server_data, int worker, void *worker_data);
} weir_config;

/*
 * Makes a server from settings (a const weir_config *; NULL: all defaults). Returns NULL only when there is no memory;
 * wrong settings are kept and refused by weir_server_start(), see weir_server_errors(). The caller's, until
 * weir_server_free(). Any thread.
 */
#define weir_server_new(...) weir_server_new_sized((__VA_ARGS__), sizeof(weir_config))
/* weir_server_new() for callers without macros: config_size is sizeof(weir_config) as the caller was compiled, so that
 * members of a later version are left at their defaults. */
WEIR_API weir_server *weir_server_new_sized(const weir_config *config, size_t config_size);

/* Stops the server if it runs, waits for its end and frees it with all that belongs to it. NULL is allowed. Blocks. Not
 * from a handler. */
WEIR_API void weir_server_free(weir_server *s);

/*
 * Serves until SIGINT or SIGTERM (handlers are installed only over the default action, and put back) or until
 * weir_server_stop(). Returns 0 after a graceful stop, else an error as weir_server_start() or WEIR_ESYS. Blocks.
 */
WEIR_API int weir_run(weir_server *s);

/*
 * Starts the workers and returns when connections are accepted: once for a server. Touches no signal handler. Returns
 * 0, or a negative error, which is logged: WEIR_EINVAL for wrong settings or routes, see weir_server_errors(), and for
 * a second start; WEIR_ENOMEM, also for s NULL, so that what weir_server_new() returned may be handed on unseen;
 * else what a listener or a worker met, such as WEIR_EBUSY. Blocks.
 */
WEIR_API int weir_server_start(weir_server *s);

/* Waits until a started server has stopped. Returns 0, or WEIR_EINVAL if it was not started. Blocks. */
WEIR_API int weir_server_wait(weir_server *s);

/*
 * Begins a graceful stop and returns at once: nobody can connect any more and the path of a Unix socket is free, who
 * has connected is served if it asks within a second, what runs is finished, idle connections are closed, and after
 * stop_timeout_ms the rest is cut. NULL, or a server that does not run: nothing. Any thread; also from a handler. Not
 * from a signal handler.
 */
WEIR_API void weir_server_stop(weir_server *s);

/* Every wrong setting, route and listener so far, one a line; "" when there is none. The server's, until the next call
 * on s. */
WEIR_API const char *weir_server_errors(weir_server *s);

/* The TCP port of the first listener, once started; 0 if it has none, or s is NULL. Any thread. */
WEIR_API int weir_server_port(const weir_server *s);

/* The number of workers that the server has or will have; 0 if s is NULL. Any thread. */
WEIR_API int weir_server_workers(const weir_server *s);

/* A further listener. Zero is each member's default: what weir_config has by that name, where no other is named. */
typedef struct weir_listen_config {
    const char *host; /* as in weir_config; "unix:PATH" for a Unix socket (an old socket file there is replaced) */
    int port;         /* as in weir_config */
    /* An inherited listening descriptor, > 0: used instead of host and port. Closed by the server, which leaves the
     * socket itself to other processes that have it. */
    int fd;
    int backlog;         /* as in weir_config */
    int shared_listener; /* as in weir_config; Unix sockets and inherited descriptors are always shared */
    int notsent_lowat;   /* as in weir_config */
    int send_buffer;     /* as in weir_config */
    int receive_buffer;  /* as in weir_config */
    int unix_mode;       /* permission bits of the socket file; default 0666 */
} weir_listen_config;

/* Adds a listener, copying config; up to 16 in all. With at least one such call, weir_config's host and port are
 * listened on only if they were set. Before the start only. Returns 0, WEIR_EINVAL or WEIR_ENOMEM. */
WEIR_API int weir_server_listen(weir_server *s, const weir_listen_config *config);

/* Opt-in, process-wide: the stack of a handler, of weir_call_deep() or of an offloaded function that overflows ends the
 * process with a message that says so and names the setting, such as stack_size. Installed only where SIGSEGV has its
 * default action. Returns 0 or WEIR_EBUSY. */
WEIR_API int weir_catch_stack_overflow(void);

/*
 * Opt-in, process-wide: a crash (SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT) is told on standard error in one line, with
 * the worker, the method and the route of the handler that ran, and then ends the process as it would have: core dump
 * and exit status are the same. Tells a stack overflow as weir_catch_stack_overflow() does, in whichever order the two
 * are called. Installed only over a signal's default action, or over that function's. Returns 0, or WEIR_EBUSY when a
 * signal has another action, which it keeps: the others are caught all the same; or WEIR_ESYS.
 */
WEIR_API int weir_catch_crash(void);

/* ---- Routes, middleware, hooks ------------------------------------------------------------------------------ */

/* Handles a request: reads what it wants, replies, returns. Runs on a fiber and may call anything below that waits. */
typedef void (*weir_handler)(weir_ctx *c);

/*
 * Registers a handler for a method ("GET"; NULL: any; RFC 9110 section 9) and a path pattern. Before the start only.
 * Segments of a pattern:
 *   text          exactly this text
 *   {name}        one whole segment, not empty
 *   {name:regex}  one whole segment that the expression (PCRE2) matches as a whole; as the last segment of a pattern,
 *                 it takes the rest of the path, slashes included
 * Text is compared decoded. What other routers write for parameters, ":id" and a segment that begins with "*", is an
 * error, as "?" and "#" are; where such text is meant its sign is escaped ("%3Aid", "%2A", "%3F", "%23"). A method that
 * differs from a standard one by case alone, such as "get", is an error, too. The most specific pattern wins whatever
 * the order of registration: text over expression over plain parameter over rest of the path, segment by segment. A
 * parameter has at most 4,096 bytes, decoded; a longer one is 414. HEAD is served by GET's handler, OPTIONS and 405 by
 * themselves. Strings are copied. Returns 0, or WEIR_EINVAL / WEIR_EEXIST / WEIR_ENOMEM; the error is also kept, and
 * the server then refuses to start.
 */
WEIR_API int weir_route(weir_server *s, const char *method, const char *pattern, weir_handler handler);
/* weir_route() for the method that the name says; weir_any(): for any. */
WEIR_API int weir_get(weir_server *s, const char *pattern, weir_handler handler);
WEIR_API int weir_post(weir_server *s, const char *pattern, weir_handler handler);
WEIR_API int weir_put(weir_server *s, const char *pattern, weir_handler handler);
WEIR_API int weir_patch(weir_server *s, const char *pattern, weir_handler handler);
WEIR_API int weir_delete(weir_server *s, const char *pattern, weir_handler handler);
WEIR_API int weir_any(weir_server *s, const char *pattern, weir_handler handler);

/*
 * A group: routes that share a prefix, an optional host and middleware. prefix begins with "/" or is ""; it may hold
 * parameters. host is NULL (any), an exact name, or "*.example.org"; a port in the request's Host is ignored. parent
 * is NULL (weir_root()) or a group whose prefix, host (unless given here) and middleware come first. Strings are
 * copied. Before the start only. Returns NULL on a wrong argument or when there is no memory; the error is kept as by
 * weir_route(). The server's.
 *
 * A group also answers for what is not there, so that authentication hides it: its middleware (with the parents') runs
 * around 404, 405, automatic OPTIONS and the 400 of a path that is refused. Which group's it is:
 *   405, OPTIONS  the group of the most specific route that the path has for another method, with its parameters
 *   404           the group that would serve the path if each group with a prefix or a host of its own had one route
 *                 more, for all that the two cover; with the parameters of the prefix. Of several with the same prefix
 *                 and host, the first with request or around middleware of its own, else the first. None: weir_root()
 * weir_route_pattern() is "" and weir_route_data() NULL then.
 */
WEIR_API weir_group *weir_group_new(weir_server *s, weir_group *parent, const char *prefix, const char *host);

/* The group that every route and group belongs to: middleware added here runs for all requests, 404s included. The
 * server's. */
WEIR_API weir_group *weir_root(weir_server *s);

/* Registers a handler as weir_route(), within a group: pattern is what follows the prefix, "" for the path that is the
 * prefix itself. data (may be NULL) is read by weir_route_data(), and stays the caller's. */
WEIR_API int weir_group_route(weir_group *g, const char *method, const char *pattern, weir_handler handler, void *data);

/*
 * Routes with data: weir_route(), weir_get() and the five like it take one argument more, weir_get(s, pattern, handler,
 * data), which weir_route_data() reads. data may be NULL and has to live as long as the server. In C++ these are
 * overloads, in C macros; a name without arguments is the function above. Other languages call weir_group_route() on
 * weir_root().
 */
#ifdef __cplusplus
}
/* Outside of extern "C": overloads have C++'s linkage. */
inline int weir_route(weir_server *s, const char *method, const char *pattern, weir_handler handler, void *data)
{
    return weir_group_route(weir_root(s), method, pattern, handler, data);
}
inline int weir_get(weir_server *s, const char *pattern, weir_handler handler, void *data)
{
    return weir_route(s, "GET", pattern, handler, data);
}
inline int weir_post(weir_server *s, const char *pattern, weir_handler handler, void *data)
{
    return weir_route(s, "POST", pattern, handler, data);
}
inline int weir_put(weir_server *s, const char *pattern, weir_handler handler, void *data)
{
    return weir_route(s, "PUT", pattern, handler, data);
}
inline int weir_patch(weir_server *s, const char *pattern, weir_handler handler, void *data)
{
    return weir_route(s, "PATCH", pattern, handler, data);
}
inline int weir_delete(weir_server *s, const char *pattern, weir_handler handler, void *data)
{
    return weir_route(s, "DELETE", pattern, handler, data);
}
inline int weir_any(weir_server *s, const char *pattern, weir_handler handler, void *data)
{
    return weir_route(s, (const char *)0, pattern, handler, data);
}
extern "C" {
#else
/* The macros' own: the rest of their arguments is an initialiser of this structure, so that data may be left out, and
 * may hold commas in braces. */
typedef struct weir_route_target {
    weir_handler handler;
    void *data;
} weir_route_target;
static inline int weir_route_to(weir_server *s, const char *method, const char *pattern, weir_route_target target)
{
    return weir_group_route(weir_root(s), method, pattern, target.handler, target.data);
}
#define weir_route(s, method, pattern, ...)                                                                            \
    weir_route_to((s), (method), (pattern), (weir_route_target){.handler = __VA_ARGS__})
#define weir_get(s, pattern, ...)    weir_route(s, "GET", pattern, __VA_ARGS__)
#define weir_post(s, pattern, ...)   weir_route(s, "POST", pattern, __VA_ARGS__)
#define weir_put(s, pattern, ...)    weir_route(s, "PUT", pattern, __VA_ARGS__)
#define weir_patch(s, pattern, ...)  weir_route(s, "PATCH", pattern, __VA_ARGS__)
#define weir_delete(s, pattern, ...) weir_route(s, "DELETE", pattern, __VA_ARGS__)
#define weir_any(s, pattern, ...)    weir_route(s, NULL, pattern, __VA_ARGS__)
#endif

/*
 * Adds middleware to a group, in order of registration, outer groups first. Request middleware runs before the handler;
 * response middleware after it, once, before the reply's head is committed (for a streamed reply: when the head is
 * first sent). Around middleware runs between the two and calls weir_next() to go on. Each ends the request by a final
 * reply or by weir_end(); what would have come after it, except response middleware, is skipped. Before the start only.
 * Returns 0, or WEIR_EINVAL / WEIR_ENOMEM.
 */
WEIR_API int weir_on_request(weir_group *g, weir_handler middleware);
WEIR_API int weir_on_response(weir_group *g, weir_handler middleware);
WEIR_API int weir_around(weir_group *g, weir_handler middleware);

/* From around middleware: runs the rest of the chain (at most once) and returns when it has ended. Anywhere else:
 * nothing. May suspend. */
WEIR_API void weir_next(weir_ctx *c);

/* Ends the request after the running function: no later request middleware or handler runs. The reply so far is
 * sent. */
WEIR_API void weir_end(weir_ctx *c);

/* The settings of a group's requests in place of the server's. Zero: as in the group around it, and in the outermost as
 * weir_config says. */
typedef struct weir_group_settings {
    int64_t max_body;      /* bytes of a request's body, announced or sent; WEIR_OFF: any; 413 */
    size_t request_memory; /* most that weir_alloc() gives a request of the group's routes; 4 KiB..1 MiB */
    /* As in weir_config, counted from the handler's start; WEIR_OFF: no limit, whatever is around it. */
    int handler_timeout_ms;
    /* WEIR_ON: as if each handler began with weir_stop_ends_waits(c, true); WEIR_OFF: not. */
    int stop_ends_waits;
    size_t body_memory; /* longest body that weir_body() takes where request_memory has no room for it; see there */
} weir_group_settings;

/*
 * Sets what is not zero in settings (a const weir_group_settings *, copied), so that calls for one group add up. Before
 * the start only. Returns 0, or WEIR_EINVAL; the error is also kept, and the server then refuses to start. All groups
 * together may have four sizes of request_memory besides the server's. A block of such a size comes in addition to the
 * usual one, in which lies what is decoded before the route is known: weir_plan() and memory_limit count both.
 */
#define weir_group_set(g, ...) weir_group_set_sized((g), (__VA_ARGS__), sizeof(weir_group_settings))
/* weir_group_set() for callers without macros; settings_size as config_size of weir_server_new_sized(). */
WEIR_API int weir_group_set_sized(weir_group *g, const weir_group_settings *settings, size_t settings_size);

/* Sets a group's max_body alone, in bytes, as weir_group_set() does; 0 is WEIR_EINVAL. */
WEIR_API int weir_group_max_body(weir_group *g, int64_t bytes);

/* Replaces the handler of requests that no route matches; its reply's status begins as 404 (RFC 9110 section 15.5.5).
 * Before the start only. Returns 0 or WEIR_EINVAL. */
WEIR_API int weir_not_found(weir_server *s, weir_handler handler);

/*
 * The error hook: called for every request that is refused or fails (400, 404, 405, 413, 414, 431, 500, 503 ...). The
 * hook may reply in its own form; if it does not, a short text page is sent, the status and below it the message, as
 * one line of up to 512 bytes with spaces for control characters. message is for people and holds nothing secret of the
 * library's; that of weir_fail() and weir_reply_error() is the handler's, and may hold what a client sent: escape it
 * for what you make. A hook that does not want to show it, for 500 say, replies without it. For a head that could not
 * be parsed, c knows status, message and peer only, and method and path are "". May suspend.
 */
typedef void (*weir_error_hook)(weir_ctx *c, int status, const char *message);
/* Sets the server's error hook, in place of an earlier one. Before the start only. Returns 0 or WEIR_EINVAL. */
WEIR_API int weir_on_error(weir_server *s, weir_error_hook hook);

/* One registered route. Its strings are the server's. */
typedef struct weir_route_info {
    const char *method;  /* "*": any */
    const char *pattern; /* with the groups' prefixes */
    const char *host;    /* NULL: any */
} weir_route_info;

/* Calls each(arg, route) for every route, sorted by pattern. Before or after the start, not while routes are added. */
WEIR_API void weir_routes(weir_server *s, void (*each)(void *arg, const weir_route_info *route), void *arg);

/* ---- The request -------------------------------------------------------------------------------------------- */

/* The method, such as "GET", as it was sent, case-sensitive (RFC 9110 section 9.1); "" for a refused head. */
WEIR_API const char *weir_method(weir_ctx *c);

/* The raw request target (RFC 9112 section 3.2); "" for a refused head. */
WEIR_API const char *weir_target(weir_ctx *c);

/* The target's path, decoded by segment, dot segments resolved (RFC 3986 section 5.2.4); "%2F" stays "%2F". "*" for
 * the target of that form; "" for a refused head, or beyond request_memory. */
WEIR_API const char *weir_path(weir_ctx *c);

/* The raw query string, without "?" (RFC 3986 section 3.4); "" if there is none. */
WEIR_API const char *weir_query_string(weir_ctx *c);

/* The authority asked for, with its port (RFC 9112 sections 3.2.2 and 3.3); "" if unknown. That of an absolute target
 * also replaces the Host header. */
WEIR_API const char *weir_host(weir_ctx *c);

/* The version of HTTP that the client speaks (RFC 9110 section 2.5): 10 for HTTP/1.0, 11 for HTTP/1.1. */
WEIR_API int weir_http_version(weir_ctx *c);

/* The client's address: "127.0.0.1:4711", "[::1]:4711" or "unix:". A copy in the request's memory; "" beyond it. */
WEIR_API const char *weir_peer(weir_ctx *c);

/* The address of this end of the connection; as weir_peer(). */
WEIR_API const char *weir_local(weir_ctx *c);

/* The pattern that matched, with the groups' prefixes; "" if none did. */
WEIR_API const char *weir_route_pattern(weir_ctx *c);

/* The data that the route was registered with; NULL if there is none. */
WEIR_API void *weir_route_data(weir_ctx *c);

/* A path parameter, decoded; NULL if the pattern has none of that name. */
WEIR_API const char *weir_param(weir_ctx *c, const char *name);
/* The i-th path parameter: sets *name and *value (either may be NULL) and returns true, or false beyond the last. */
WEIR_API bool weir_param_item(weir_ctx *c, size_t i, const char **name, const char **value);

/* A query value, "+" and percent decoded: the first of that name, or NULL. "a" and "a=" both give "". Pairs are decoded
 * once, into the request's memory; where that has no room there are none. */
WEIR_API const char *weir_query(weir_ctx *c, const char *name);
/* The i-th (from 0) value of that name, or NULL. */
WEIR_API const char *weir_query_nth(weir_ctx *c, const char *name, size_t i);
/* The i-th pair of the query string in its order; as weir_param_item(). */
WEIR_API bool weir_query_item(weir_ctx *c, size_t i, const char **name, const char **value);

/* A header's value by name, case-insensitive (RFC 9110 section 5.1): the first line of that name, or NULL. Not
 * percent-decoded or joined. */
WEIR_API const char *weir_header(weir_ctx *c, const char *name);
/* The i-th (from 0) line of that name, or NULL. */
WEIR_API const char *weir_header_nth(weir_ctx *c, const char *name, size_t i);
/* The number of header lines of that name; name NULL: of all header lines. */
WEIR_API size_t weir_header_count(weir_ctx *c, const char *name);
/* The i-th header line in order of arrival; as weir_param_item(). */
WEIR_API bool weir_header_item(weir_ctx *c, size_t i, const char **name, const char **value);

/*
 * A parameter, query value or header (the first of that name) as a whole number: decimal digits, with a minus before
 * them or not, and nothing else; no locale counts. Returns 0 with the number in *value, and 0 also where there is none
 * of that name: *value stays as it is, so that what it was before is the default. WEIR_EINVAL: the text is no such
 * number, or an argument is wrong; WEIR_ETOOBIG: the number is not from min to max. The natural reply to both is 400.
 */
WEIR_API int weir_param_int(weir_ctx *c, const char *name, int64_t min, int64_t max, int64_t *value);
WEIR_API int weir_query_int(weir_ctx *c, const char *name, int64_t min, int64_t max, int64_t *value);
WEIR_API int weir_header_int(weir_ctx *c, const char *name, int64_t min, int64_t max, int64_t *value);

/* A cookie's value as sent (quotes removed), the first of that name, or NULL (RFC 6265 section 5.4). Cookies are copied
 * once, into the request's memory; where that has no room there are none. */
WEIR_API const char *weir_cookie(weir_ctx *c, const char *name);
/* The i-th cookie; as weir_param_item(). */
WEIR_API bool weir_cookie_item(weir_ctx *c, size_t i, const char **name, const char **value);

/* The announced length of the request's body in bytes (RFC 9112 section 6.3): 0 without a body, -1 for a chunked one,
 * whose length is not known. */
WEIR_API int64_t weir_body_length(weir_ctx *c);

/*
 * Reads up to len bytes of the request's body into buf. Returns how many (at least 1, unless len is 0), 0 at the body's
 * end, or WEIR_ECLOSED, WEIR_EPROTO, WEIR_ETIMEDOUT, WEIR_ETOOBIG beyond max_body. Sends "100 Continue" first if the
 * client waits for that (RFC 9110 section 10.1.1); after a final reply that is WEIR_EDONE. May suspend.
 */
WEIR_API ssize_t weir_read(weir_ctx *c, void *buf, size_t len);

/* Reads as weir_read() without a copy: *data points to the bytes where they were received, valid until the next read.
 * May suspend. */
WEIR_API ssize_t weir_read_slice(weir_ctx *c, const void **data);

/*
 * Reads the whole body of the request into its memory, NUL-terminated (the NUL does not count in *len). limit bounds
 * the body in bytes (0: what request_memory has left). In a group with body_memory a body of up to that many bytes that
 * would take more than half of what is left gets memory of its own, which grows with what has come and dies with the
 * request: the row "bodies" of the ledger, bounded by max_body_memory. Returns 0; WEIR_ETOOBIG when the body is longer
 * (the natural reply is 413); WEIR_ENOMEM when there is no memory for it now (503); or as weir_read(). len may be NULL.
 * A second call gives the same again. May suspend.
 */
WEIR_API int weir_body(weir_ctx *c, size_t limit, const char **data, size_t *len);

/*
 * The value of a field that came behind a chunked body (RFC 9112 section 7.1.2), the first of that name, case ignored;
 * NULL if there is none, and as long as the body has not been read to its end (weir_read() gave 0, or weir_body() gave
 * 0). Never mixed with the header's (RFC 9110 section 6.5.1). Fields that are no trailer's business, such as
 * Content-Length, Host, Cookie or Authorization, have been refused with 400.
 */
WEIR_API const char *weir_trailer(weir_ctx *c, const char *name);
/* The i-th trailer field; as weir_param_item(). */
WEIR_API bool weir_trailer_item(weir_ctx *c, size_t i, const char **name, const char **value);

/* ---- Memory and data of the request ------------------------------------------------------------------------- */

/* Memory of size bytes that dies with the request, aligned for any type, not cleared. NULL beyond request_memory. */
WEIR_API void *weir_alloc(weir_ctx *c, size_t size);
/* A text formatted as by printf(), in the request's memory. NULL beyond request_memory. */
WEIR_API char *weir_sprintf(weir_ctx *c, const char *fmt, ...) WEIR_PRINTF(2, 3);
/* A text as a JSON string, in quotes and escaped (RFC 8259 section 7; invalid UTF-8 becomes U+FFFD); "null" for NULL.
 * In the request's memory, of which it takes up to six times text's length and a few bytes; NULL beyond that. */
WEIR_API const char *weir_json_string(weir_ctx *c, const char *text);
/* The depth to which arrays and objects nest in a JSON text of len bytes (RFC 8259 section 2): 0 for "1", 1 for "[]", 2
 * for "[{}]". A text that is no JSON counts as well: a parser of that grammar never recurses deeper on it than this,
 * which so bounds the stack that the parser takes. Any thread. */
WEIR_API size_t weir_json_depth(const char *text, size_t len);

/*
 * Attributes: one value of a type for each request, shared by middleware and handler. Define a key once at file scope
 * and get a typed accessor:
 *     WEIR_ATTRIBUTE(struct user, current_user)      // defines current_user(c) and current_user_find(c)
 *     current_user(c)->id = 7;                       // zeroed at its first use in a request; NULL when out of memory
 *     if (current_user_find(c)) ...                  // NULL if not made yet
 */
typedef struct weir_attribute_key {
    const char *name; /* for people */
    size_t size;      /* of the value, in bytes */
} weir_attribute_key;
/* The request's value for key, zeroed at its first use; NULL beyond request_memory. key is compared by its address. */
WEIR_API void *weir_attribute(weir_ctx *c, const weir_attribute_key *key);
/* The request's value for key; NULL if it has not been made yet. */
WEIR_API void *weir_attribute_find(weir_ctx *c, const weir_attribute_key *key);
#define WEIR_ATTRIBUTE(type, name)                                                                                     \
    static const weir_attribute_key name##_key = {#name, sizeof(type)};                                                \
    __attribute__((unused)) static inline type *name(weir_ctx *c)                                                      \
    {                                                                                                                  \
        return (type *)weir_attribute(c, &name##_key);                                                                 \
    }                                                                                                                  \
    __attribute__((unused)) static inline type *name##_find(weir_ctx *c)                                               \
    {                                                                                                                  \
        return (type *)weir_attribute_find(c, &name##_key);                                                            \
    }

/* The program's data as weir_config.server_data gave it; NULL if it gave none. */
WEIR_API void *weir_server_data(weir_ctx *c);
/* The data that weir_config.worker_start returned on this worker; NULL without such a function. */
WEIR_API void *weir_worker_data(weir_ctx *c);
/* The index of this worker, 0 to workers - 1. */
WEIR_API int weir_worker_index(weir_ctx *c);
/* The server that serves this request. */
WEIR_API weir_server *weir_ctx_server(weir_ctx *c);

/* Calls fn(arg) when the request ends, however it ends; last deferred, first called. On the handler's fiber. Returns 0,
 * WEIR_EINVAL when fn is NULL, or WEIR_ENOMEM (then fn was called at once). */
WEIR_API int weir_defer(weir_ctx *c, void (*fn)(void *arg), void *arg);

/* ---- The reply ---------------------------------------------------------------------------------------------- */

/* Sets the reply's status (RFC 9110 section 15), 200 to 599; 200 until then. Returns 0, WEIR_EINVAL, or
 * WEIR_ECOMMITTED once the head is committed. */
WEIR_API int weir_set_status(weir_ctx *c, int status);

/* The reply's status so far. */
WEIR_API int weir_status(weir_ctx *c);

/*
 * Headers of the reply (RFC 9110 section 5): weir_set_header() replaces all lines of that name by one,
 * weir_add_header() adds a line, weir_remove_header() removes all lines of that name, be there any or not. Names must
 * be tokens and values must not hold CR, LF or NUL: anything else is refused with WEIR_EINVAL, logged, and never sent.
 * Content-Length, Transfer-Encoding, Connection (except "close"), Date and Trailer are the framework's own and refused
 * too. There is one Content-Type (RFC 9110 section 8.3), by whatever call it was given last; weir_add_header() replaces
 * it, too. Strings are copied; one that is NULL is an error as with weir_reply(). Returns 0, WEIR_EINVAL, WEIR_ENOMEM
 * beyond request_memory, or WEIR_ECOMMITTED once the head is committed.
 */
WEIR_API int weir_set_header(weir_ctx *c, const char *name, const char *value);
WEIR_API int weir_add_header(weir_ctx *c, const char *name, const char *value);
WEIR_API int weir_remove_header(weir_ctx *c, const char *name);

/* The first value set so far for a header of the reply, as a copy in the request's memory; NULL if there is none, or
 * beyond request_memory. */
WEIR_API const char *weir_response_header(weir_ctx *c, const char *name);

enum weir_same_site { WEIR_SAME_SITE_NONE_SET = 0, WEIR_SAME_SITE_LAX, WEIR_SAME_SITE_STRICT, WEIR_SAME_SITE_NONE };

/* A cookie to set (RFC 6265 section 4.1). NULL or zero members are left out. */
typedef struct weir_set_cookie_options {
    const char *name; /* a token; the prefixes "__Host-" and "__Secure-" ask for what they say */
    const char *value;
    const char *path; /* begins with "/" */
    const char *domain;
    int64_t max_age; /* seconds; WEIR_OFF: "Max-Age=0", which deletes the cookie */
    int64_t expires; /* seconds since 1970 */
    bool secure;     /* needed by partitioned, by WEIR_SAME_SITE_NONE and by either prefix of a name */
    bool http_only;
    bool partitioned;
    enum weir_same_site same_site;
} weir_set_cookie_options;

/* Adds a Set-Cookie line, copying cookie. Returns 0; WEIR_EINVAL for a cookie that browsers would not take, which is
 * not sent; WEIR_ETOOBIG for one that is too long; WEIR_ENOMEM; WEIR_ECOMMITTED once the head is committed. */
WEIR_API int weir_set_cookie(weir_ctx *c, const weir_set_cookie_options *cookie);

/*
 * Final replies: each sets the whole body, whose length is known, and is sent when the handler returns. The status is
 * weir_set_status()'s. type is the Content-Type; it may be NULL (weir_set_header() gave it, or there is none). A second
 * final reply, or one after a write, gives WEIR_EDONE. Bytes are copied if they fit one buffer, else the call may
 * suspend until the kernel has them. After another error nothing is replied yet, as with weir_send_file(). A string,
 * data (unless len is 0) or value that is NULL is WEIR_ENOMEM if the request's memory has run out, so that
 * weir_sprintf() may be handed on unseen, else WEIR_EINVAL. May suspend.
 */
WEIR_API int weir_reply(weir_ctx *c, const char *type, const void *data, size_t len);
/* A final reply of a text, as text/plain; charset=utf-8. May suspend. */
WEIR_API int weir_reply_text(weir_ctx *c, const char *text);
/* A final reply of a JSON text, as application/json. May suspend. */
WEIR_API int weir_reply_json(weir_ctx *c, const char *json);
/* A final reply formatted as by printf(). WEIR_ETOOBIG beyond what request_memory has left. May suspend. */
WEIR_API int weir_reply_printf(weir_ctx *c, const char *type, const char *fmt, ...) WEIR_PRINTF(3, 4);
/* A final reply of what stays valid and unchanged for the life of the server, type and data (literals): type is checked
 * once, data is sent where it lies. */
WEIR_API int weir_reply_static(weir_ctx *c, const char *type, const void *data, size_t len);
/* A final reply without a body that sends the client elsewhere: status 301, 302, 303, 307 or 308 (RFC 9110 section
 * 15.4); location as in RFC 9110 section 10.2.2. */
WEIR_API int weir_redirect(weir_ctx *c, int status, const char *location);
/* A final reply that is the error page of a status (400..599), made by the error hook if there is one. Does not end the
 * handler. The client sees message (NULL: none), see weir_on_error(). Headers that were set are sent. WEIR_ECOMMITTED
 * once the head is committed. May suspend. */
WEIR_API int weir_reply_error(weir_ctx *c, int status, const char *message);

/*
 * A final reply of the regular file root/path as it is now, with its length: one of up to 4 KiB is read at once, a
 * larger one is opened, and sent by sendfile where the transport can, after the handler has returned. A worker keeps
 * small files open for two or three seconds, and looks each time whether they have changed. Nothing outside root is
 * reachable, by "..", by a link or by an absolute path. Content-Type is application/octet-stream unless set;
 * Last-Modified is set (RFC 9110 section 8.8.2). Returns 0; WEIR_ENOENT (also for a directory), WEIR_EACCES, WEIR_EIO,
 * WEIR_ENOMEM. After an error nothing is replied yet: the handler may reply; if it does not, the client gets the error
 * page that fits (404, 403, 500, 503). May suspend.
 */
WEIR_API int weir_send_file(weir_ctx *c, const char *root, const char *path);

/*
 * Streams: what is written is collected in the connection's output and goes out when that is full, on weir_flush(),
 * when the handler returns, and before the handler waits for anything else. A body that fits one buffer gets a
 * Content-Length, a longer one is chunked (RFC 9112 section 7.1; HTTP/1.0: ends with the connection). A large write is
 * sent from data itself, uncopied. Each call waits while the client is slow. Returns 0, WEIR_ECLOSED once the client
 * has gone, WEIR_EDONE after a final reply, WEIR_ETIMEDOUT when the client took nothing for write_timeout_ms;
 * WEIR_ENOMEM without memory, WEIR_ETOOBIG for a text longer than what request_memory has left, WEIR_EINVAL for data or
 * a format that is NULL. After one of the last three the reply will not look whole: if its head is out, the connection
 * is reset (broken_reply in the ledger), else the client gets an error page, and later writes give WEIR_EDONE. So a
 * handler may just return. May suspend.
 */
WEIR_API int weir_write(weir_ctx *c, const void *data, size_t len);
WEIR_API int weir_printf(weir_ctx *c, const char *fmt, ...) WEIR_PRINTF(2, 3);
WEIR_API int weir_vprintf(weir_ctx *c, const char *fmt, va_list args) WEIR_PRINTF(2, 0);
WEIR_API int weir_flush(weir_ctx *c);

/* Announces the length in bytes of a body that will be written, which is sent as Content-Length (RFC 9110 section 8.6).
 * Writing more is WEIR_ETOOBIG; writing less cuts the connection. Returns 0, WEIR_EINVAL for a negative one,
 * WEIR_ECOMMITTED once the head is committed, or WEIR_EDONE after a final reply or a write. */
WEIR_API int weir_set_length(weir_ctx *c, int64_t length);

enum weir_closed_state {
    WEIR_OPEN = 0,        /* the client is there */
    WEIR_HALF_CLOSED = 1, /* the client has ended its side and still reads (a FIN after the request) */
    WEIR_GONE = 2,        /* the client has reset or hung up, or a write to it failed */
};

/* The state of the client's side of the connection, looked at now. */
WEIR_API enum weir_closed_state weir_closed(weir_ctx *c);

/* Closes the connection after this reply, which says so if its head is still to be sent (RFC 9112 section 9.6). */
WEIR_API void weir_close_after(weir_ctx *c);

/* Calls fn when the reply has been handed to the kernel to its last byte (error 0) or has failed (negative), with the
 * bytes of body sent. fn runs on the worker after the request's memory is gone, must not wait, and gets only arg.
 * Returns 0, or WEIR_EBUSY when the reply has such a function already. */
WEIR_API int weir_on_sent(weir_ctx *c, void (*fn)(void *arg, int error, uint64_t bytes), void *arg);

/*
 * Ends the handler from any depth: deferred calls run, the error hook writes the page for status (400..599, else it is
 * 500). After the head has been sent there is no page: the connection is reset. The client sees the message, see
 * weir_on_error(): nothing secret belongs into it. What was written and set before is dropped, except headers that
 * belong to an error: WWW-Authenticate, Proxy-Authenticate, Allow, Retry-After, Location; of 415 Accept,
 * Accept-Encoding, Accept-Patch, Accept-Post; of 416 Content-Range; of 426 Upgrade. Never across C++ frames with
 * destructors, never with a lock held, never in an offloaded function.
 */
WEIR_API WEIR_NORETURN void weir_fail(weir_ctx *c, int status, const char *fmt, ...) WEIR_PRINTF(3, 4);

/* ---- Waiting ------------------------------------------------------------------------------------------------ */

/*
 * News: what ends a wait for anything but the client: weir_sleep(), weir_await_fd() and weir_cache_get(). Each is told
 * once, by the wait that it ends or, at once, by the next one. Later waits are not shortened, so that a loop does not
 * spin; where the client is gone for good they return WEIR_ECLOSED when they end.
 *   WEIR_ECLOSED    the client has gone: a reset, a hang-up, a failed write, or, unless the setting half_close says
 *                   otherwise, the end of its side. weir_closed() tells these apart; a client that has only ended its
 *                   side may still read the reply, which is sent.
 *   WEIR_ECANCELED  the server stops: told to handlers for which weir_stop_ends_waits() is on, and to all by the waits
 *                   that are cut when the time for stopping is over; the wait after such a cut ends the handler.
 */

/* Waits for at least ms milliseconds. Returns 0, WEIR_EINVAL when ms is negative, or news, see above. Suspends. */
WEIR_API int weir_sleep(weir_ctx *c, int ms);

/* Whether the server is stopping: from weir_server_stop() or the signal on, as soon as this worker has heard of it. */
WEIR_API bool weir_stopping(weir_ctx *c);

/*
 * Has the beginning of a stop end this request's waits, those of weir_read() and its kin included, with WEIR_ECANCELED,
 * once: for streams that would otherwise last until stop_timeout_ms cuts them. on: false: not. The handler then ends as
 * it likes, and its reply is completed. A write that waits for the client is not ended.
 */
WEIR_API void weir_stop_ends_waits(weir_ctx *c, bool on);

/* Lets other work of this worker run, and sends what has been written. Suspends. */
WEIR_API void weir_yield(weir_ctx *c);

#define WEIR_READABLE 1 /* an event: a read would not block */
#define WEIR_WRITABLE 2 /* an event: a write would not block */

/*
 * Waits until fd (non-blocking) is ready for one of events, WEIR_READABLE | WEIR_WRITABLE or one of the two. timeout_ms
 * 0: no limit. fd stays the caller's. Returns the events that fd is ready for; WEIR_ETIMEDOUT; news, see above;
 * WEIR_EBUSY when another handler of this worker waits for fd; WEIR_EINVAL; WEIR_ENOMEM; WEIR_ESYS when fd cannot be
 * waited for, as a regular file or one that is not open. Suspends.
 */
WEIR_API int weir_await_fd(weir_ctx *c, int fd, int events, int timeout_ms);

/* Runs fn(arg) on another thread, whose stack is offload_stack_size, and returns what fn returned. fn must not use c.
 * Nothing cuts the wait short, so that arg may lie on the handler's stack. WEIR_EINVAL when fn is NULL; WEIR_ENOMEM
 * when no thread can be had. Suspends. */
WEIR_API int weir_offload(weir_ctx *c, int (*fn)(void *arg), void *arg);

/*
 * Calls fn(arg) at once, on this thread, on a stack of deep_stack_size, and returns what fn returned: for what
 * recurses as deep as a client likes, such as a parser of JSON. fn must not wait: a call that does ends the process.
 * Other calls on c are allowed, and weir_fail(). WEIR_ENOMEM, and fn was not called, when the stack is refused under
 * memory_limit or by the system. Does not suspend.
 */
WEIR_API int weir_call_deep(weir_ctx *c, int (*fn)(void *arg), void *arg);

/* ---- Files read by hand ------------------------------------------------------------------------------------- */

/* A file that a handler reads piece by piece. The request's. */
typedef struct weir_file weir_file;

/* Opens the regular file root/path for reading, confined as weir_send_file(). *file closes by itself when the request
 * ends; NULL after an error. Returns 0 or as weir_send_file(). May suspend. */
WEIR_API int weir_file_open(weir_ctx *c, const char *root, const char *path, weir_file **file);

/* The file's size in bytes when it was opened; 0 if file is NULL. */
WEIR_API int64_t weir_file_size(const weir_file *file);

/* Reads up to len next bytes into buf: how many, 0 at the end, WEIR_EIO, or WEIR_ENOMEM when no thread can be had.
 * Never blocks the worker: waits for the disk on another thread. May suspend. */
WEIR_API ssize_t weir_file_read(weir_ctx *c, weir_file *file, void *buf, size_t len);

/* Reads the next line with its newline into buf of size bytes, NUL-terminated: its length, 0 at the end, WEIR_ETOOBIG
 * if the line does not fit (nothing is consumed), WEIR_EIO, WEIR_ENOMEM. May suspend. */
WEIR_API ssize_t weir_file_line(weir_ctx *c, weir_file *file, char *buf, size_t size);

/* Closes the file before the request ends. NULL, or a file that is closed: nothing. */
WEIR_API void weir_file_close(weir_ctx *c, weir_file *file);

/* ---- Shared values and the cache ---------------------------------------------------------------------------- */

/* Bytes that several replies may send at once. Never changes once made; freed with its last reference. */
typedef struct weir_value weir_value;

/* The bytes of a value; NULL if v is NULL. Any thread that has the value. */
WEIR_API const void *weir_value_data(const weir_value *v);

/* The number of a value's bytes; 0 if v is NULL. Any thread that has the value. */
WEIR_API size_t weir_value_size(const weir_value *v);

/* A cache of computed values, shared by the workers of its server. */
typedef struct weir_cache weir_cache;

/* The settings of a cache. Zero is each member's default. */
typedef struct weir_cache_config {
    const char *name;   /* of its account in the ledger; default "cache" */
    size_t max_entries; /* default 1000 */
    /* Bytes of memory taken from the system for keys, values and bookkeeping; 64 KiB at least, default 16 MiB. */
    size_t max_bytes;
    int ttl_ms; /* time for which an entry is used; default: until it is evicted */
} weir_cache_config;

/* Makes a cache; config (NULL: all defaults) is copied. Before the start only. NULL when a setting is wrong or there is
 * no memory. The server's. */
WEIR_API weir_cache *weir_cache_new(weir_server *s, const weir_cache_config *config);

/* The place of one value that is being computed. The cache's, until the weir_cache_fill that was given it returns. */
typedef struct weir_cache_slot weir_cache_slot;

/* Computes the value of a missing key: makes it with weir_cache_put() and returns 0, or a negative error, which is its
 * own caller's; the first request that waits for the key then computes in its place. Returning 0 without
 * weir_cache_put() is WEIR_EINVAL. arg is weir_cache_get()'s. May suspend. */
typedef int (*weir_cache_fill)(weir_ctx *c, weir_cache_slot *slot, void *arg);

/* Copies len bytes as the slot's value; a second call replaces the first's. Returns 0, WEIR_EINVAL, or WEIR_ENOMEM,
 * also for a value that is too large for max_bytes. */
WEIR_API int weir_cache_put(weir_cache_slot *slot, const void *data, size_t len);

/*
 * Looks key up; on a miss computes its value by fill, once however many ask at the same time (the others wait). *value
 * is valid until the request ends, also when it is evicted meanwhile; NULL after an error. *hit (hit may be NULL) tells
 * whether the value was found or waited for. Returns 0, fill's error, WEIR_EDEADLK when the request would wait for
 * itself (directly or in a circle of requests, over all caches of the server), WEIR_ENOMEM, or what cut the wait. May
 * suspend.
 */
WEIR_API int weir_cache_get(weir_ctx *c, weir_cache *cache, const char *key, weir_cache_fill fill, void *arg,
                            const weir_value **value, bool *hit);

/* Forgets a key; requests that have its value keep it. NULL: nothing. Any thread. */
WEIR_API void weir_cache_remove(weir_cache *cache, const char *key);

/* A final reply whose body is a value, sent without a copy; as weir_reply(), but does not suspend. */
WEIR_API int weir_reply_value(weir_ctx *c, const char *type, const weir_value *value);

/* What a cache has done and holds; docs/ledger.md says of every figure what it means. */
typedef struct weir_cache_stats {
    uint64_t hits, misses, waits, evictions, expirations, failures; /* ever */
    uint64_t entries, bytes;                                        /* now */
} weir_cache_stats;

/* Reads a cache's figures into *stats; all zero if cache is NULL. Any thread. */
WEIR_API void weir_cache_stats_read(const weir_cache *cache, weir_cache_stats *stats);

/* ---- Memory of the program ---------------------------------------------------------------------------------- */

/*
 * An account for the program's own data: what is allocated from it is a row of the ledger and counts against
 * memory_limit with the server's own. Nothing of it belongs to a request; for that, see weir_alloc().
 */
typedef struct weir_account weir_account;

#define WEIR_ACCOUNT_NAME_SIZE 64 /* of an account's whole name, its NUL included */

/*
 * Opens an account. name: for people, without "/" and control characters, copied; below parent (NULL: none) the ledger
 * shows the account as PARENT/NAME, and accounts of one name as one row. limit: most bytes that the account and those
 * below it may take together (0: no bound of its own). NULL when an argument is wrong, the name is too long, or there
 * is no memory. At any time after weir_server_new(). Any thread. The server's, see weir_account_close().
 */
WEIR_API weir_account *weir_account_open(weir_server *s, weir_account *parent, const char *name, size_t limit);

/* Closes an account that nobody uses any more. Returns 0, or WEIR_EBUSY while memory of it is not given back or an
 * account below it is open; then it stays open. NULL is allowed. Any thread. weir_server_free() closes what is left,
 * and logs what has not been given back: that memory is lost. */
WEIR_API int weir_account_close(weir_account *a);

/* Memory of size bytes by malloc(), aligned for any type, not cleared; 16 bytes more are counted. NULL when the
 * account's bound, one above it or memory_limit is reached, or the machine's memory. The caller's, until
 * weir_account_free(). Any thread; does not suspend. */
WEIR_API void *weir_account_alloc(weir_account *a, size_t size);
/* Gives memory back to the account that it came from, which is a. p may be NULL. Any thread. */
WEIR_API void weir_account_free(weir_account *a, void *p);

/* The memory that a server will take, in bytes of the ledger's accounts: address space first, of which less is
 * resident. */
typedef struct weir_memory_plan {
    uint64_t start;      /* taken before the first request */
    uint64_t connection; /* for each open connection, all that an idle one takes */
    /* For each request that is alive at once, at most, besides its connection: record, two buffers, memory, stack. */
    uint64_t request;
    uint64_t connections; /* number of connections, most at once: max_connections */
    /* Most in all: every connection with a request, caches and threads at their bounds; not more than memory_limit. The
     * program's own accounts come on top, below memory_limit. */
    uint64_t worst;
} weir_memory_plan;

/* Computes a server's plan from its settings, routes and caches. Before the start, when all is registered. Returns 0;
 * WEIR_EINVAL when something is wrong that weir_server_errors() tells, with the plan zeroed; WEIR_ENOMEM. */
WEIR_API int weir_plan(weir_server *s, weir_memory_plan *plan);

/* ---- The ledger --------------------------------------------------------------------------------------------- */

/* One row of the ledger: a kind of memory, summed over the workers. A row's figures are its own: they do not hold those
 * of accounts below it, so that the rows add up. */
typedef struct weir_ledger_account {
    char name[WEIR_ACCOUNT_NAME_SIZE];
    uint64_t limit;    /* bound in bytes on the account and all below it; 0: none of its own */
    uint64_t in_use;   /* bytes handed out */
    uint64_t reserved; /* bytes taken from the system */
    uint64_t peak;     /* most that was ever in use (sum of the workers' peaks) */
    uint64_t refused;  /* times that memory was asked for and not given */
    uint64_t objects;  /* things handed out */
} weir_ledger_account;

/* One class of handler times: handlers that took most_ns or less, and longer than the class before. */
typedef struct weir_handler_time {
    uint64_t most_ns; /* bound of the class in nanoseconds; UINT64_MAX in the last class */
    uint64_t count;   /* handlers in the class, ever */
} weir_handler_time;

/* The number of times that a limit or a timeout was met. */
typedef struct weir_ledger_refusal {
    const char *cause; /* the setting's name where there is one, such as "max_body"; static */
    uint64_t count;
} weir_ledger_refusal;

#define WEIR_LEDGER_CACHE_NAME_SIZE 32 /* of a cache's name in the ledger, its NUL included */

/* One cache of the ledger, or several of the same name, summed. */
typedef struct weir_ledger_cache {
    char name[WEIR_LEDGER_CACHE_NAME_SIZE]; /* weir_cache_config's, cut */
    weir_cache_stats stats;
} weir_ledger_cache;

#define WEIR_LEDGER_ACCOUNTS 48 /* most rows of accounts */
#define WEIR_LEDGER_TIMES    16 /* classes of handler times */
#define WEIR_LEDGER_REFUSALS 40 /* most causes of refusals */
#define WEIR_LEDGER_CACHES   16 /* most rows of caches */

/* All figures of a server; docs/ledger.md says of every one what it means. */
typedef struct weir_ledger {
    uint64_t uptime_ms; /* since the server started */

    uint64_t memory_limit; /* 0: none */
    uint64_t in_use;       /* sum over the accounts */
    uint64_t reserved;     /* sum over the accounts */

    /* Bytes that the kernel holds in the sockets' queues, sampled once a second; in no account, and not under
     * memory_limit. */
    uint64_t kernel_memory_limit; /* 0: none */
    uint64_t kernel_memory;       /* now */
    uint64_t kernel_memory_peak;  /* most at any sample */
    uint64_t kernel_memory_cut;   /* connections that were cut because of kernel_memory_limit, ever */

    /* The process's memory in bytes, as the kernel counts it, by the last weir_ledger_sample(). */
    int64_t process_age_ms;     /* age of that sample; -1: none was taken, or it failed */
    uint64_t process_resident;  /* memory that is there, shared with others or not */
    uint64_t process_private;   /* memory that was written to and is shared with nobody */
    uint64_t process_remainder; /* private memory that no pool and no allocation of weir's explains */

    uint64_t accepted;    /* connections ever */
    uint64_t connections; /* open now: the sum of the six below */
    uint64_t connections_idle, connections_head, connections_waiting, connections_active, connections_draining,
        connections_lingering;

    uint64_t requests; /* ended or refused, ever: the sum of responses but for [1] */
    /* Replies by the class of their status; [1]: interim ones; [0]: the client had gone before there was one. */
    uint64_t responses[6];
    uint64_t bytes_in, bytes_out; /* of all connections, ever */

    size_t refusal_count;
    weir_ledger_refusal refusals[WEIR_LEDGER_REFUSALS];

    uint64_t handler_ns; /* sum of the handler times that were measured, in nanoseconds */
    weir_handler_time handler_times[WEIR_LEDGER_TIMES];

    int workers;
    uint64_t fibers;         /* handlers suspended or running */
    uint64_t fibers_running; /* workers that are in a turn and have a fiber: each runs one at most */

    int offload_threads, offload_busy, offload_queued; /* threads now, those that run a job, jobs that wait for one */
    uint64_t offload_jobs;                             /* jobs, ever */

    size_t account_count;
    weir_ledger_account accounts[WEIR_LEDGER_ACCOUNTS]; /* where there are more, the last is of all the others */
    size_t cache_count;
    weir_ledger_cache caches[WEIR_LEDGER_CACHES];
} weir_ledger;

/* Reads the ledger of a server into *ledger, about 8 KB: short locks, no system call. Figures of several workers are
 * not of one instant, and after the server's end they are the last ones. Any thread. */
WEIR_API void weir_ledger_read(weir_server *s, weir_ledger *ledger);

/* The times that the handlers of one route took, in turns of the loop as the ledger's times. */
typedef struct weir_route_figures {
    weir_route_info route;
    uint64_t requests; /* requests of the route that have ended, in all workers */
    /* Nanoseconds: the bound of the class of times in which half, and 99 of 100, of the handlers are; UINT64_MAX:
     * beyond the last bound; 0 where there was no request. */
    uint64_t p50_ns, p99_ns;
} weir_route_figures;

/* Calls each(arg, figures) for every route, sorted by pattern. Not while routes are added. Any thread; does not
 * suspend. */
WEIR_API void weir_route_times(weir_server *s, void (*each)(void *arg, const weir_route_figures *figures), void *arg);

/*
 * Has the kernel count the process's memory, for the process_ figures of weir_ledger_read(). Counting may take
 * milliseconds, so a handler calls this by weir_offload(). Does nothing if the last count was less than a second ago,
 * or less than twenty times as long ago as it took. Returns 0, WEIR_EINVAL, or WEIR_EIO when /proc/self/smaps cannot be
 * read. Blocks. Any thread.
 */
WEIR_API int weir_ledger_sample(weir_server *s);

/* Handlers for routes: the ledger as JSON, and as Prometheus metrics (text format 0.0.4). Each samples the process's
 * memory by weir_offload(), and writes as it goes, in the memory of one buffer. Who may see the ledger is not asked.
 * May suspend. */
WEIR_API void weir_ledger_json(weir_ctx *c);
WEIR_API void weir_ledger_metrics(weir_ctx *c);

/* The settings of the ledger's page: who may see it, and where. */
typedef struct weir_admin_config {
    /* Asked about every request below the path, on the request's fiber; may suspend and may set headers. Returns 0
     * where the page may be seen; else 401 (with WWW-Authenticate set), 403 or another error status, whose error page
     * is the reply. NULL: whoever can reach the page may see it. */
    int (*authorize)(weir_ctx *c, void *data);
    void *data; /* handed to authorize; the program's */
    /* A listener for the page alone, as by weir_server_listen(), copied: by others the page is not there (404). NULL:
     * the page is there by all. */
    const weir_listen_config *listener;
} weir_admin_config;

/*
 * Mounts the live page of the ledger at path, such as "/_weir", with what it reads: path/ledger.json, path/metrics
 * (Prometheus), path/events (the same JSON once a second, as an event stream). ledger.json then lists the requests that
 * have been running for longest. Off unless called; once, before the start. config NULL: all defaults. Returns 0, or
 * WEIR_EINVAL / WEIR_EEXIST / WEIR_ENOMEM; the error is also kept, and the server then refuses to start.
 */
WEIR_API int weir_server_admin(weir_server *s, const char *path, const weir_admin_config *config);

/* The TCP port of the page's own listener, once started; weir_server_port() if it has none. Any thread. */
WEIR_API int weir_server_admin_port(const weir_server *s);

#ifdef __cplusplus
}
#endif

#endif
