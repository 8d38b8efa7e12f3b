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
    WEIR_EINVAL = -1,      /* an argument or a setting is wrong */
    WEIR_ENOMEM = -2,      /* the memory's bound, or the machine's, is reached */
    WEIR_ECLOSED = -3,     /* the client has gone, or the connection was cut */
    WEIR_ECOMMITTED = -4,  /* the reply's head has been sent and cannot be changed any more */
    WEIR_EDONE = -5,       /* a final reply has been made; nothing can be added */
    WEIR_ETOOBIG = -6,     /* a limit is exceeded */
    WEIR_ETIMEDOUT = -7,   /* the time given has passed */
    WEIR_ENOENT = -8,      /* no such file, key or route */
    WEIR_EACCES = -9,      /* not permitted, or outside the root */
    WEIR_EIO = -10,        /* reading or writing a file failed */
    WEIR_EDEADLK = -11,    /* the call would wait for itself */
    WEIR_ECANCELED = -12,  /* the server is stopping and the wait was cut */
    WEIR_EPROTO = -13,     /* the peer broke the protocol */
    WEIR_EEXIST = -14,     /* a route or a name is already there */
    WEIR_EBUSY = -15,      /* a resource is in use, such as an address or a table */
    WEIR_ESYS = -16,       /* the system refused for another reason; the log names it */
    WEIR_ENOSPC = -17,     /* the disk is full, or what one may have of it */
    WEIR_ETYPE = -18,      /* the request's body is of a type that the call does not read */
    WEIR_ECONDITION = -19, /* a condition that the request names is not met */
    WEIR_EUPGRADE = -20,   /* the client has not asked for that protocol */
    WEIR_EREACH = -21,     /* another service cannot be reached, or has broken the connection off */
    WEIR_ETRUST = -22,     /* another service's certificate is not trusted, or is not its own */
    WEIR_EFAILED = -23,    /* what was waited for was ended by weir_fail() */
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
    /* Addresses of DNS servers that weir_dial() asks, "ADDRESS[:PORT]", IPv6 as "[ADDRESS]:PORT", separated by commas;
     * default: those of /etc/resolv.conf. Needs c-ares. */
    const char *nameservers;

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
    int max_requests_per_connection; /* the last one's reply says close, HTTP/2: GOAWAY; default WEIR_OFF */
    int max_request_line;            /* bytes, CRLF included; default and at most http_buffer_size; 414 */
    /* Bytes from behind the request line to the end of the head; default and at most http_buffer_size; 431. */
    int max_header_block;
    int max_headers;  /* header lines of a request; default 100, at most 1000; 431 */
    int64_t max_body; /* bytes of a request's body; default 1 GiB; WEIR_OFF; 413; see weir_group_max_body() */
    /* Bytes that bodies of groups with body_memory may take together, in all workers; default a quarter of
     * memory_limit, or 64 MiB without one; WEIR_OFF: what memory_limit allows. Then weir_body() gives WEIR_ENOMEM. */
    int64_t max_body_memory;
    /* Bytes that compressors may take together, in all workers, for the groups that weir_group_compress() names; beyond
     * that a reply goes out uncompressed. Default an eighth of memory_limit, or 64 MiB without one; WEIR_OFF: what
     * memory_limit allows. */
    int64_t max_compression_memory;
    /* Bytes that topics may take together, their messages included; 64 KiB and more. Default an eighth of memory_limit,
     * or 64 MiB without one. Then histories give way, see weir_topic_publish(). */
    size_t max_topic_memory;
    int max_tasks;  /* of weir_spawn() and weir_every(), most at once, up to 1048576; default 1000 */
    int max_topics; /* most topics and patterns at once, up to 1048576; default 10000 */
    /* Bytes, 65536 and more, that compressed forms of files up to 256 KiB may take, which are kept for further replies
     * in those groups; what has not been asked for lately gives way. Default 1/32 of memory_limit and at most 8 MiB;
     * WEIR_OFF: none is kept. */
    int64_t kept_compressed_memory;
    int max_chunk_extension; /* bytes of chunk extensions beyond 1/16 of the data; default 1024; 413 */
    int max_trailer; /* bytes of the fields behind a request's body; default 4096; 431, HTTP/2: the stream is reset */
    /* Requests of one connection that are served before others get a turn, HTTP/2: four times as many frames; default
     * 64. */
    int pipeline_depth;
    /* Unread body bytes that are read and dropped to keep a connection; default 65536. Of a longer rest an HTTP/2
     * client is told not to send it, and the connection is kept in any case. */
    int64_t drain_limit;

    int http2;             /* HTTP/2, by prior knowledge and, over TLS, by ALPN; default WEIR_ON; WEIR_OFF */
    int http2_max_streams; /* requests of an HTTP/2 connection at once, others are refused; default 100 */
    /* Bytes of a request's body that may come before they are read, over HTTP/2: while its handler reads, and before
     * that no more than http_buffer_size. Default 65536. Under memory_limit, or a bound of a pool, no more than
     * http_buffer_size at any time. */
    int http2_stream_window;
    int http2_connection_window; /* likewise, of all requests of a connection; default 1 MiB, at least 65535 */

    /* From a head's first byte to its last, however it drips; default 10000; 408. HTTP/2: of a frame, and of a header
     * block in several, and until the first SETTINGS are acknowledged; and the connection ends. */
    int header_timeout_ms;
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
    /*
     * Proxies that are believed about their clients, see weir_client(): networks with spaces between them, such as
     * "127.0.0.0/8 10.1.0.0/16 2001:db8::/32 ::1 unix:", where a single address needs no length and "unix:" stands for
     * all Unix sockets; up to 256. Goes with forwarded_header. Their connections do not count for
     * max_connections_per_address. Default NULL: nobody is.
     */
    const char *trusted_proxies;
    /* The field in which they tell: "Forwarded" (RFC 7239) or "X-Forwarded-For", with -Proto and -Host. The other one
     * is never read, since a client may send it through a proxy that does not know it. */
    const char *forwarded_header;
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

/* One certificate with its key, each in PEM form: by the path of a file, or as text. */
typedef struct weir_tls_certificate {
    const char *certificate;     /* file: the certificate itself first, then those that it was signed by */
    const char *key;             /* file of its private key, without a passphrase */
    const char *certificate_pem; /* text of what the file would hold, instead of it */
    const char *key_pem;         /* as certificate_pem */
    const char *ocsp_response;   /* file of an OCSP response in DER form, which is stapled; NULL: none */
} weir_tls_certificate;

/* What weir_tls_config.client_certificates can be besides WEIR_OFF. */
enum weir_tls_clients { WEIR_TLS_ASKED = 1, WEIR_TLS_REQUIRED = 2 };

/*
 * TLS of a listener: versions 1.2 (RFC 5246) and 1.3 (RFC 8446). Zero is each member's default. Strings need to live
 * only for the call that takes them. Every wrong value and every file that cannot be used is told by name when the
 * server starts, and refuses the start; a certificate that has expired is a warning. docs/tls.md says more.
 */
typedef struct weir_tls_config {
    const char *certificate, *key;         /* the first certificate, as in weir_tls_certificate */
    const char *certificate_pem, *key_pem; /* and as text */
    const char *ocsp_response;
    /* Names and addresses, such as "localhost 127.0.0.1": instead of the first certificate one is made for them, in
     * memory, which nobody trusts. For trying things out. */
    const char *self_signed;
    /* Further ones, of which the client's SNI (RFC 6066 section 3) chooses by the DNS names that they are for: exact
     * ones, and wildcards of one label. */
    const weir_tls_certificate *certificates;
    size_t certificate_count; /* up to 255 */
    /* WEIR_ON: a client that asks for none of the names is refused; default WEIR_OFF: it gets the first one. */
    int strict_names;
    int min_version;          /* 12 (default) or 13 */
    const char *ciphers;      /* of TLS 1.2, as OpenSSL writes them; default: Mozilla's intermediate, by ECDHE alone */
    const char *ciphersuites; /* of TLS 1.3 */
    const char *groups; /* for the key exchange; default X25519, P-256, P-384, before them X25519MLKEM768 if known */
    int http2;          /* WEIR_OFF: HTTP/2 is not offered by ALPN (RFC 7301); default WEIR_ON, if it is built in */
    /* Session tickets, by which a client resumes without a full handshake; the server keeps nothing for them. Default
     * WEIR_ON. Keys change every six hours by themselves. */
    int tickets;
    /* File of 32 bytes or more that the keys of tickets are derived from, so that processes that share it accept each
     * other's; default: keys of this process alone. */
    const char *ticket_file;
    int client_certificates; /* WEIR_OFF (default), WEIR_TLS_ASKED: it is verified if there is one, WEIR_TLS_REQUIRED */
    const char *client_ca;   /* file of the certificates that may sign clients' */
    int handshake_timeout_ms; /* longest time of a handshake; default: header_timeout_ms */
    int max_handshakes;       /* handshakes under way at once in each worker; others wait; default 256 */
    /* WEIR_ON: after the handshake weir seals and opens records itself, by OpenSSL's ciphers, and OpenSSL's object is
     * freed: a connection costs a few hundred bytes instead of 14 KB. Default WEIR_OFF; see docs/tls.md. */
    int lean_records;
    /* WEIR_ON: plain HTTP is answered by 308 to the same URL with https; default WEIR_OFF: by 400, which says so. */
    int redirect_plain;
    int watch_files; /* WEIR_OFF: files that change are not loaded anew; default WEIR_ON: they are, within a second */
} weir_tls_config;

/* A further listener. Zero is each member's default: what weir_config has by that name, where no other is named. */
typedef struct weir_listen_config {
    const char *host; /* as in weir_config; "unix:PATH" for a Unix socket (an old socket file there is replaced) */
    int port;         /* as in weir_config */
    /* An inherited listening descriptor, > 0: used instead of host and port. Closed by the server, which leaves the
     * socket itself to other processes that have it. */
    int fd;
    int backlog;                /* as in weir_config */
    int shared_listener;        /* as in weir_config; Unix sockets and inherited descriptors are always shared */
    int notsent_lowat;          /* as in weir_config */
    int send_buffer;            /* as in weir_config */
    int receive_buffer;         /* as in weir_config */
    int unix_mode;              /* permission bits of the socket file; default 0666 */
    const weir_tls_config *tls; /* NULL: plain */
    /* Of weir_listen_raw() alone. WEIR_ON: a handler runs as soon as a client has connected; default WEIR_OFF: when the
     * client has said something. */
    int server_first;
    int read_timeout_ms; /* likewise: as weir_read_timeout(); default idle_timeout_ms; WEIR_OFF: any time */
    /* WEIR_ON: each connection has to begin with a PROXY preface of version 1 or 2, before TLS, which tells its client;
     * else it is closed. Default WEIR_OFF: a preface is taken for what it is not, a broken request. */
    int proxy_protocol;
    /* Who may send prefaces, as trusted_proxies has them; others are closed at once. Default NULL: whoever can connect,
     * which has to be proxies alone. */
    const char *proxy_networks;
} weir_listen_config;

/* Adds a listener, copying config; up to 16 in all. With at least one such call, weir_config's host and port are
 * listened on only if they were set. Before the start only. Returns 0, WEIR_EINVAL or WEIR_ENOMEM. */
WEIR_API int weir_server_listen(weir_server *s, const weir_listen_config *config);

/*
 * Loads the certificates, keys and other files of all TLS listeners anew, as is done by itself when they change. What
 * is whole and fits together is used by handshakes from here on; connections keep what they have. Where something is
 * wrong a listener goes on with what it had, and the log says why. Returns 0; WEIR_EINVAL: that was so, or s has no TLS
 * listener. Blocks. Any thread; a handler calls it by weir_offload().
 */
WEIR_API int weir_tls_reload(weir_server *s);

/* The TCP port of the first TLS listener, once started; 0 if there is none, or s is NULL. Any thread. */
WEIR_API int weir_server_tls_port(const weir_server *s);

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
 * Registers a handler for a method ("GET"; NULL: any but CONNECT; RFC 9110 section 9) and a path pattern. Before the
 * start only. Segments of a pattern:
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
/*
 * In place of a method: the route is for clients that ask for another protocol, which weir_upgrade() gives to them.
 * They send GET in HTTP/1.1 (RFC 9110 section 7.8), and CONNECT with :protocol in HTTP/2 (RFC 8441), which is announced
 * where there is such a route; weir_method() says which. The header "Upgrade" is what they ask for, in either.
 */
#define WEIR_UPGRADE "GET, CONNECT"
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
    int deadline_ms; /* as if each handler began with weir_set_deadline() of so many; WEIR_OFF: without */
    /* The name of a request's field by which a client sets that, too: a number of milliseconds, of which no more counts
     * than deadline_ms where that is set; what is no number counts for nothing. Copied, up to 63 bytes; "": none. */
    const char *deadline_header;
    /* WEIR_ON: as if each handler began with weir_stop_ends_waits(c, true); WEIR_OFF: not. */
    int stop_ends_waits;
    size_t body_memory; /* longest body that weir_body() takes where request_memory has no room for it; see there */
    /* Seconds for which browsers that have got a reply by TLS use nothing else for its host: the reply's
     * Strict-Transport-Security (RFC 6797), where the handler has not set one. Not sent without TLS. WEIR_OFF: none. */
    int hsts_seconds;
    int hsts_subdomains; /* WEIR_ON: that goes for all names below the host's, too; WEIR_OFF */
    int hsts_preload;    /* WEIR_ON: lists that browsers are made with may hold the host; WEIR_OFF */
    /* WEIR_ON: entity tags of files are of their contents, and so the same on several machines and after a file was put
     * there anew; see weir_send_file(). WEIR_OFF, the default: of their state on the disk. */
    int content_tags;
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
 * be parsed, c knows status, message and peer only, and method and path are "". What HTTP/2 calls malformed (RFC 9113
 * section 8.1.1) has no reply, and is not told. May suspend.
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

/* ---- Compression of replies --------------------------------------------------------------------------------- */

/*
 * What of a group's replies is compressed, and how; docs/compression.md says more. Zero is each member's default. A
 * secret in a compressed reply can be guessed by who sees its length and can have text of his own put beside it (the
 * BREACH attack): leave such groups out, or have their replies say "Cache-Control: no-transform".
 */
typedef struct weir_compress_config {
    int on; /* WEIR_OFF: nothing, whatever the group around this one says; default WEIR_ON */
    /* Codings that are offered, with a space between two: of those that a client likes best the first is sent. Known
     * are "gzip" (RFC 1952), "br" (RFC 7932) and "zstd" (RFC 8878). Default "zstd br gzip", as far as there. */
    const char *codings;
    int gzip_level;  /* 1 to 9; default 5 */
    int br_level;    /* 1 to 8; default 5 */
    int zstd_level;  /* 1 to 9; default 3 */
    size_t min_size; /* bytes of a body below which it is sent as it is, if its length is known; default 1024 */
    /* Patterns of a Content-Type without its parameters, with a space between two: "*" stands for any text, and "!"
     * before a pattern takes types out. Default: text but text/event-stream, JSON, JavaScript, XML, SVG, WebAssembly,
     * fonts and a few more. */
    const char *types;
} weir_compress_config;

/*
 * Has the replies of a group, and of those below it that do not say otherwise, compressed as config (a const
 * weir_compress_config *, copied; NULL: all defaults) says, by what the client accepts (RFC 9110 section 12.5.3). Such
 * replies, and those that a client got uncompressed for want of a coding, say "Vary: Accept-Encoding"; a compressed
 * one's strong ETag becomes weak (section 8.8.3.3), and Accept-Ranges is removed. Left as they are: replies with
 * Content-Encoding, Content-Range or a digest of their bytes, with "Cache-Control: no-transform", with status 206, and
 * without a Content-Type. A second call replaces the first one's settings. Before the start only. Returns 0,
 * WEIR_ENOMEM or WEIR_EINVAL; the error is also kept, and the server then refuses to start.
 */
#define weir_group_compress(g, ...) weir_group_compress_sized((g), (__VA_ARGS__), sizeof(weir_compress_config))
/* weir_group_compress() for callers without macros; config_size as that of weir_server_new_sized(). */
WEIR_API int weir_group_compress_sized(weir_group *g, const weir_compress_config *config, size_t config_size);

/* ---- The request -------------------------------------------------------------------------------------------- */

/* The method, such as "GET", as it was sent, case-sensitive (RFC 9110 section 9.1); "" for a refused head. */
WEIR_API const char *weir_method(weir_ctx *c);

/* The raw request target (RFC 9112 section 3.2), of HTTP/2 ":path" (RFC 9113 section 8.3.1); "" for a refused head. */
WEIR_API const char *weir_target(weir_ctx *c);

/* The target's path, decoded by segment, dot segments resolved (RFC 3986 section 5.2.4); "%2F" stays "%2F". "*" for
 * the target of that form; "" for a refused head, or beyond request_memory. */
WEIR_API const char *weir_path(weir_ctx *c);

/* The raw query string, without "?" (RFC 3986 section 3.4); "" if there is none. */
WEIR_API const char *weir_query_string(weir_ctx *c);

/* The authority asked for, with its port (RFC 9112 sections 3.2.2 and 3.3); "" if unknown. That of an absolute target
 * also replaces the Host header. ":authority" of HTTP/2 is the Host header. */
WEIR_API const char *weir_host(weir_ctx *c);

/* Versions of HTTP (RFC 9110 section 2.5), ten times their number. */
enum weir_http { WEIR_HTTP_1_0 = 10, WEIR_HTTP_1_1 = 11, WEIR_HTTP_2 = 20 };

/* The version of HTTP that the request came by, an enum weir_http; WEIR_HTTP_1_1 for a refused head of HTTP/1. */
WEIR_API int weir_http_version(weir_ctx *c);

/* Whether nobody between the client and this server can read or change what they say: true by TLS. No word of a proxy
 * changes that; see weir_client_scheme(). */
WEIR_API bool weir_is_secure(weir_ctx *c);

/* The address of the connection's other end, which is a proxy's where there is one: "127.0.0.1:4711", "[::1]:4711" or
 * "unix:". A copy in the request's memory; "" beyond it. */
WEIR_API const char *weir_peer(weir_ctx *c);

/*
 * The client's address, without a port: "203.0.113.7", "2001:db8::7" or "unix:". That is the other end of the
 * connection; where the listener has proxy_protocol, what the preface says; and where either is one of trusted_proxies,
 * what forwarded_header says, read from its end as far as each hop is trusted: the first that is not, the outermost if
 * all are. What is malformed is not believed, nor is anything before it; nor what is beyond the last 32 hops. A proxy
 * may hide its client (RFC 7239 section 6): then it is "unknown", or a name that begins with "_". A copy in the
 * request's memory; "" beyond it.
 */
WEIR_API const char *weir_client(weir_ctx *c);

/* "https" or "http": what the client has used, as the trusted proxy says that has seen it; else "https" if the
 * connection is by TLS, or its PROXY preface says that the client's was. Static. */
WEIR_API const char *weir_client_scheme(weir_ctx *c);

/* The authority that the client has asked for, as the trusted proxy says that has seen it; else as weir_host(). */
WEIR_API const char *weir_client_host(weir_ctx *c);

/* The address of this end of the connection; as weir_peer(). */
WEIR_API const char *weir_local(weir_ctx *c);

/* What the handshake of a request's connection has agreed on. Its strings are copies in the request's memory, "" where
 * there is nothing to say. */
typedef struct weir_tls_session {
    const char *version;     /* "TLSv1.2" or "TLSv1.3" */
    const char *cipher;      /* the suite as IANA names it, such as "TLS_AES_128_GCM_SHA256" */
    const char *server_name; /* the host that the client asked for by SNI (RFC 6066 section 3), not checked */
    const char *protocol;    /* what ALPN has chosen (RFC 7301): "h2", "http/1.1" */
    bool resumed;            /* by a ticket of an earlier connection */
    bool verified;           /* the client has shown a certificate that client_ca's have signed */
    const char *subject;     /* of that certificate (RFC 2253), such as "CN=alice,O=Example"; up to 1,023 bytes */
} weir_tls_session;

/* Tells how a request's connection is secured. Returns 0; WEIR_EINVAL: it is plain HTTP, and *session is all empty; or
 * WEIR_ENOMEM. */
WEIR_API int weir_tls_info(weir_ctx *c, weir_tls_session *session);

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
 * percent-decoded or joined, but for cookies of HTTP/2, which are one line (RFC 9113 section 8.2.3). */
WEIR_API const char *weir_header(weir_ctx *c, const char *name);
/* The i-th (from 0) line of that name, or NULL. */
WEIR_API const char *weir_header_nth(weir_ctx *c, const char *name, size_t i);
/* The number of header lines of that name; name NULL: of all header lines. */
WEIR_API size_t weir_header_count(weir_ctx *c, const char *name);
/* The i-th header line in order of arrival, as weir_param_item(). Names of HTTP/2 are in lower case. */
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

/* The announced length of the request's body in bytes (RFC 9112 section 6.3): 0 without a body, -1 for one whose length
 * is not known: a chunked one, or one of HTTP/2 without a Content-Length. */
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
 * Reads the body's next line, its newline included (and a CR before that), into buf of size bytes, NUL-terminated, as
 * weir_file_line() does with a file's. What the body ends with is a line, too, without a newline. Returns the length, 0
 * at the body's end, WEIR_ETOOBIG for a line of size bytes or more (the natural reply is 413), or as weir_read(). That
 * error, and one that comes within a line, is final: later calls give it, too. Takes no memory but buf. May suspend.
 */
WEIR_API ssize_t weir_body_line(weir_ctx *c, char *buf, size_t size);

/* Reads as weir_body_line(), and without a copy where it can: *line points to the line where it was received or, if it
 * has come in several pieces, into buf. Valid until the next read, and not NUL-terminated. May suspend. */
WEIR_API ssize_t weir_body_line_slice(weir_ctx *c, const char **line, char *buf, size_t size);

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
 * The value of a field that came behind the body (RFC 9110 section 6.5), a chunked one or one of HTTP/2: the first of
 * that name, case ignored; NULL if there is none, and as long as the body has not been read to its end (weir_read()
 * gave 0, or weir_body() gave 0). Never mixed with the header's (RFC 9110 section 6.5.1). Fields that are no trailer's
 * business, such as Content-Length, Host, Cookie or Authorization, have been refused, with 400 or by a reset stream.
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

/*
 * Like weir_defer(), for a clean-up that may wait, as one that brings a database's connection back into order: fn(c,
 * arg) runs when the request ends, however it ends, on the handler's fiber, among the functions of weir_defer() in
 * their order. What ended the handler does not end the waits of fn, and neither does the client's going; they end with
 * WEIR_ETIMEDOUT when fn has had ms milliseconds (1 and more), and so does a server's stop at the latest. The reply is
 * on its way meanwhile and cannot be changed. fn must not call weir_fail(), which ends the process there. Returns 0;
 * WEIR_EINVAL; or WEIR_ENOMEM: then fn was called at once, within the request's own time. May suspend only then.
 */
WEIR_API int weir_defer_wait(weir_ctx *c, void (*fn)(weir_ctx *c, void *arg), void *arg, int ms);

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
 * Content-Length, Transfer-Encoding, Connection (except "close") and Date are the framework's own and refused too.
 * HTTP/2 has no Connection, Keep-Alive, Proxy-Connection and Upgrade, which are left out there; "close" is GOAWAY.
 * There is one Content-Type (RFC 9110 section 8.3), by whatever call it was given last; weir_add_header() replaces it,
 * too. Strings are copied; one that is NULL is an error as with weir_reply(). Returns 0, WEIR_EINVAL, WEIR_ENOMEM
 * beyond request_memory, or WEIR_ECOMMITTED once the head is committed.
 */
WEIR_API int weir_set_header(weir_ctx *c, const char *name, const char *value);
WEIR_API int weir_add_header(weir_ctx *c, const char *name, const char *value);
WEIR_API int weir_remove_header(weir_ctx *c, const char *name);

/* The first value set so far for a header of the reply, as a copy in the request's memory; NULL if there is none, or
 * beyond request_memory. */
WEIR_API const char *weir_response_header(weir_ctx *c, const char *name);

/*
 * Adds a trailer field (RFC 9110 section 6.5), which is sent behind the reply's body: at any time before the handler
 * and response middleware have ended, also when the head has been sent, so that it may tell what the body has shown.
 * With one that is added before the head is sent, an HTTP/1.1 reply is chunked, its Content-Length is left out (RFC
 * 9112 section 7.1.2), and it does not matter whether the request said "TE: trailers": clients that do not know
 * trailer fields drop them, as may any hop between. HTTP/1.0, replies to HEAD and those without a body have none;
 * there the call succeeds and nothing is sent. An error page that replaces the reply drops them. Names and values are
 * checked as by weir_add_header(); fields that framing, routing, authentication, caching or the form of the body
 * depend on are refused (RFC 9110 section 6.5.1), such as Set-Cookie, Content-Type and Vary. Strings are copied.
 * Returns 0; WEIR_EINVAL; WEIR_ENOMEM beyond request_memory; WEIR_ECOMMITTED when the head has been sent with a
 * Content-Length by HTTP/1.1; WEIR_EDONE when the reply is over; WEIR_ECLOSED when the client has gone. A Trailer
 * header that announces the names (section 6.6.2) is the handler's to set. By HTTP/2 a reply keeps its Content-Length.
 */
WEIR_API int weir_add_trailer(weir_ctx *c, const char *name, const char *value);

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
 * once the head is committed; else an error as by weir_reply() where the page could not be made. May suspend. */
WEIR_API int weir_reply_error(weir_ctx *c, int status, const char *message);

/*
 * A final reply of the regular file root/path as it is now, with its length: up to 4 KiB are read at once, more go out
 * by sendfile where the transport can, after the handler has returned. A worker keeps small files open for two or three
 * seconds, and looks each time whether they have changed. Nothing outside root is reachable, by "..", by a link or by
 * an absolute path. Content-Type is application/octet-stream unless set.
 *
 * To GET and HEAD, if the status is 200, the reply is what RFC 9110 asks for: ETag (strong; weak until the file has not
 * changed for two seconds) and Last-Modified (section 8.8), unless set: then those are compared; If-Match,
 * If-Unmodified-Since, If-None-Match, If-Modified-Since and If-Range in their order (section 13.2.2), with 304, or the
 * error page of 412; to GET one range (206) or several (multipart/byteranges, at most 32, merged where they nearly
 * touch), and the error page of 416 where there is none of them (section 14). A handler that sets Accept-Ranges to
 * "none" gets no ranges. All that is a reply, and 0 is returned; weir_status() tells which.
 *
 * In a group with content_tags the ETag is a hash of the file's content (SHA-256, its first half), where the file has
 * at most 64 MiB and has not changed for two seconds: read once for each version of the file, by another thread unless
 * it is small, and meanwhile the call waits.
 *
 * Returns 0; WEIR_ENOENT (also for a directory), WEIR_EACCES, WEIR_EIO, WEIR_ENOMEM. After an error nothing is replied
 * yet: the handler may reply; if it does not, the client gets the error page that fits (404, 403, 500, 503). May
 * suspend.
 */
WEIR_API int weir_send_file(weir_ctx *c, const char *root, const char *path);

/*
 * Streams: what is written is collected in the connection's output and goes out when that is full, on weir_flush(),
 * when the handler returns, and before the handler waits for anything else. A body that fits one buffer gets a
 * Content-Length, a longer one is chunked (RFC 9112 section 7.1; HTTP/1.0: ends with the connection; HTTP/2 needs
 * neither). A large write is sent from data itself, uncopied. Each call waits while the client is slow. Returns 0,
 * WEIR_ECLOSED once the client has gone, WEIR_EDONE after a final reply, WEIR_ETIMEDOUT when the client took nothing
 * for write_timeout_ms; WEIR_ENOMEM without memory, WEIR_ETOOBIG for a text longer than what request_memory has left,
 * WEIR_EINVAL for data or a format that is NULL. After one of the last three the reply will not look whole: if its head
 * is out, the connection (HTTP/2: the stream) is reset (broken_reply in the ledger), else the client gets an error
 * page, and later writes give WEIR_EDONE. So a handler may just return. May suspend.
 */
WEIR_API int weir_write(weir_ctx *c, const void *data, size_t len);
WEIR_API int weir_printf(weir_ctx *c, const char *fmt, ...) WEIR_PRINTF(2, 3);
WEIR_API int weir_vprintf(weir_ctx *c, const char *fmt, va_list args) WEIR_PRINTF(2, 0);
WEIR_API int weir_flush(weir_ctx *c);

/* Announces the length in bytes of a body that will be written, which is sent as Content-Length (RFC 9110 section 8.6).
 * Writing more is WEIR_ETOOBIG; writing less cuts the connection (HTTP/2: the stream). Returns 0, WEIR_EINVAL for a
 * negative one, WEIR_ECOMMITTED once the head is committed, or WEIR_EDONE after a final reply or a write. */
WEIR_API int weir_set_length(weir_ctx *c, int64_t length);

enum weir_closed_state {
    WEIR_OPEN = 0,        /* the client is there */
    WEIR_HALF_CLOSED = 1, /* the client has ended its side and still reads (a FIN after the request) */
    WEIR_GONE = 2, /* the client has reset the connection or the request's stream, or hung up, or a write failed */
};

/* The state of the client's side of the connection, looked at now. WEIR_OPEN also when an HTTP/2 stream has ended as
 * requests do. */
WEIR_API enum weir_closed_state weir_closed(weir_ctx *c);

/* Closes the connection after this reply, which says so if its head is still to be sent (RFC 9112 section 9.6). HTTP/2:
 * a GOAWAY says so when the handler has ended; requests that have come are answered, no others are taken (RFC 9113
 * section 6.8). */
WEIR_API void weir_close_after(weir_ctx *c);

/* Calls fn when the reply has been handed to the kernel to its last byte (error 0) or has failed (negative), with the
 * bytes of body sent. fn runs on the worker after the request's memory is gone, must not wait, and gets only arg.
 * Returns 0, or WEIR_EBUSY when the reply has such a function already. */
WEIR_API int weir_on_sent(weir_ctx *c, void (*fn)(void *arg, int error, uint64_t bytes), void *arg);

/*
 * Ends the handler from any depth: deferred calls run, the error hook writes the page for status (400..599, else it is
 * 500). After the head has been sent there is no page: the connection (HTTP/2: the stream) is reset. The client sees
 * the message, see weir_on_error(): nothing secret belongs into it. What was written and set before is dropped, except
 * headers that belong to an error: WWW-Authenticate, Proxy-Authenticate, Allow, Retry-After, Location; of 415 Accept,
 * Accept-Encoding, Accept-Patch, Accept-Post; of 416 Content-Range; of 426 Upgrade. Never across C++ frames with
 * destructors, never with a lock held, never in an offloaded function.
 */
WEIR_API WEIR_NORETURN void weir_fail(weir_ctx *c, int status, const char *fmt, ...) WEIR_PRINTF(3, 4);

/* ---- Waiting ------------------------------------------------------------------------------------------------ */

/*
 * News: what ends a wait for anything but the client: weir_sleep(), weir_await_fd(), weir_cache_get() and the waits of
 * "Between fibers". Each is told once, by the wait that it ends or, at once, by the next one. Later waits are not
 * shortened, so that a loop does not spin; where the client is gone for good they return WEIR_ECLOSED when they end.
 *   WEIR_ECLOSED    the client has gone: a reset (HTTP/2: of the stream, too), a hang-up, a failed write, or, unless
 *                   the setting half_close says otherwise, the end of its side. weir_closed() tells these apart; a
 *                   client that has only ended its side may still read the reply, which is sent.
 *   WEIR_ECANCELED  the server stops: told to handlers for which weir_stop_ends_waits() is on, and to all by the waits
 *                   that are cut when the time for stopping is over; the wait after such a cut ends the handler.
 */

/* Waits for at least ms milliseconds. Returns 0, WEIR_EINVAL when ms is negative, or news, see above. Suspends. */
WEIR_API int weir_sleep(weir_ctx *c, int ms);

/*
 * Sets the deadline of a request, in milliseconds from now on, in place of an earlier one; 0: it is over; WEIR_OFF:
 * there is none. Every wait of the handler obeys it, those of weir_read() and of what is built on waits included: it
 * ends with WEIR_ETIMEDOUT, and every later one returns that at once. A write that is waiting for the client then is
 * ended, too, and the reply broken off; one that begins later is not, so that there can be a reply that says so. A
 * handler that has replied nothing when it returns after its deadline is answered for by 504, counted as `deadline`.
 * What runs by weir_offload() is not ended. Of weir_group_run() the deadline is that of all its pieces. Returns 0 or
 * WEIR_EINVAL.
 */
WEIR_API int weir_set_deadline(weir_ctx *c, int64_t ms);

/* Milliseconds until the request's deadline; 0: it is over; WEIR_OFF: there is none. */
WEIR_API int64_t weir_time_left(weir_ctx *c);

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
 * A pool of threads of its own for one kind of blocking work, with a state in each thread, such as a connection to a
 * database. Zero is each member's default.
 */
typedef struct weir_offload_pool_config {
    const char *name;     /* in the ledger: 1..31 bytes of printable ASCII, each once; copied */
    int threads;          /* at most, 1..256; default 1 */
    size_t stack_size;    /* of each thread; bounds and default as offload_stack_size */
    int max_queued;       /* jobs that may wait for a thread, 1..1000000; default: any number */
    int idle_s;           /* seconds without a job after which a thread ends, 1..86400; default: never */
    int threads_at_start; /* WEIR_ON: all threads start with the server; default: each when a job finds none free */
    /* Called once on each thread, before its first job: makes the thread's data, which may be NULL. May block. NULL:
     * the data is NULL. */
    void *(*start)(void *data);
    /* Called with what start() returned, on the thread, before it ends; NULL: nothing is. */
    void (*stop)(void *data, void *thread_data);
    void *data; /* the program's, until weir_server_free() has returned */
} weir_offload_pool_config;

/* Jobs go to it by weir_offload_to(). The server's. */
typedef struct weir_offload_pool weir_offload_pool;

/*
 * Adds a pool, configured by a const weir_offload_pool_config *, which is copied; before the start only, 16 at most.
 * NULL on a wrong setting, a name that is there already, or when there is no memory; the error is also kept, and the
 * server then refuses to start. Its threads end, once the jobs that they have are done, in weir_server_free().
 */
#define weir_offload_pool_new(s, ...) weir_offload_pool_new_sized((s), (__VA_ARGS__), sizeof(weir_offload_pool_config))
/* weir_offload_pool_new() for callers without macros; config_size as that of weir_server_new_sized(). */
WEIR_API weir_offload_pool *weir_offload_pool_new_sized(weir_server *s, const weir_offload_pool_config *config,
                                                        size_t config_size);

/* weir_offload() on a thread of a pool of this server: fn gets that thread's data as well. In addition WEIR_EBUSY when
 * max_queued jobs wait already, and fn was not called; WEIR_EINVAL when pool is NULL or another server's. Suspends. */
WEIR_API int weir_offload_to(weir_ctx *c, weir_offload_pool *pool, int (*fn)(void *thread_data, void *arg), void *arg);

/*
 * Calls fn(arg) at once, on this thread, on a stack of deep_stack_size, and returns what fn returned: for what
 * recurses as deep as a client likes, such as a parser of JSON. fn must not wait: a call that does ends the process.
 * Other calls on c are allowed, and weir_fail(). WEIR_ENOMEM, and fn was not called, when the stack is refused under
 * memory_limit or by the system. Does not suspend.
 */
WEIR_API int weir_call_deep(weir_ctx *c, int (*fn)(void *arg), void *arg);

/* ---- Tasks -------------------------------------------------------------------------------------------------- */

/*
 * A task is a fiber without a request. Its weir_ctx is one like a handler's: every call that waits, allocates, defers
 * or asks for the server's data works there. There is no request and no client: weir_method(), weir_path() and the like
 * are "", weir_route_pattern() is the task's name, reading gives 0, writing and replying an error. When the server
 * stops, a task's present or next wait returns WEIR_ECANCELED, once, weir_stopping() is true, and the stop waits for
 * the task until stop_timeout_ms cuts it. weir_fail() ends it.
 */

/* What a task runs. A negative result is an error: the log tells it, and the ledger counts it. */
typedef int (*weir_task_fn)(weir_ctx *c, void *arg);

/* How a task is run. Zero is each member's default. */
typedef struct weir_task_options {
    const char *name; /* in the log, the ledger and the watchdog's words; copied, up to 31 bytes; default "task" */
    int worker;       /* the worker's number, from 1 on; default, and where there is none: that with the fewest tasks */
    int timeout_ms;   /* the task's deadline, see weir_set_deadline(); default: none */
    /* Called with arg when the task is over, however it ended, or when it will never run; for what arg owns. From any
     * thread; must not block. NULL: nothing is. */
    void (*release)(void *arg);
    int at_once; /* of weir_every(). WEIR_ON: the first run is at once; default WEIR_OFF: when ms have passed */
} weir_task_options;

/*
 * Runs fn(c, arg) in the background, once: as soon as the server runs. options is a const weir_task_options *, copied;
 * NULL: all defaults. Returns 0; WEIR_EINVAL; WEIR_EBUSY when max_tasks are there; WEIR_ECANCELED when the server stops
 * or has ended; WEIR_ENOMEM. After an error release is not called. Any thread; does not suspend. Where there is no
 * memory for the task to begin, it begins when there is some.
 */
#define weir_spawn(s, fn, arg, ...) weir_spawn_sized((s), (fn), (arg), (__VA_ARGS__), sizeof(weir_task_options))
/* weir_spawn() for callers without macros; options_size as config_size of weir_server_new_sized(). */
WEIR_API int weir_spawn_sized(weir_server *s, weir_task_fn fn, void *arg, const weir_task_options *options,
                              size_t options_size);

/*
 * Runs fn(c, arg) every ms milliseconds, until the server stops or fn returns WEIR_EDONE; as weir_spawn() else. Between
 * two runs it has no fiber and no context, only a timer. A run that takes longer than ms is not overtaken: what would
 * have begun meanwhile is left out and counted, as is a run for which there is no memory.
 */
#define weir_every(s, ms, fn, arg, ...)                                                                                \
    weir_every_sized((s), (ms), (fn), (arg), (__VA_ARGS__), sizeof(weir_task_options))
/* weir_every() for callers without macros; options_size as config_size of weir_server_new_sized(). */
WEIR_API int weir_every_sized(weir_server *s, int ms, weir_task_fn fn, void *arg, const weir_task_options *options,
                              size_t options_size);

/* A piece of work of weir_group_run(). */
typedef struct weir_work {
    weir_task_fn fn;
    void *arg;  /* handed to fn; may lie on the caller's stack */
    int result; /* filled: what fn returned; WEIR_EFAILED: weir_fail() ended it; WEIR_ECANCELED: it never ran, or was
                 * cut; WEIR_ENOMEM */
} weir_work;

/* How a group of pieces is run. Zero is each member's default. */
typedef struct weir_group_options {
    int timeout_ms; /* the deadline of all pieces together; default: the caller's */
    int at_once;    /* most pieces at a time, up to 64; default 64 */
    int keep_on;    /* WEIR_ON: a piece's error does not cancel the others; default WEIR_OFF */
} weir_group_options;

/*
 * Runs count pieces of work, several at a time, each as a task of this worker with a context of its own, and waits for
 * all of them. The first negative result cancels the rest: their waits return WEIR_ECANCELED from then on, and those
 * that have not begun do not. So does what ends the caller's own wait: news, or its deadline, which is the pieces' as
 * well. Where memory is short fewer run at a time. The pieces run on the caller's thread: what they share with it needs
 * no lock. options is a const weir_group_options *; NULL: all defaults. Returns 0, the first error, the news, or
 * WEIR_EINVAL / WEIR_ENOMEM when nothing was run. Suspends.
 */
#define weir_group_run(c, works, count, ...)                                                                           \
    weir_group_run_sized((c), (works), (count), (__VA_ARGS__), sizeof(weir_group_options))
/* weir_group_run() for callers without macros; options_size as config_size of weir_server_new_sized(). */
WEIR_API int weir_group_run_sized(weir_ctx *c, weir_work *works, size_t count, const weir_group_options *options,
                                  size_t options_size);
/* ---- Other services ----------------------------------------------------------------------------------------- */

/*
 * A descriptor that a library has, such as that of a connection to a database, and that handlers wait for again and
 * again: the worker's poller is told of it by the first wait, and later ones cost no call to the kernel. The library's
 * own reading and writing need not know of it; the descriptor has to be non-blocking. Bound to no request: one may be
 * kept in a pool, and waited for on any worker, as long as nobody waits for it on another one.
 */
typedef struct weir_fd weir_fd;

/* Makes a weir_fd for fd, which stays the caller's. The caller's, until weir_fd_free(). Returns NULL when fd is
 * negative, or there is no memory. */
WEIR_API weir_fd *weir_fd_new(weir_ctx *c, int fd);

/* Forgets the descriptor, which is not closed: that is to be done afterwards, since the kernel may give its number away
 * at once. Nobody may wait for f. NULL is allowed. Any thread, without a context, until weir_server_free(). */
WEIR_API void weir_fd_free(weir_fd *f);

/* The descriptor; -1 if f is NULL. Any thread. */
WEIR_API int weir_fd_number(const weir_fd *f);

/*
 * Waits until the descriptor is ready for one of events, WEIR_READABLE | WEIR_WRITABLE or one of the two; also when the
 * other end has hung up, so that the library finds out. timeout_ms 0: no limit. Several fibers of a worker may wait for
 * one f, such as one that reads and one that writes. Returns the events that it is ready for; WEIR_ETIMEDOUT; news, see
 * weir_sleep(); WEIR_EBUSY when a fiber of another worker waits for f, or this worker watches the descriptor in another
 * way; WEIR_EINVAL; WEIR_ENOMEM; WEIR_ESYS when it cannot be waited for, as a regular file or one that is not open.
 * Suspends.
 */
WEIR_API int weir_fd_wait(weir_ctx *c, weir_fd *f, int events, int timeout_ms);

/* One of several descriptors that are waited for. */
typedef struct weir_fd_want {
    weir_fd *f;            /* NULL: passed over */
    int events;            /* as those of weir_fd_wait(); 0: passed over */
    int ready;             /* set by the call: the events that it is ready for; 0: none */
    uintptr_t reserved[5]; /* the library's, during the call; need not be set */
} weir_fd_want;

/* Waits until one of count descriptors is ready; the array is in use meanwhile. With none the call waits for timeout_ms
 * alone. Returns how many are ready, or an error as weir_fd_wait(). Suspends. */
WEIR_API int weir_fd_wait_any(weir_ctx *c, weir_fd_want *wants, size_t count, int timeout_ms);

/* A connection to another service, made by weir_dial(). The program's, until weir_conn_close(); those that are left
 * weir_server_free() closes. Bound to no request: one may be kept in a pool, and used on any worker, by one fiber at a
 * time; two of one worker may use it if one of them reads and the other writes. */
typedef struct weir_conn weir_conn;

/* How weir_dial() connects; zero is each member's default. Strings need to live only for the call. */
typedef struct weir_dial_options {
    int timeout_ms; /* for all of it: name, connection and handshake; default: no limit but the deadline */
    /* WEIR_ON: the connection is closed when the request ends, however it ends, if it has not been before. */
    int until_end;
    /* Of tls:// alone. */
    const char *server_name; /* whom the certificate has to be for; default: the target's host */
    const char *ca_file;     /* certificates that may sign the other's; default: those that the system trusts */
    int verify;              /* WEIR_OFF: anybody's certificate will do; default WEIR_ON */
    const char *alpn;        /* protocols that are offered by ALPN, such as "h2,http/1.1"; default: none */
    const char *certificate; /* file of a client certificate, with those that it was signed by; default: none */
    const char *key;         /* file of its key; default: certificate */
    /* Where a text for people goes that says why there is no connection; NULL: nowhere. */
    char *why;
    size_t why_size;
} weir_dial_options;

/*
 * Connects to another service: "tcp://HOST:PORT", "tls://HOST:PORT" or "unix:/PATH" ("unix:@NAME": an abstract one).
 * HOST is a name, an IPv4 address, or an IPv6 address in brackets. All of a name's addresses are tried, IPv6 and IPv4
 * in turn, the next one when 250 ms have passed without a connection (RFC 8305). options (a const weir_dial_options *):
 * NULL: all defaults. Stores the connection in *conn, or NULL. Returns 0; WEIR_ENOENT: there is no such name or path;
 * WEIR_EREACH: nobody answers there; WEIR_ETRUST: the certificate is not trusted, or is another's; WEIR_EPROTO: the
 * handshake failed otherwise; WEIR_ETIMEDOUT; news, see weir_sleep(); WEIR_EACCES; WEIR_EINVAL: also a file that is no
 * certificate, or tls:// in a library that was built without TLS; WEIR_ENOMEM; WEIR_ESYS. Suspends.
 */
#define weir_dial(c, target, conn, ...) weir_dial_sized((c), (target), (conn), (__VA_ARGS__), sizeof(weir_dial_options))
/* weir_dial() for callers without macros; options_size as config_size of weir_server_new_sized(). */
WEIR_API int weir_dial_sized(weir_ctx *c, const char *target, weir_conn **conn, const weir_dial_options *options,
                             size_t options_size);

/* Waits for bytes, for at most timeout_ms (0: no limit), and reads what has come, at most len. Returns how many; 0: the
 * other side has ended; WEIR_EREACH: the connection is broken; WEIR_EPROTO: TLS, or its end without being told;
 * WEIR_ETIMEDOUT, and nothing was lost; or another error as weir_fd_wait(). Suspends. */
WEIR_API ssize_t weir_conn_read(weir_ctx *c, weir_conn *conn, void *buffer, size_t len, int timeout_ms);

/* Writes all of data, for at most timeout_ms in all (0: no limit). Returns 0, or an error as weir_conn_read(): how much
 * has been written is not known then, and the connection is good for nothing but being closed. Suspends. */
WEIR_API int weir_conn_write(weir_ctx *c, weir_conn *conn, const void *data, size_t len, int timeout_ms);

/* Ends this side, so that the other reads an end; what it sends can still be read. Returns 0 or an error as
 * weir_conn_write(). Suspends. */
WEIR_API int weir_conn_shutdown(weir_ctx *c, weir_conn *conn, int timeout_ms);

/* Closes and frees the connection, which nobody may be using. c may be NULL where there is none, as in worker_stop;
 * conn may be NULL. Any thread, until weir_server_free(). Does not suspend. */
WEIR_API void weir_conn_close(weir_ctx *c, weir_conn *conn);

/* The descriptor, for setsockopt() and the like; the connection's. -1 if conn is NULL. */
WEIR_API int weir_conn_fd(const weir_conn *conn);

/* Whether the connection is idle and whole: nothing has come that has not been read, and the other side has not ended.
 * What a pool asks before it hands one out. Costs one call to the kernel. */
WEIR_API bool weir_conn_is_idle(weir_conn *conn);

/* What was agreed on by TLS. Valid until the connection is closed. */
typedef struct weir_conn_tls_info {
    const char *version; /* such as "TLSv1.3" */
    const char *cipher;  /* as the RFCs name it, such as "TLS_AES_128_GCM_SHA256" */
    const char *alpn;    /* the protocol that was chosen; NULL: none */
} weir_conn_tls_info;

/* Tells of a connection's TLS. False: there is none. */
WEIR_API bool weir_conn_tls(const weir_conn *conn, weir_conn_tls_info *info);

/* ---- Between fibers ----------------------------------------------------------------------------------------- */

/*
 * What fibers of all workers, and threads of the program, wait for from each other. Structures that the program makes
 * static or embeds; all zero is ready to use. They stay where they are, and are given up when nobody uses them any
 * more; they hold nothing that has to be freed. docs/fibers.md has an example of each.
 *
 * c: the context of who waits. NULL: the caller is a thread of the program's own, which blocks; never one of the
 * server's. Threads that use them with handlers have ended before weir_server_free().
 *
 * Waiting is fair: who comes first is served first. A wait ends by what it is for, which is never lost, whatever else
 * happens at that moment; by WEIR_ETIMEDOUT after timeout_ms (0: no limit); or by news, see "Waiting". A timeout that
 * is negative is WEIR_EINVAL. Who need not wait is not told news. Calls without c do not suspend and do not block, and
 * may be made by any thread. Calls with c suspend where they wait.
 */
typedef struct weir_mutex {
    uint64_t opaque[10];
} weir_mutex;

/*
 * Locks m, which may be held across waits, and is unlocked before the handler ends. 0; WEIR_EDEADLK when the caller has
 * locked it already; or what ended the wait, and m is not locked. A handler can be ended where it waits, or by
 * weir_fail(), and holds m for ever then unless it has deferred the unlocking.
 */
WEIR_API int weir_mutex_lock(weir_ctx *c, weir_mutex *m, int timeout_ms);
/* Locks m if nobody has: 0 or WEIR_EBUSY. Such a lock is nobody's: it may outlast the handler, and who locks m again
 * waits, and is not told WEIR_EDEADLK. */
WEIR_API int weir_mutex_try(weir_mutex *m);
/* Unlocks m, which goes to who has waited for longest. From anywhere, as from a deferred call. 0, or WEIR_EINVAL where
 * it is not locked. */
WEIR_API int weir_mutex_unlock(weir_mutex *m);

/* A condition, which is about what one mutex guards. */
typedef struct weir_cond {
    uint64_t opaque[10];
} weir_cond;

/* Unlocks m, waits for a signal, and locks m again, which nothing cuts: m is locked whatever the result is, but for
 * WEIR_EINVAL. 0, or what ended the wait. The caller looks again at what it waits for. */
WEIR_API int weir_cond_wait(weir_ctx *c, weir_cond *cond, weir_mutex *m, int timeout_ms);
/* Wakes who has waited for longest, if anybody waits. */
WEIR_API void weir_cond_signal(weir_cond *cond);
/* Wakes all who wait. */
WEIR_API void weir_cond_broadcast(weir_cond *cond);

/* A number of permits; all zero: none. */
typedef struct weir_semaphore {
    uint64_t opaque[10];
} weir_semaphore;

/* Gives s that many permits, before it is used. WEIR_EINVAL: a negative number. */
WEIR_API int weir_semaphore_init(weir_semaphore *s, int permits);
/* Takes a permit. 0, or what ended the wait. */
WEIR_API int weir_semaphore_acquire(weir_ctx *c, weir_semaphore *s, int timeout_ms);
/* Takes a permit if there is one and nobody waits for it: 0 or WEIR_EBUSY. */
WEIR_API int weir_semaphore_try(weir_semaphore *s);
/* Adds n permits. 0; WEIR_EINVAL: n is negative; WEIR_ETOOBIG: there would be more than INT_MAX. */
WEIR_API int weir_semaphore_release(weir_semaphore *s, int n);

/* A number of jobs that are under way. */
typedef struct weir_wait_group {
    uint64_t opaque[10];
} weir_wait_group;

/* n more jobs are under way. 0; WEIR_EINVAL: n is negative; WEIR_ETOOBIG: they would be more than INT_MAX. */
WEIR_API int weir_wait_group_add(weir_wait_group *g, int n);
/* A job is done. The last one wakes all who wait; g may be gone as soon as they know. 0, or WEIR_EINVAL where none was
 * under way. */
WEIR_API int weir_wait_group_done(weir_wait_group *g);
/* Waits until no job is under way. 0, or what ended the wait. */
WEIR_API int weir_wait_group_wait(weir_ctx *c, weir_wait_group *g, int timeout_ms);

/* A bounded queue of items of one size, from many to many. The server's memory; the program's to free. */
typedef struct weir_channel weir_channel;

/* Makes a channel that holds capacity items, which are copied; 0: each goes from hand to hand, and a sender waits for
 * its receiver. NULL: item_size is 0, or the server has no memory for it. Any thread. */
WEIR_API weir_channel *weir_channel_new(weir_server *s, size_t capacity, size_t item_size);
/* Frees a channel that nobody uses any more, with what is left in it; before weir_server_free(). NULL is allowed. Any
 * thread. */
WEIR_API void weir_channel_free(weir_channel *ch);
/* Sends a copy of *item. 0; WEIR_EDONE: the channel is closed; or what ended the wait. But for 0 it was not sent. */
WEIR_API int weir_channel_send(weir_ctx *c, weir_channel *ch, const void *item, int timeout_ms);
/* Receives the oldest item into *item. 0; WEIR_EDONE: the channel is closed, and nothing is left; or what ended the
 * wait. */
WEIR_API int weir_channel_receive(weir_ctx *c, weir_channel *ch, void *item, int timeout_ms);
/* Sending and receiving where there is nothing to wait for, else WEIR_EBUSY. */
WEIR_API int weir_channel_try_send(weir_channel *ch, const void *item);
WEIR_API int weir_channel_try_receive(weir_channel *ch, void *item);
/* Closes the channel: nothing more is sent, also not by those who wait to; what is in it can be received. */
WEIR_API void weir_channel_close(weir_channel *ch);

/* Something that is done once. */
typedef struct weir_once {
    uint64_t opaque[10];
} weir_once;

/*
 * Has fn(c, arg) called once by all: the first caller runs it, those who come meanwhile wait. Its 0 is kept for ever:
 * all get 0. Its error (a positive result is WEIR_EINVAL) is given to its caller and to those who waited, and the next
 * who comes calls fn again. If the handler is ended within fn, those who waited get WEIR_ECANCELED. WEIR_EDEADLK when
 * fn itself asks; or what ended the wait. fn may suspend.
 */
WEIR_API int weir_once_run(weir_ctx *c, weir_once *once, int (*fn)(weir_ctx *c, void *arg), void *arg);

/* ---- Pools of connections ----------------------------------------------------------------------------------- */

/* Connections of any kind, such as those to a database, that handlers take and give back. The server's. */
typedef struct weir_pool weir_pool;

#define WEIR_POOL_NAME_SIZE 32 /* of a pool's name in the ledger, its NUL included */

/* What a pool is of, and its bounds. Zero is each member's default where there is one. open, check and close may
 * suspend; they are called by several workers at once, for a connection by one at a time. */
typedef struct weir_pool_config {
    const char *name; /* in the ledger, cut; copied; default "pool" */
    /* Makes a connection: 0 with it, not NULL, in *connection, or an error. c is of the handler that wants one. */
    int (*open)(weir_ctx *c, void *data, void **connection);
    /* Whether a connection that has been idle for check_idle_ms still lives: 0, or an error, after which it is closed
     * and another one is taken or made. c as for open. NULL: all do. */
    int (*check)(weir_ctx *c, void *data, void *connection);
    /* Closes a connection, idle, broken or whole. c is a task's, see "Tasks", or of the handler whose check has failed;
     * NULL where close must not wait: the worker, or the server, has ended, or there is no memory for a task. Waits of
     * a task's end after 10 seconds, and so they do when the stop is over. */
    void (*close)(weir_ctx *c, void *data, void *connection);
    void *data;         /* handed to all three; the program's */
    int max;            /* most connections, of each worker unless shared; default 10 */
    int max_waiting;    /* most handlers that wait for one, likewise; default 1000; WEIR_OFF: any number */
    int wait_ms;        /* longest wait for one, opening not included; default 5000; WEIR_OFF: any time */
    int idle_ms;        /* one that nobody wants for so long is closed; default 60000; WEIR_OFF: never */
    int check_idle_ms;  /* how long one has to have been idle to be checked; default 5000 */
    int backoff_min_ms; /* pause after a failure to open, doubled by each further one; default 100 */
    int backoff_max_ms; /* longest pause; each is shortened by up to a half, by chance; default 10000 */
    int shared;         /* WEIR_ON: one pool for all workers; default WEIR_OFF: each has its own */
} weir_pool_config;

/* Adds a pool. config is copied. Before the start. NULL: open or close is missing, a number is negative, or there is no
 * memory. Freed by weir_server_free(). */
WEIR_API weir_pool *weir_pool_new(weir_server *s, const weir_pool_config *config);

/*
 * Takes a connection: the one that was used last, a new one where max allows, or the first that is given back; who
 * comes first is served first. It is the request's until weir_pool_put(); where the request ends without that, however
 * it ends, the connection is taken for broken when its deferred calls have run. Stores it in *connection, or NULL.
 *
 * Returns 0; WEIR_ETIMEDOUT after wait_ms; WEIR_EBUSY when max_waiting wait already; news, see "Waiting"; an error of
 * open (a positive result is WEIR_EINVAL). After a failure to open nobody opens until the pause is over, and then one
 * alone: others wait for what is given back, or for that one, and get the error where there is neither. WEIR_EINVAL;
 * WEIR_ECANCELED when the pool is closed. May suspend.
 */
WEIR_API int weir_pool_get(weir_ctx *c, weir_pool *pool, void **connection);

/* Gives a connection back that the request has; healthy false: it is broken, and is closed. On the fiber of the request
 * or task that has it, or in its deferred calls. 0, or WEIR_EINVAL for one that is not taken. Does not suspend. */
WEIR_API int weir_pool_put(weir_pool *pool, void *connection, bool healthy);

/* ---- Other protocols ---------------------------------------------------------------------------------------- */

/*
 * Goes from HTTP to another protocol, which the handler then speaks: its name is what the client has to have asked for
 * by Upgrade (RFC 9110 section 7.8, HTTP/1.1) or :protocol (RFC 8441, HTTP/2), case ignored. Replies 101 or 200 with
 * the fields that the handler has set, after response middleware, and sends that. From then on
 *   weir_read(), weir_read_slice()   give what the client sends, from the first byte behind the request, to the end of
 *                                    its side (0); they wait for any time, or as weir_read_timeout() says
 *   weir_write(), weir_printf(), weir_flush()  send bytes as they are
 * in both directions at once; no limit of a request holds any more but those on the output (write_timeout_ms,
 * write_min_rate), and handler_timeout_ms does not, either. The begin of a stop ends waits, as if
 * weir_stop_ends_waits() were on. When the handler returns what it has written is sent, then this side is ended.
 *
 * Returns 0, or an error after which the request is as it was: WEIR_EUPGRADE when the client has not asked for it;
 * WEIR_EPROTO for a request with a body, of HTTP/1.0 or HEAD; WEIR_ECANCELED when the server stops, or response
 * middleware has made another status of it; WEIR_EINVAL for a name that is none; WEIR_ECOMMITTED, WEIR_EDONE,
 * WEIR_ECLOSED, WEIR_ENOMEM. A handler that then returns has the page of the error sent: 426 with Upgrade, 400, 503.
 * docs/upgrades.md says more. Suspends.
 */
WEIR_API int weir_upgrade(weir_ctx *c, const char *protocol);

/*
 * Adds a listener without HTTP, plain or with TLS: handler runs for each connection of its own, on a fiber, from the
 * first byte that the client sends (see server_first), and what it reads and writes is the connection's, as after
 * weir_upgrade(). A connection that has said nothing costs no more than an idle one of HTTP, and is closed after
 * idle_timeout_ms. There is no request: weir_method(), weir_path() and the like are empty, no middleware runs, and
 * nothing can be set of a reply; weir_peer(), weir_sleep(), weir_defer(), weir_alloc() and all else is there. When the
 * handler returns, what it has written is sent and the connection is closed; weir_fail() resets it, as everything does
 * that would break a reply off. Of the settings those hold that are of connections, memory and the output. config as of
 * weir_server_listen(), copied. Before the start only. Returns 0, WEIR_EINVAL or WEIR_ENOMEM.
 */
WEIR_API int weir_listen_raw(weir_server *s, const weir_listen_config *config, weir_handler handler);

/* The TCP port of the n-th listener of weir_listen_raw(), from 0, once started; 0 if there is none. Any thread. */
WEIR_API int weir_listen_raw_port(const weir_server *s, int n);

/* How long a read of an upgraded request waits for bytes from here on, in ms; -1: any time. It then returns
 * WEIR_ETIMEDOUT, and may be called again. Returns 0, or WEIR_EINVAL: another negative number, or a request that has
 * not been upgraded. */
WEIR_API int weir_read_timeout(weir_ctx *c, int ms);

/*
 * Waits until the client of an upgraded request has sent something, or has ended its side, or the descriptor is ready
 * for one of events, as weir_fd_wait() has it: for a handler that relays between its client and another service.
 * timeout_ms 0: no limit. What has been written is sent before the wait, and meanwhile. Returns the events that f is
 * ready for; or 0, with what has come from the client in *data and *len, valid until the next read: *len 0 is the end
 * of its side, after which the call waits for f alone. Else WEIR_ETIMEDOUT, after which it can be called again; an
 * error of weir_fd_wait() or of weir_read() of an upgraded request; WEIR_EINVAL for a request that has not been
 * upgraded. Suspends.
 */
WEIR_API int weir_read_or_wait(weir_ctx *c, weir_fd *f, int events, const void **data, size_t *len, int timeout_ms);

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
 * if the line does not fit (nothing is consumed), WEIR_EIO, WEIR_ENOMEM. The last line may end without a newline. May
 * suspend. A request's body: weir_body_line(). */
WEIR_API ssize_t weir_file_line(weir_ctx *c, weir_file *file, char *buf, size_t size);

/* Closes the file before the request ends. NULL, or a file that is closed: nothing. */
WEIR_API void weir_file_close(weir_ctx *c, weir_file *file);

/* ---- Files written ------------------------------------------------------------------------------------------ */

/* A file that a handler makes: under no name that others see until it is committed. The request's. */
typedef struct weir_new_file weir_new_file;

/* What weir_save_body() tells. */
typedef struct weir_saved {
    int64_t bytes; /* of the file */
    bool replaced; /* another file had that name */
    bool verified; /* the client has sent a Content-Digest, and these are the bytes */
} weir_saved;

/* How a file is made. Zero is each member's default. */
typedef struct weir_save_options {
    int exclusive; /* WEIR_ON: a file that is there is not replaced, but WEIR_EEXIST; default WEIR_OFF: it is */
    int folders;   /* WEIR_ON: missing folders of the path are made; default WEIR_OFF: WEIR_ENOENT */
    int sync;      /* WEIR_ON: when it is committed, the file and its name are on the disk, not only in the kernel */
    int mode;      /* permission bits, less the process's umask; default 0666. Those of a file that is replaced go */
    int64_t limit; /* most bytes of the file; default: none but max_body */
    /* Of weir_save_body() alone. WEIR_ON: a body without a Content-Digest that can be checked is refused (400). */
    int require_digest;
    weir_saved *saved; /* likewise: filled where the body was saved; NULL: not wanted */
} weir_save_options;

/*
 * Saves the request's body as the file root/path, which is made as by weir_file_create() and is there when all of it
 * has come: whatever breaks off leaves no file. Bytes go from the socket to the file without passing through the
 * program where the transport allows (HTTP/1.1 without TLS, a body of known length), else through the buffer of
 * weir_read(), whose times and limits hold. options->limit counts as max_body does: 413. A Content-Digest by sha-256 or
 * sha-512 is checked (RFC 9530). If-Match, If-None-Match and If-Unmodified-Since (RFC 9110 section 13) are compared
 * with the file that has the name when the body begins, and once more when it has come: WEIR_ECONDITION. Returns 0, and
 * nothing is replied: 201 or 204 would be natural. Else an error as by weir_file_create(), weir_read() or
 * weir_file_commit(), WEIR_EPROTO also for a wrong digest; then the handler may reply, and if it does not, the client
 * gets the error page that fits (400, 403, 404, 408, 409, 412, 413, 500, 503, 507). options may be NULL. May suspend.
 */
WEIR_API int weir_save_body(weir_ctx *c, const char *root, const char *path, const weir_save_options *options);

/*
 * Begins the file root/path, confined as weir_send_file(): nothing outside of root is written to, by "..", by a link or
 * by an absolute path. A link as the last name is itself replaced. *file is NULL after an error, and else disappears
 * when the request ends, unless it was committed. options (NULL: all defaults) is copied. Returns 0; WEIR_ENOENT: a
 * folder is missing; WEIR_EACCES; WEIR_EINVAL: the path ends with no name, or one that is too long; WEIR_ENOSPC;
 * WEIR_ENOMEM, also for lack of descriptors; WEIR_EIO; WEIR_ESYS. May suspend.
 */
WEIR_API int weir_file_create(weir_ctx *c, const char *root, const char *path, const weir_save_options *options,
                              weir_new_file **file);

/* Writes len bytes where the last write has ended. Returns 0; WEIR_ETOOBIG beyond the limit: nothing was written;
 * WEIR_ENOSPC, WEIR_EIO, WEIR_ENOMEM, or WEIR_EINVAL: the file is NULL, committed or dropped. After any of these the
 * file cannot be committed, and later writes give the same. Waits for a slow disk on another thread. May suspend. */
WEIR_API int weir_file_write(weir_ctx *c, weir_new_file *file, const void *data, size_t len);

/* The next write goes to offset, in bytes from the file's beginning; what lies between its end and that reads as zeros.
 * Returns 0, WEIR_EINVAL, or WEIR_ETOOBIG beyond the limit, which changes nothing. */
WEIR_API int weir_file_seek(weir_ctx *c, weir_new_file *file, int64_t offset);

/*
 * Gives the file its name, at once, and closes it; *replaced (replaced may be NULL) tells whether another had that name
 * until then. Readers see one or the other, whole. Returns 0; WEIR_EEXIST: with `exclusive` there is such a name, or a
 * folder has it; WEIR_EINVAL as weir_file_write(); an error that a write has met; or another, as by weir_file_create().
 * After an error there is no such file, but for WEIR_EIO with `sync`: the name may be there and not on the disk. May
 * suspend.
 */
WEIR_API int weir_file_commit(weir_ctx *c, weir_new_file *file, bool *replaced);

/* Gives up a file before the request ends. NULL, or one that is committed or dropped: nothing. May suspend. */
WEIR_API void weir_file_drop(weir_ctx *c, weir_new_file *file);

/* ---- Uploads that go on after a break ----------------------------------------------------------------------- */

/* An upload that is complete, as its function is told. Valid until that function returns. */
typedef struct weir_tus_upload weir_tus_upload;

/* How uploads are taken. Zero is each member's default. */
typedef struct weir_tus_options {
    const char *root; /* the folder for what has come so far; a relative path is made absolute by weir_tus() */
    /*
     * Runs in the handler of the request by which an upload is complete, or of a later one that asks for it, until it
     * has returned 0: then the upload is over, and what has not been saved elsewhere expires with the rest. So it may
     * run again after a crash, never twice at once. A negative error, or weir_fail(), is what the client gets, and the
     * upload stays. It may reply by itself, and wait.
     */
    int (*complete)(weir_ctx *c, weir_tus_upload *upload);
    int64_t max_size; /* bytes of an upload; 413; default 1 GiB, WEIR_OFF: any. Counts in place of max_body */
    int expire_s;     /* seconds from an upload's last byte to its end; default 86400; WEIR_OFF: none ends */
    /* Uploads in root, those that are over and have not expired included; 503; default 1000. Without expire_s those
     * that are over do not count. */
    int max_uploads;
    int sync; /* WEIR_ON: what a client is told to have come is on the disk, not only in the kernel */
    int mode; /* permission bits of the files, less the process's umask; 0200 is one; default 0666 */
} weir_tus_options;

/*
 * Takes uploads below a prefix of a group by tus 1.0.0 (https://tus.io/protocols/resumable-upload), with the extensions
 * creation, creation-with-upload, termination and expiration; options is a const weir_tus_options *, copied with its
 * root. All that is known of an upload lies in root, which several mounts, or processes, may have at a time. Ids are
 * random; whoever knows one may go on with that upload, see it or remove it, as far as the group's middleware lets
 * them. prefix begins with "/" or is "". Before the start only. Returns 0, or WEIR_EINVAL (also for a root that is no
 * folder) / WEIR_EEXIST / WEIR_ENOMEM; the error is also kept, and the server then refuses to start. docs/uploads.md
 * says more.
 */
#define weir_tus(g, prefix, ...) weir_tus_sized((g), (prefix), (__VA_ARGS__), sizeof(weir_tus_options))
/* weir_tus() for callers without macros; options_size as config_size of weir_server_new_sized(). */
WEIR_API int weir_tus_sized(weir_group *g, const char *prefix, const weir_tus_options *options, size_t options_size);

/* The id, 32 hexadecimal digits: the last part of the upload's URL. */
WEIR_API const char *weir_tus_id(const weir_tus_upload *upload);
/* The length in bytes. */
WEIR_API int64_t weir_tus_length(const weir_tus_upload *upload);
/*
 * A value of Upload-Metadata, decoded: what the client says of the upload, such as "filename" and "filetype", which
 * nobody has checked. NUL-terminated, in the request's memory; *len (len may be NULL) tells its bytes, among which
 * others may be NUL. NULL: there is no such key, or no memory. key NULL: the field as it was sent.
 */
WEIR_API const char *weir_tus_metadata(weir_ctx *c, const weir_tus_upload *upload, const char *key, size_t *len);

/*
 * Makes the upload the file root/path, at once and without copying it: both roots lie on one file system. Confined as
 * weir_file_create(); of options (NULL: all defaults) exclusive, folders, sync and saved count. Returns 0; WEIR_EEXIST:
 * with `exclusive` there is such a name, or a folder has it; WEIR_ESYS: the folder is on another file system;
 * WEIR_EINVAL: also where the upload has been saved before; or another error as by weir_file_create(). After an error
 * the upload is where it was, but for WEIR_EIO with `sync`: it may have its new name. May suspend.
 */
WEIR_API int weir_tus_save(weir_ctx *c, weir_tus_upload *upload, const char *root, const char *path,
                           const weir_save_options *options);

/* ---- Forms -------------------------------------------------------------------------------------------------- */

/*
 * The body of a request that is a form: multipart/form-data (RFC 7578) or application/x-www-form-urlencoded. Both are
 * read by the same calls, as a stream of parts, whatever their size, or a small one whole by weir_form(). What a part
 * is called and what it holds is the client's word: names and values are bytes, mostly UTF-8, that nobody has checked.
 *
 * Calls that meet an error of the form's own refuse the request: unless the handler makes an error's reply of its own,
 * the client gets the page for the status that is given here, even if the handler replies otherwise, so that a handler
 * may just return. The ledger counts each cause.
 *   WEIR_ETYPE   415: the body is of neither type, or has a Content-Encoding                             form_type
 *   WEIR_EPROTO  400: the form is malformed or breaks off                                                form
 *   WEIR_ETOOBIG 413: a limit is exceeded                        form_parts, form_header, form_part, form_size
 *   WEIR_ENOMEM  503: the request's memory has no room for reading a form                                memory
 * They are final: what follows such an error gets it, too. Further ones are those of weir_read().
 */

/* Limits of a form. Zero is each member's default; WEIR_OFF is none. */
typedef struct weir_form_options {
    int max_parts;     /* fields and files; default 1000 */
    size_t max_header; /* bytes of a part's header lines, or of an urlencoded name; 64..65536, default 2048 */
    int64_t max_part;  /* bytes of the content of one part; default WEIR_OFF */
    int64_t max_size;  /* bytes of the body in all; default: none but max_body */
} weir_form_options;

/* Whether the request says that its body is a form. */
WEIR_API bool weir_is_form(weir_ctx *c);

/*
 * Begins a form with limits of its own (a const weir_form_options *, copied; NULL: all defaults), before any other call
 * about it; without this, the first of those begins it with the defaults. Takes up to twice max_header and 600 bytes of
 * the request's memory. A request without a body and without a type is a form without parts. Where weir_body() has read
 * the body, that is what is parsed. Returns 0; WEIR_EINVAL: options are wrong; WEIR_EBUSY: the form has begun; or an
 * error as above.
 */
#define weir_form_begin(c, ...) weir_form_begin_sized((c), (__VA_ARGS__), sizeof(weir_form_options))
/* weir_form_begin() for callers without macros; options_size as config_size of weir_server_new_sized(). */
WEIR_API int weir_form_begin_sized(weir_ctx *c, const weir_form_options *options, size_t options_size);

/* A part of a form: a field or a file. The request's; valid until the next weir_part_next(). */
typedef struct weir_part {
    const char *name;
    /* The file's name as the client tells it, "" where its user has chosen none; NULL: the part is a field. It may hold
     * slashes, "..", line ends and quotes. "filename*" (RFC 8187) counts only where there is no "filename". */
    const char *filename;
    /* Of filename, what can be used for a file: its last part, without slash, backslash, control characters, leading
     * dots and what is not UTF-8; up to 200 bytes. "" where nothing is left, or the part is a field. */
    const char *safe_name;
    const char *type; /* Content-Type, as the client tells it; NULL: not told, which means text/plain */
} weir_part;

/*
 * Goes on to the form's next part, whether the one before has been read or not. Returns 1 with the part in *part; 0 at
 * the form's end, with *part NULL; or an error as above, or as weir_read(). Parts are in the order of the body; they
 * are read as they arrive, so that a part is told before the body is known to be whole. May suspend.
 */
WEIR_API int weir_part_next(weir_ctx *c, const weir_part **part);

/* Reads up to len bytes of the part's content into buf. Returns how many (at least 1, unless len is 0), 0 at the part's
 * end, WEIR_EINVAL where there is no part, or an error as weir_part_next(). May suspend. */
WEIR_API ssize_t weir_part_read(weir_ctx *c, void *buf, size_t len);

/* Reads as weir_part_read() without a copy: *data points to the bytes where they were received, or, of an urlencoded
 * value, decoded; valid until the next call about the form. May suspend. */
WEIR_API ssize_t weir_part_read_slice(weir_ctx *c, const void **data);

/* Reads the rest of the part's content into the request's memory as a string. limit: most bytes (0: what that memory
 * has left). Returns 0; WEIR_ETOOBIG beyond it (413); WEIR_EPROTO: the content holds a NUL (400); or an error as
 * weir_part_read(). May suspend. */
WEIR_API int weir_part_text(weir_ctx *c, size_t limit, const char **text);

/* A header of the present part by name, case-insensitive: the first line of that name, or NULL. Urlencoded parts have
 * none. Valid as long as the part. */
WEIR_API const char *weir_part_header(weir_ctx *c, const char *name);
/* The i-th header line of the present part; as weir_param_item(). */
WEIR_API bool weir_part_header_item(weir_ctx *c, size_t i, const char **name, const char **value);

/*
 * Saves the rest of the part's content as the file root/path, as weir_file_create() and weir_file_commit() do: the file
 * has no name before the part is complete, and nothing is left of one that breaks off. What follows in the body may
 * still be malformed. Beyond the limit of options it is WEIR_ETOOBIG (413). Returns 0, or an error of those calls or of
 * weir_part_read(). After one of the former the handler may reply, or go on with the next part; if it does neither, the
 * client gets the error page that fits, as by weir_save_body(). options may be NULL. May suspend.
 */
WEIR_API int weir_part_save(weir_ctx *c, const char *root, const char *path, const weir_save_options *options);

/*
 * Reads a whole form into the request's memory, for weir_form() and its kin: fields alone, files are dropped as they
 * come. Fields that hold a NUL are malformed, and more than the request's memory has left is WEIR_ETOOBIG. Returns 0;
 * WEIR_EBUSY: parts have been taken one by one; or an error as weir_part_next(). A second call gives the same again.
 * May suspend.
 */
WEIR_API int weir_form_read(weir_ctx *c);

/*
 * The value of a form's field, the first of that name, or NULL. The first call reads the form, unless weir_form_read()
 * has done so, and ends the handler as weir_fail() does where that fails: a field that could not be read must not look
 * like one that was left out. After weir_form_read() these calls end nothing: who has to clean up calls that first.
 * NULL, too, where parts have been taken one by one. May suspend.
 */
WEIR_API const char *weir_form(weir_ctx *c, const char *name);
/* The i-th (from 0) value of that name, or NULL. As weir_form(). */
WEIR_API const char *weir_form_nth(weir_ctx *c, const char *name, size_t i);
/* The i-th field of the form in its order; as weir_param_item() and weir_form(). */
WEIR_API bool weir_form_item(weir_ctx *c, size_t i, const char **name, const char **value);

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

/* ---- Topics ------------------------------------------------------------------------------------------------- */

/*
 * A topic hands messages to whoever has subscribed to its name, on all workers. Each is a ring of its last messages,
 * bounded in number and in bytes, so that a slow subscriber holds up nobody and takes no memory. Messages of one
 * publisher to one topic arrive in order. docs/topics.md is the manual.
 *
 * A name is segments of UTF-8 with "/" between them, such as "room/5": none is empty or has a control character, "+" or
 * "#". A pattern, to subscribe to, may have "+" in place of a segment, for any one, and "#" in place of the last, for
 * whatever follows, which may be nothing: "room/+", "room/#". Neither stands for a first segment that begins with "$".
 */
typedef struct weir_topic weir_topic;

#define WEIR_TOPIC_NAME_MAX  255 /* bytes of a name or a pattern */
#define WEIR_TOPIC_EVENT_MAX 64  /* bytes of the name of an event */
#define WEIR_TOPIC_WHO_MAX   64  /* bytes of a member's name */

/* What becomes of a subscriber that is so slow that messages it has not taken have left the ring. Each is counted. */
enum weir_overrun {
    WEIR_OVERRUN_SKIP = 1,       /* goes on with the oldest message that is there */
    WEIR_OVERRUN_CONFLATE = 2,   /* goes on with the newest: for states, of which only the last counts */
    WEIR_OVERRUN_DISCONNECT = 3, /* ends: for clients that would rather begin anew than miss something */
};

/* The bounds of a topic. Zero is each member's default. */
typedef struct weir_topic_bounds {
    int max_messages;   /* most messages in the ring, 1..1048576; default 1024 */
    size_t max_bytes;   /* most bytes they take, with about 100 each for themselves; the newest stays; default 1 MiB */
    size_t max_message; /* bytes of one message's data, up to 16 MiB; WEIR_ETOOBIG; default 64 KiB */
    /* Messages that are kept for those who subscribe later; up to max_messages. Default 0: a message goes when all who
     * have subscribed have taken it. */
    int history;
    int overrun;     /* enum weir_overrun; default WEIR_OVERRUN_SKIP */
    int presence;    /* WEIR_ON: who joins and leaves is published, see weir_topic_join(); default WEIR_OFF */
    int max_members; /* most names in it, up to 100000; default 1000 */
} weir_topic_bounds;

/* A message: as it is published, and as it is given to a handler that subscribes. */
typedef struct weir_message {
    const char *text; /* to publish a NUL-terminated text, in place of data and len; given: data, unless it is binary */
    const void *data; /* NUL-terminated beyond len where it is given */
    size_t len;       /* bytes of data */
    bool binary; /* sent to WebSocket clients as a binary message, and to event streams not at all; text is UTF-8 */
    const char *event; /* name of the event in event streams, in one line; NULL: none */
    const char *topic; /* given: the name it was published to. Not read when publishing */
    uint64_t id;       /* given: grows within a topic; no two messages of a server have the same. Likewise */
} weir_message;

/*
 * Makes a topic that stays, or gives that of this name, with the bounds that it has. bounds (NULL: all defaults) is
 * copied. NULL when the name or a number is wrong, or there is no memory for it. At any time after weir_server_new().
 * Any thread. The server's.
 */
WEIR_API weir_topic *weir_topic_new(weir_server *s, const char *name, const weir_topic_bounds *bounds);

/*
 * Allows that names which pattern matches are made at run time, by whoever publishes or subscribes to them first, with
 * these bounds (NULL: all defaults). Where several match, the one that was allowed first holds. They go when nobody
 * subscribes and no history is left; of those without subscribers the one unused for longest goes where there would be
 * more than max_topics. No other name is made so. Returns 0, WEIR_EINVAL, WEIR_EEXIST or WEIR_ENOMEM. As
 * weir_topic_new().
 */
WEIR_API int weir_topic_allow(weir_server *s, const char *pattern, const weir_topic_bounds *bounds);

/*
 * Publishes a copy of m to all who have subscribed now, waking each worker that has some. Returns 0; WEIR_EINVAL for a
 * text that is not UTF-8, or an event that is no single line or too long; WEIR_ETOOBIG beyond max_message; WEIR_ENOMEM
 * at the bound of max_topic_memory, when no history is left that could go. Never waits for a subscriber. Any thread,
 * also one that weir does not know, until weir_server_free() is called.
 */
WEIR_API int weir_topic_publish(weir_topic *topic, const weir_message *m);

/* weir_topic_publish() by name. Also WEIR_EINVAL for a name that is none; WEIR_EACCES for one that is not there and not
 * allowed, see weir_topic_allow(); WEIR_ETOOBIG when there are max_topics. */
WEIR_API int weir_topic_publish_to(weir_server *s, const char *name, const weir_message *m);

/* A subscription of a handler; in the request's memory. */
typedef struct weir_subscription weir_subscription;

/* Where a subscription begins. All zero: with what is published from now on. */
typedef struct weir_topic_start {
    int last;       /* number of messages of the topic's history that come first, as far as they are there */
    uint64_t after; /* id of the last message that the subscriber has seen, such as Last-Event-ID: what came after it in
                     * the history comes first; 0: none. last is not looked at then */
} weir_topic_start;

/*
 * Subscribes a handler to a name or a pattern, until the request ends. start may be NULL. Returns 0 with *subscription,
 * else NULL there and WEIR_EINVAL for a name that is none, WEIR_EACCES for one that is not there and not allowed,
 * WEIR_ETOOBIG when there are max_topics, or WEIR_ENOMEM. For long polling:
 *     weir_subscription *s;
 *     weir_message m;
 *     if (weir_topic_subscribe(c, "news", &(weir_topic_start){.after = seen}, &s) == 0 &&
 *         weir_topic_next(c, s, 25000, &m) == 0)
 *         weir_reply_text(c, m.text);
 */
WEIR_API int weir_topic_subscribe(weir_ctx *c, const char *name, const weir_topic_start *start,
                                  weir_subscription **subscription);

/*
 * Waits for the next message, for timeout_ms at most (0: no limit; WEIR_OFF: does not wait). *m is the library's, until
 * the next call for this subscription or the request's end. Returns 0; WEIR_ETIMEDOUT; news, see "Waiting";
 * WEIR_ETOOBIG where the subscription has ended by WEIR_OVERRUN_DISCONNECT, now or before; WEIR_EINVAL. May suspend.
 */
WEIR_API int weir_topic_next(weir_ctx *c, weir_subscription *subscription, int timeout_ms, weir_message *m);

/* Ends a subscription before its request does. NULL, or one that has ended: nothing. */
WEIR_API void weir_topic_unsubscribe(weir_ctx *c, weir_subscription *subscription);

/* Whether a text is the name of a topic, and no pattern: for what a client has sent and a program subscribes to, since
 * "#" in place of a name would hear everything. name may be NULL: it is not. Any thread. */
WEIR_API bool weir_topic_is_name(const char *name);

/* The number of subscriptions to a name, or to a pattern itself; 0 where it is not there. Any thread. */
WEIR_API size_t weir_topic_subscribers(weir_server *s, const char *name);

/* Somebody who is in a topic, by a name that the program gives: for lists of who is there. The server's. */
typedef struct weir_member weir_member;

/*
 * Adds a member to a topic, who need not subscribe; the same name may join several times, as with two windows. Where
 * the topic's bounds say presence, a first joining and a last leaving are published to the topic "$presence/NAME",
 * as an event "join" or "leave" whose data is {"event":"join","who":WHO,"members":NUMBER}. who: UTF-8
 * without control characters, copied. *member (may not be NULL) is to be given to weir_topic_leave(). Returns 0, or an
 * error as weir_topic_publish_to(). Any thread.
 */
WEIR_API int weir_topic_join(weir_server *s, const char *name, const char *who, weir_member **member);
/* Takes a member out again. NULL: nothing. Any thread. */
WEIR_API void weir_topic_leave(weir_member *member);
/* Calls each(arg, who) for every name that is in a topic, once, in no particular order; each must not call anything of
 * topics. each may be NULL. Returns the number of names. Any thread. */
WEIR_API size_t weir_topic_members(weir_server *s, const char *name, void (*each)(void *arg, const char *who),
                                   void *arg);

/*
 * What carries topics between servers, such as the client of a broker. Its functions are called on whatever thread
 * publishes or subscribes; they must not block, and subscribe and unsubscribe must not call anything of topics.
 */
typedef struct weir_topic_carrier {
    /* m was published to name here and has been handed to the subscribers of this server. */
    void (*publish)(void *arg, const char *name, const weir_message *m);
    /* The first subscriber of a name or a pattern has come to this server; the last one has gone. Each in turn, never
     * two at once. NULL: nobody asks. */
    void (*subscribe)(void *arg, const char *name);
    void (*unsubscribe)(void *arg, const char *name);
    void *arg; /* handed to all */
} weir_topic_carrier;

/* Sets what carries a server's topics; copied. Before the start only, once. Returns 0, WEIR_EINVAL or WEIR_EEXIST. */
WEIR_API int weir_topic_carry(weir_server *s, const weir_topic_carrier *carrier);

/* weir_topic_publish_to() for a message that came from outside: the carrier is not told of it. Any thread. */
WEIR_API int weir_topic_deliver(weir_server *s, const char *name, const weir_message *m);

/* ---- WebSocket ---------------------------------------------------------------------------------------------- */

/*
 * WebSocket (RFC 6455) over HTTP/1.1 and HTTP/2 (RFC 8441), plain and by TLS. Its route is one for WEIR_UPGRADE, or for
 * any method. A handler that has called weir_ws_accept() goes on with the socket in a straight line, on its fiber:
 *
 *     static void echo(weir_ctx *c)
 *     {
 *         weir_ws_message m;
 *         if (weir_ws_accept(c, NULL) != 0)
 *             return;
 *         while (weir_ws_receive(c, &m, 0) == 0)
 *             weir_ws_send(c, m.text ? WEIR_WS_TEXT : WEIR_WS_BINARY, m.data, m.len);
 *     }
 *
 * Pings are answered, and the closing handshake is held, without its doing. docs/websocket.md is the manual.
 */

enum weir_ws_kind { WEIR_WS_TEXT = 1, WEIR_WS_BINARY = 2 };

/* What a socket takes and how it is looked after. Zero is each member's default. */
typedef struct weir_ws_config {
    /* Subprotocols that the program speaks (RFC 6455 section 1.9), with a space between two: the client's first that
     * stands among them is agreed on, see weir_ws_protocol(); up to 255. NULL: none. Has to live as long as the
     * socket. */
    const char *protocols;
    /* Origins whose pages may open a socket, beside those of the host and port that the request names: "https://a.test
     * https://b.test", or "*" for all; others are refused by 403, for browsers send the user's cookies along, whatever
     * page asks (RFC 6455 section 10.2). A client that sends no Origin is no page. NULL: none. */
    const char *origins;
    int kinds;           /* WEIR_WS_TEXT or WEIR_WS_BINARY: the other kind is closed with 1003; default both */
    int64_t max_message; /* bytes of a message, inflated; beyond: 1009; WEIR_OFF: any; default 1 MiB */
    int64_t max_frame;   /* bytes of a frame's payload, as it is sent; likewise; default as max_message */
    /* WEIR_ON, the default: a message comes in one piece; one that does not fit ws_buffer_size is gathered in a block
     * of its own, which grows with what has come. WEIR_OFF: it comes in pieces as large as that, and takes no more. */
    int whole;
    int ping_ms; /* a client that has been silent for so long while it is waited for is sent a Ping; WEIR_OFF: none;
                  * default 30000 */
    int pong_timeout_ms;  /* and if it stays silent for so long, is given up; WEIR_OFF: it is not; default 20000 */
    int close_timeout_ms; /* how long the client's Close is waited for behind ours; default 2000 */
    /*
     * permessage-deflate (RFC 7692), where the client offers it. WEIR_OFF, the default: it takes processor time and,
     * while a message is compressed or inflated, a context of up to 300 KB; and a secret in a message can be guessed by
     * who sees its length and can have text of his own put beside it (as by the BREACH attack).
     */
    int deflate;
    /* WEIR_ON: a message may refer to those before it, so that each socket keeps a context; WEIR_OFF, the default. */
    int deflate_server_takeover, deflate_client_takeover;
    /* Windows of messages that are sent, and that are received, as powers of two: 9 to 15, default 12 and 15. With less
     * than 15 for the client's only those clients are agreed with that can have theirs bounded. A worker's contexts are
     * as large as the first socket with deflate has them; none uses more than that to send. */
    int deflate_server_bits, deflate_client_bits;
    int deflate_level;    /* 1 to 9; default 5 */
    int deflate_min_size; /* bytes of a message below which it is sent as it is; default 128 */
} weir_ws_config;

/* A message that has come, or a piece of one. */
typedef struct weir_ws_message {
    const char *data; /* not NUL-terminated; the library's, until the next weir_ws_receive() or the event's end */
    size_t len;
    bool text;        /* UTF-8, by whole characters in each piece; else binary */
    bool first, last; /* piece of its message: both where messages come whole */
} weir_ws_message;

/*
 * Opens a socket to the client that has asked for one (RFC 6455 section 4.2): replies 101, or 200 over HTTP/2, with the
 * fields that the handler has set. config (a const weir_ws_config *, NULL: all defaults) is copied but for its strings.
 * The handler goes on, as behind weir_upgrade().
 *
 * Returns 0; or an error as weir_upgrade(), after which the request is as it was, and has the page of the error if the
 * handler then returns: WEIR_EUPGRADE (426) where no WebSocket is asked for, or none of version 13; WEIR_EPROTO (400)
 * for a malformed handshake; WEIR_EACCES (403) for a page of a foreign origin. Suspends.
 */
#define weir_ws_accept(c, ...) weir_ws_accept_sized((c), (__VA_ARGS__), sizeof(weir_ws_config))
/* weir_ws_accept() for callers without macros; config_size as that of weir_server_new_sized(). */
WEIR_API int weir_ws_accept_sized(weir_ctx *c, const weir_ws_config *config, size_t config_size);

/*
 * Waits for the next message, or the next piece of one, for timeout_ms at most (0: no limit; WEIR_OFF: does not wait).
 * Meanwhile Pings are answered, Pings are sent, and messages of topics too, see weir_ws_subscribe(). Returns 0 with *m;
 * WEIR_ETIMEDOUT; WEIR_ECLOSED when the socket is closed, or has been (weir_ws_close_code()); WEIR_ECANCELED, once,
 * when the server stops: it may be called again, and what is sent still goes out; WEIR_EINVAL: there is no such socket,
 * or its messages come as events. May suspend.
 */
WEIR_API int weir_ws_receive(weir_ctx *c, weir_ws_message *m, int timeout_ms);

/*
 * Sends a message (enum weir_ws_kind); text has to be UTF-8. It goes out with the handler's next wait, or before, and
 * a client that does not take it makes the handler wait: nothing is queued. Returns 0; WEIR_ECLOSED behind a Close, of
 * whichever side, or when the client has gone; WEIR_ETIMEDOUT when it took nothing for write_timeout_ms, and has been
 * cut; WEIR_EBUSY within a message that is sent in parts; WEIR_EINVAL for a kind or a text that is none, or where there
 * is no socket; WEIR_ENOMEM. May suspend.
 */
WEIR_API int weir_ws_send(weir_ctx *c, int kind, const void *data, size_t len);
/* Likewise, a NUL-terminated text. */
WEIR_API int weir_ws_send_text(weir_ctx *c, const char *text);
/* Likewise, a text as by printf(), made on the stack or, for a moment, in the request's memory. */
WEIR_API int weir_ws_printf(weir_ctx *c, const char *fmt, ...) WEIR_PRINTF(2, 3);
/* Sends a message in parts, each as a frame of its own (RFC 6455 section 5.4); last: it ends with this one. They are
 * not compressed. kind is the same for each. A text's characters may be cut between two. As weir_ws_send(). */
WEIR_API int weir_ws_send_part(weir_ctx *c, int kind, const void *data, size_t len, bool last);
/* Sends a Ping with up to 125 bytes, which the client's Pong has to repeat. As weir_ws_send(). */
WEIR_API int weir_ws_ping(weir_ctx *c, const void *data, size_t len);

/*
 * Closes the socket (RFC 6455 section 7): sends a Close with a code, 1000 to 1003, 1007 to 1014 or 3000 to 4999, or 0
 * for none, and a reason, UTF-8 of which up to 123 bytes are sent; NULL: none. What the client has sent before its own
 * Close can still be received; when the handler returns that is waited for, for close_timeout_ms. A handler that
 * returns without this call has 1000 sent, or 1001 when the server stops; one that is ended by weir_fail(), or in other
 * ways, 1011. Returns 0, or as weir_ws_send(). May suspend.
 */
WEIR_API int weir_ws_close(weir_ctx *c, int code, const char *reason);

/* Of a socket that is closed: the code of the client's Close, 1005 where that had none; where weir has closed for what
 * the client had sent, the code that says so; 1006 when the connection has gone without a Close. 0: not closed. */
WEIR_API int weir_ws_close_code(weir_ctx *c);
/* The reason that came or was sent with that code; "" if there is none. NUL-terminated, the request's. */
WEIR_API const char *weir_ws_close_reason(weir_ctx *c);

/* The subprotocol that was agreed on; "" if none was. The request's, or the event's. */
WEIR_API const char *weir_ws_protocol(weir_ctx *c);

/*
 * Has the messages of a topic, or of all that a pattern matches, sent to the socket as they are, in order, until it is
 * closed: while it waits in weir_ws_receive(), and no message is being sent in parts. One that is slow falls behind in
 * the topic's ring, as the topic's bounds say; WEIR_OVERRUN_DISCONNECT closes it with 1008. start may be NULL. Returns
 * 0; WEIR_EEXIST: subscribed to that already; or as weir_topic_subscribe().
 */
WEIR_API int weir_ws_subscribe(weir_ctx *c, const char *name, const weir_topic_start *start);
/* Ends that. Returns 0, or WEIR_ENOENT: there is no such subscription. */
WEIR_API int weir_ws_unsubscribe(weir_ctx *c, const char *name);

/*
 * What a route of WebSockets does by events: each of these functions runs on a fiber for as long as it takes, may wait
 * and send like any handler, by weir_ws_send() and its kin, and is followed by the next event of its socket when it has
 * returned, so that a socket's are in order. Between events a socket holds no fiber, no buffer and no context: c is one
 * without a request, whose memory (weir_alloc(), weir_defer()) is that of the event. Any function may be NULL. One that
 * is ended by weir_fail() or otherwise ends its socket with 1011.
 */
typedef struct weir_ws_handlers {
    /* The request that asks for the socket, with all that a handler has of it; *data (initially the member `data`) is
     * handed to the other functions. The handshake has been checked, the Origin as well. True: it is accepted; false:
     * it is not, and what was replied stands. */
    bool (*accept)(weir_ctx *c, void **data);
    void (*open)(weir_ctx *c, void *data); /* the socket is open */
    /* A message has come, or a piece of one, see weir_ws_config.whole. */
    void (*message)(weir_ctx *c, void *data, const weir_ws_message *m);
    /* The socket is closed, by whomever, or could not be opened: once for each `accept` that said true. code is as
     * weir_ws_close_code()'s, the reason "" if there is none. Nothing can be sent any more. */
    void (*close)(weir_ctx *c, void *data, int code, const char *reason);
    void *data; /* the program's */
    /* Of all of the route's sockets; its strings have to live as long as the server. There is no takeover. */
    weir_ws_config config;
} weir_ws_handlers;

/*
 * Registers a route of WebSockets with events, for clients that ask for them (as a route for WEIR_UPGRADE); middleware
 * runs before `accept`. handlers (a const weir_ws_handlers *) is copied. Before the start only. weir_ws_receive() is
 * WEIR_EINVAL in events. Returns as weir_group_route(), or WEIR_EINVAL for a wrong setting.
 */
#define weir_websocket(s, pattern, ...) weir_group_websocket(weir_root(s), (pattern), __VA_ARGS__)
/* weir_websocket() within a group. */
#define weir_group_websocket(g, pattern, ...)                                                                          \
    weir_group_websocket_sized((g), (pattern), (__VA_ARGS__), sizeof(weir_ws_handlers))
/* weir_group_websocket() for callers without macros; size as config_size of weir_server_new_sized(). */
WEIR_API int weir_group_websocket_sized(weir_group *g, const char *pattern, const weir_ws_handlers *handlers,
                                        size_t size);

/* ---- Server-Sent Events ------------------------------------------------------------------------------------- */

/* One event of an event stream (HTML, "Server-sent events"). Zero members are left out. */
typedef struct weir_event {
    const char *event; /* name of the event, one line; default "message" */
    const char *data;  /* UTF-8; each of its lines is a field of its own */
    size_t len;        /* of data; 0: up to its NUL */
    const char *id;    /* one line: what the client says by Last-Event-ID when it connects again */
    int retry_ms;      /* how long the client waits before that */
} weir_event;

/*
 * Begins an event stream: sets Content-Type (text/event-stream) and Cache-Control, where the head has not been sent,
 * and sends the head. weir_write() then adds to the body, for what weir_sse_send() does not do. Returns 0, or an error
 * as weir_set_header() and weir_flush(). Suspends.
 */
WEIR_API int weir_sse_open(weir_ctx *c);

/* Sends an event, behind weir_sse_open(). Returns 0; WEIR_EINVAL: event or id has more than a line, or retry_ms is
 * negative; or an error as weir_write(). May suspend. */
WEIR_API int weir_sse_send(weir_ctx *c, const weir_event *event);

/* What the client says by Last-Event-ID: the id of the event that it got last. NULL: it connects for the first time. */
WEIR_API const char *weir_sse_last_id(weir_ctx *c);

/*
 * Has the stream go on when the handler has returned, without it: with the messages of a topic, or of all that a
 * pattern matches, as events with the message's id, until the client goes or the server stops. It then costs 64 bytes
 * and no fiber. Begins the stream if that has not been done, and may be called again for further topics. start
 * (NULL: after the client's Last-Event-ID, if it is one of a topic's): what of the history comes first. Comments are
 * sent in between so that nobody takes the stream for dead. Binary messages are left out. Returns 0; WEIR_EINVAL,
 * WEIR_EACCES, WEIR_ETOOBIG, WEIR_ENOMEM as weir_topic_subscribe(); or an error as weir_sse_open(). May suspend.
 */
WEIR_API int weir_sse_subscribe(weir_ctx *c, const char *topic, const weir_topic_start *start);

/* ---- Folders ------------------------------------------------------------------------------------------------ */

/*
 * The media type of a file by the end of its name (a name or a path), such as "text/css; charset=utf-8": text gets that
 * charset. What pages are made of has a type of its own that no system changes; else the system's database is asked
 * (shared-mime-info, or /etc/mime.types), on the workers' threads of a server that has weir_files(); else a table that
 * is built in. "application/octet-stream" where nothing is known, and for NULL. Static, or the server's. Any thread.
 */
WEIR_API const char *weir_mime_type(const char *name);

/* A header of the replies with files whose path matches. Of several with one name the last that matches counts. */
typedef struct weir_files_header {
    /* "*": any bytes but "/"; "?": one of them; "**": any bytes. Compared with the path beneath the root; without a "/"
     * in it, with the last name of that. Up to 63 bytes. "*-????????.js", "fonts/?*", "*". */
    const char *pattern;
    const char *name, *value; /* such as "Cache-Control" and "public, max-age=31536000, immutable" */
} weir_files_header;

/* How a folder is served. Zero is each member's default. */
typedef struct weir_files_options {
    const char *root;  /* the folder; a relative path is made absolute by weir_files() */
    const char *index; /* names of files that are sent for a folder, with spaces between them; default "index.html" */
    int listing;       /* WEIR_ON: a folder without an index is listed as a page; default WEIR_OFF: 404 */
    /* A file beneath the root that is sent with 200 for what is not there: for pages that route by themselves. Names
     * with a dot get it only if the request's Accept names text/html. NULL: 404. */
    const char *fallback;
    int hidden; /* WEIR_ON: names that begin with a dot are served; default WEIR_OFF: as if they were not there */
    /* WEIR_OFF: nothing is reached through a symbolic link; default WEIR_ON: links are followed, as long as they are
     * relative and stay beneath the root. */
    int links;
    /* WEIR_ON: a request that accepts it gets NAME.br, NAME.zst or NAME.gz in place of NAME, if there is one that is
     * not older; the client's weights choose (RFC 9110 section 12.5.3). Ranges are of NAME itself. Default WEIR_OFF. */
    int precompressed;
    const weir_files_header *headers;
    size_t header_count; /* up to 64 */
    int content_tags;    /* as in weir_group_settings, for this folder; default: as the group says */
} weir_files_options;

/*
 * Serves a folder below a prefix of a group, by GET and HEAD; options is a const weir_files_options *, copied with all
 * that it points to. A file is sent as by weir_send_file(), with the type of weir_mime_type() and "nosniff". A folder's
 * path ends with a slash, without which it is redirected by 301, its query kept. Middleware reads the path beneath the
 * root by weir_param(c, "path"). prefix begins with "/" or is "". Before the start only. Returns 0, or WEIR_EINVAL
 * (also for a root that is no folder) / WEIR_EEXIST / WEIR_ENOMEM; the error is also kept, and the server then refuses
 * to start. docs/folders.md says more.
 */
#define weir_files(g, prefix, ...) weir_files_sized((g), (prefix), (__VA_ARGS__), sizeof(weir_files_options))
/* weir_files() for callers without macros; options_size as config_size of weir_server_new_sized(). */
WEIR_API int weir_files_sized(weir_group *g, const char *prefix, const weir_files_options *options,
                              size_t options_size);

/* ---- Tests without a network -------------------------------------------------------------------------------- */

/*
 * A program's tests ask a server's routes in process: the parser, router, middleware, handlers and output are those
 * that clients meet, but there is no socket. The first of the calls below sets up one worker on the calling thread,
 * instead of weir_server_start(), which then refuses; worker_start and worker_stop run there. Everything further on
 * that server, weir_server_free() included, is that thread's. Several servers can be tested at once. Not from a
 * handler.
 *
 * Time is the test's own: it stands still while anything runs, and when everything waits it jumps to the next timer, so
 * that an hour passes at once. Where offloaded functions or descriptors are waited for they get their time for real.
 * The time of day (Date) stays the system's. docs/testing.md says more.
 */

/* A request. Zero is each member's default; it is read during the call alone, but for body, which has to stay until the
 * peer that sends it is closed. */
typedef struct weir_test {
    const char *method;  /* default "GET", "POST" with a body */
    const char *target;  /* default "/"; with weir_test_open(), NULL: nothing is sent yet */
    const char *headers; /* lines "Name: value" with "\n" or "\r\n" between two; NULL: none. Host is added where there
                          * is none, and Content-Length with a body where that and Transfer-Encoding are missing */
    const void *body;    /* NULL: none */
    size_t body_len;     /* bytes of body; 0: up to its NUL */
    const char *peer;    /* the client's address, "192.0.2.1" (default) or "2001:db8::1" */
    bool secure;         /* as if by TLS */
    /* Longest time for which the call waits, by the test's clock; default: a day. Then WEIR_ETIMEDOUT. */
    int64_t timeout_ms;
} weir_test;

/* A reply, and what it took. */
typedef struct weir_test_reply {
    int error;          /* 0; WEIR_ECLOSED: the connection ended within or before it; WEIR_ETIMEDOUT; WEIR_EPROTO: it
                          * is not HTTP; or an error as weir_server_start() */
    int status;         /* 0: there was none */
    const char *head;   /* status line and headers, a line each, as they were sent */
    const char *body;   /* without chunked framing, which is taken off; with a NUL behind it */
    size_t body_len;    /* bytes of body */
    uint64_t bytes_in;  /* bytes that the server has read of the request, its head included */
    uint64_t bytes_out; /* bytes that it has sent */
    uint64_t took_ms;   /* by the test's clock */
    uint64_t suspended; /* times that handlers were suspended meanwhile */
    uint64_t memory;    /* bytes of the server's memory at most that were in use for it at once, beside what was before:
                          * the sum of the accounts' peaks, a fiber's stack included */
    bool closed;        /* the server has ended the connection */
} weir_test_reply;

/*
 * Sends a request (a const weir_test *) on a connection of its own and waits for the whole reply and the end of the
 * handler's deferred calls. Interim replies (1xx) are left out. The reply, also of an error, is the caller's, until
 * weir_test_reply_free(); NULL when there is no memory for it.
 */
#define weir_test_request(s, ...) weir_test_request_sized((s), (__VA_ARGS__), sizeof(weir_test))
/* weir_test_request() for callers without macros; size as config_size of weir_server_new_sized(). */
WEIR_API weir_test_reply *weir_test_request_sized(weir_server *s, const weir_test *test, size_t size);
/* Frees a reply. NULL is allowed. */
WEIR_API void weir_test_reply_free(weir_test_reply *r);
/* The value of a reply's header, the n-th of that name from 0 on; NULL: there is none. The reply's. */
WEIR_API const char *weir_test_header(const weir_test_reply *r, const char *name, size_t n);

/* Lets ms pass by the test's clock: what is due meanwhile runs, in order. Returns 0 or an error as
 * weir_server_start(). */
WEIR_API int weir_test_advance(weir_server *s, int64_t ms);
/* hold: time passes by weir_test_advance() alone, and what waits for time stays so. A call that waits for the server
 * then gives others ten seconds for real, and after that WEIR_ETIMEDOUT: for handlers that threads of the program wake.
 * Returns as weir_test_advance(). */
WEIR_API int weir_test_hold_time(weir_server *s, bool hold);
/* Milliseconds that have passed by the test's clock since the first call; 0 before. */
WEIR_API uint64_t weir_test_time(weir_server *s);

/* A client of the test's: one connection, which sends and takes what it is told. Of what nobody has received from it,
 * it takes about 128 KiB; then it is a client that has stopped. The server's, which frees it at its own end; until
 * weir_test_close() or weir_test_reset(). */
typedef struct weir_test_peer weir_test_peer;

/* Connects, and sends a request (a const weir_test *) without waiting for the reply: the server runs until everything
 * waits, and time stands. NULL: the server cannot be set up, or there is no memory. */
#define weir_test_open(s, ...) weir_test_open_sized((s), (__VA_ARGS__), sizeof(weir_test))
/* weir_test_open() for callers without macros; size as config_size of weir_server_new_sized(). */
WEIR_API weir_test_peer *weir_test_open_sized(weir_server *s, const weir_test *test, size_t size);
/* Sends len bytes as they are; 0: up to data's NUL. Then the server runs until everything waits. Returns 0,
 * WEIR_ECLOSED or WEIR_ENOMEM. */
WEIR_API int weir_test_send(weir_test_peer *p, const void *data, size_t len);
/* Waits for the next bytes of the reply's body, without its framing. Returns their number, 0 at the body's end, or an
 * error as weir_test_reply.error. */
WEIR_API ssize_t weir_test_receive(weir_test_peer *p, void *buf, size_t size);
/* Likewise, what has been sent as it is, with heads and framing: on a peer of which nothing else is asked. 0: the
 * server has ended the connection. */
WEIR_API ssize_t weir_test_receive_raw(weir_test_peer *p, void *buf, size_t size);
/* Waits for the reply's head. Returns its status, or an error as weir_test_receive(). */
WEIR_API int weir_test_status(weir_test_peer *p);
/* The value of a header of the reply, once its head has come, as weir_test_header(). The peer's. */
WEIR_API const char *weir_test_peer_header(const weir_test_peer *p, const char *name, size_t n);
/* Waits for the end of the reply. Returns it with what has not been received yet, as weir_test_request(). */
WEIR_API weir_test_reply *weir_test_finish(weir_test_peer *p);
/* stall: takes nothing from here on, so that the server's output stops after 64 KiB; false: takes on. */
WEIR_API void weir_test_stall(weir_test_peer *p, bool stall);
/* Ends the peer's side, and still takes what comes; or its connection, orderly or by a reset, and frees it. Then the
 * server runs until everything waits. NULL is allowed. */
WEIR_API void weir_test_shut(weir_test_peer *p);
WEIR_API void weir_test_close(weir_test_peer *p);
WEIR_API void weir_test_reset(weir_test_peer *p);
/* Whether the server has ended the connection. */
WEIR_API bool weir_test_is_closed(const weir_test_peer *p);

/* Waits for the next event of an event stream; strings are the peer's until the next call. retry_ms 0: not said.
 * Comments are left out. Returns 0, WEIR_ENOENT at the stream's end, or an error as weir_test_receive(). */
WEIR_API int weir_test_event(weir_test_peer *p, weir_event *event);

/* Likewise a peer that asks for a WebSocket: the handshake's headers are added. weir_test_status() says 101 where there
 * is one; else there is a reply like any other. */
#define weir_test_ws_open(s, ...) weir_test_ws_open_sized((s), (__VA_ARGS__), sizeof(weir_test))
/* weir_test_ws_open() for callers without macros; size as config_size of weir_server_new_sized(). */
WEIR_API weir_test_peer *weir_test_ws_open_sized(weir_server *s, const weir_test *test, size_t size);
/* Sends a message (enum weir_ws_kind), masked; len 0: up to data's NUL. As weir_test_send(). */
WEIR_API int weir_test_ws_send(weir_test_peer *p, int kind, const void *data, size_t len);
/* Waits for the next message, whole, and answers Pings meanwhile; m->data has a NUL behind it and is the peer's until
 * the next call. Returns 0; WEIR_ECLOSED behind a Close, which is answered, and whose code is weir_test_ws_code(); or
 * an error as weir_test_receive(). */
WEIR_API int weir_test_ws_receive(weir_test_peer *p, weir_ws_message *m);
/* Sends a Close with a code, 0: without; the peer stays, and can receive the server's. As weir_test_send(). */
WEIR_API int weir_test_ws_close(weir_test_peer *p, int code, const char *reason);
/* The code of the Close that has been received; 1005: it had none; 1006: the connection ended without; 0: neither. */
WEIR_API int weir_test_ws_code(const weir_test_peer *p);

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
    uint64_t start; /* taken before the first request */
    /* For each open connection, all that an idle one takes at most: with HTTP/2 its table of header fields, too, which
     * it gives back after two seconds. */
    uint64_t connection;
    /* For each request that is alive at once, at most, besides its connection: record, two buffers, memory, stack. One
     * of HTTP/2 whose handler reads may have more buffers, http2_stream_window in all, where memory is not bounded. */
    uint64_t request;
    uint64_t connections; /* number of connections, most at once: max_connections */
    /* Most in all: every connection with one request, caches and threads at their bounds; not more than memory_limit.
     * Connections of HTTP/2 can have more, which memory_limit and the bounds of pools bound. The program's own accounts
     * and tasks, each of which takes what a request does, come on top, below memory_limit. */
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

/* The number of times that a limit or a timeout was met, or that handshakes failed of one cause. */
typedef struct weir_ledger_refusal {
    const char *cause; /* the setting's name where there is one, such as "max_body"; static */
    uint64_t count;
} weir_ledger_refusal;

#define WEIR_LEDGER_OFFLOAD_POOLS          16 /* most rows of offload pools */
#define WEIR_LEDGER_OFFLOAD_POOL_NAME_SIZE 32 /* of a pool's name, its NUL included */

/* One pool of weir_offload_pool_new(). */
typedef struct weir_ledger_offload_pool {
    char name[WEIR_LEDGER_OFFLOAD_POOL_NAME_SIZE];
    uint64_t threads; /* threads now */
    uint64_t busy;    /* of these, those that run a job, or start */
    uint64_t queued;  /* jobs that wait for a thread */
    uint64_t jobs;    /* jobs, ever */
    uint64_t refused; /* jobs that were told WEIR_EBUSY, ever */
} weir_ledger_offload_pool;

#define WEIR_LEDGER_CACHE_NAME_SIZE 32 /* of a cache's name in the ledger, its NUL included */

/* One cache of the ledger, or several of the same name, summed. */
typedef struct weir_ledger_cache {
    char name[WEIR_LEDGER_CACHE_NAME_SIZE]; /* weir_cache_config's, cut */
    weir_cache_stats stats;
} weir_ledger_cache;

#define WEIR_LEDGER_LEAN 12 /* most causes for which OpenSSL keeps a connection's records */

/* Figures of TLS, all zero without a TLS listener. */
typedef struct weir_ledger_tls {
    uint64_t handshakes_now; /* handshakes under way */
    uint64_t handshakes;     /* handshakes done, ever */
    uint64_t resumptions;    /* of these, by a ticket */
    uint64_t tls12, tls13;   /* of these, by version */
    uint64_t waited;         /* handshakes that waited for a slot, for memory or for their turn, ever */
    uint64_t sessions[2];    /* connections open behind their handshake: OpenSSL's records [0], and lean ones [1] */
    uint64_t bytes_in[2];    /* plaintext, ever, likewise */
    uint64_t bytes_out[2];   /* plaintext, ever, likewise */
    uint64_t lean_fallbacks; /* connections with lean_records whose records OpenSSL has kept, ever */
    uint64_t lean_self_tests_failed; /* listeners with lean_records that go without, since their self-test has failed */
    size_t lean_reason_count;
    weir_ledger_refusal lean_reasons[WEIR_LEDGER_LEAN]; /* lean_fallbacks by cause */
    uint64_t plain_answers;                             /* plain HTTP that was answered, ever */
    uint64_t truncated;      /* connections whose client ended them without close_notify, ever */
    uint64_t reloads;        /* times that a listener's files were loaded anew, ever */
    uint64_t reloads_failed; /* times that they were not, since something was wrong, ever */
} weir_ledger_tls;

/* Figures of compression, see weir_group_compress(): ever, of the codings gzip [0], br [1] and zstd [2]. */
typedef struct weir_ledger_compression {
    struct {
        uint64_t replies;   /* replies that were compressed */
        uint64_t bytes_in;  /* bytes of their bodies */
        uint64_t bytes_out; /* and what they became */
    } codings[3];
    uint64_t missing; /* replies that went out uncompressed, since max_compression_memory or memory_limit was reached */
} weir_ledger_compression;

/* Clients that stay, and what WebSockets say. */
typedef struct weir_ledger_sockets {
    uint64_t websockets;    /* open now, in either form */
    uint64_t event_streams; /* open now, whose handlers have left them to their topics */
    uint64_t received;      /* messages that WebSockets have received, ever */
    uint64_t sent;          /* messages that programs have sent on them, ever; those of topics are in `topics` */
} weir_ledger_sockets;

#define WEIR_LEDGER_TASKS   16 /* most rows of tasks */
#define WEIR_TASK_NAME_SIZE 32 /* of a task's name, its NUL included */

/* Tasks of one name, see weir_spawn(). */
typedef struct weir_ledger_task {
    char name[WEIR_TASK_NAME_SIZE]; /* weir_task_options', cut */
    uint64_t tasks;                 /* there now: those of weir_every() also between two runs */
    uint64_t runs;                  /* runs that are over, ever */
    uint64_t failed;                /* of these, those that returned an error, or were ended by weir_fail() or a cut */
    uint64_t missed;                /* runs of weir_every() that were left out, ever */
} weir_ledger_task;

/* Figures of topics, see weir_topic_new(). */
typedef struct weir_ledger_topics {
    uint64_t topics, patterns; /* names and patterns that are there */
    uint64_t subscribers;      /* subscriptions now */
    uint64_t lagging;          /* of these, those that have not taken all that is there */
    uint64_t messages, bytes;  /* messages that are held, by rings or on their way, and what they take */
    uint64_t published;        /* messages ever */
    uint64_t delivered;        /* times that one was handed to a subscriber, ever */
    uint64_t skipped;          /* times that one was not, by WEIR_OVERRUN_SKIP, ever */
    uint64_t conflated;        /* likewise, by WEIR_OVERRUN_CONFLATE */
    uint64_t disconnected;     /* subscriptions ended by WEIR_OVERRUN_DISCONNECT, ever */
    uint64_t refused;          /* messages, topics and subscriptions refused at a bound, ever */
} weir_ledger_topics;

/* One pool of connections, see weir_pool_new(), or several of the same name, summed over the workers. */
typedef struct weir_ledger_pool {
    char name[WEIR_POOL_NAME_SIZE];
    uint64_t open;          /* connections that are there, taken or idle, or being made */
    uint64_t idle;          /* of these, those that nobody has */
    uint64_t waiting;       /* handlers that wait for one */
    uint64_t opened;        /* connections made, ever */
    uint64_t failed;        /* failures to make one, ever */
    uint64_t broken;        /* connections that were given back as broken, or not at all, ever */
    uint64_t timed_out;     /* waits that were over wait_ms, ever */
    uint64_t refused;       /* handlers that did not wait, since max_waiting did, ever */
    uint64_t checks_failed; /* ever */
} weir_ledger_pool;

#define WEIR_LEDGER_ACCOUNTS   48 /* most rows of accounts */
#define WEIR_LEDGER_TIMES      16 /* classes of handler times */
#define WEIR_LEDGER_REFUSALS   40 /* most causes of refusals */
#define WEIR_LEDGER_HANDSHAKES 24 /* most causes of failed handshakes */
#define WEIR_LEDGER_CACHES     16 /* most rows of caches */
#define WEIR_LEDGER_POOLS      16 /* most rows of pools */

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
    uint64_t connections; /* open now: the sum of the seven below */
    uint64_t connections_idle, connections_head, connections_waiting, connections_active, connections_draining,
        connections_lingering, connections_handshake;
    uint64_t streams; /* requests that are alive on connections of HTTP/2, each with many or none */

    uint64_t requests; /* ended or refused, ever: the sum of responses but for [1] */
    /* Replies by the class of their status; [1]: interim ones; [0]: the client had gone before there was one. */
    uint64_t responses[6];
    uint64_t bytes_in, bytes_out; /* of all connections, ever */

    size_t refusal_count;
    weir_ledger_refusal refusals[WEIR_LEDGER_REFUSALS];

    uint64_t handshakes; /* of transports, such as TLS, that are done, ever */
    size_t handshake_failure_count;
    weir_ledger_refusal handshake_failures[WEIR_LEDGER_HANDSHAKES]; /* failed ones, by cause */

    uint64_t handler_ns; /* sum of the handler times that were measured, in nanoseconds */
    weir_handler_time handler_times[WEIR_LEDGER_TIMES];

    int workers;
    uint64_t fibers;         /* handlers suspended or running */
    uint64_t fibers_running; /* workers that are in a turn and have a fiber: each runs one at most */

    int offload_threads, offload_busy, offload_queued; /* threads now, those that run a job, jobs that wait for one */
    uint64_t offload_jobs;                             /* jobs, ever */
    size_t offload_pool_count;
    weir_ledger_offload_pool offload_pools[WEIR_LEDGER_OFFLOAD_POOLS]; /* in the order in which they were added */

    weir_ledger_tls tls;
    weir_ledger_compression compression;
    weir_ledger_sockets sockets;
    weir_ledger_topics topics;

    uint64_t tasks_refused; /* tasks that max_tasks has refused, ever */
    size_t task_count;
    weir_ledger_task tasks[WEIR_LEDGER_TASKS]; /* where there are more names, the last is of all the others */

    size_t account_count;
    weir_ledger_account accounts[WEIR_LEDGER_ACCOUNTS]; /* where there are more, the last is of all the others */
    size_t cache_count;
    weir_ledger_cache caches[WEIR_LEDGER_CACHES];
    size_t pool_count;
    weir_ledger_pool pools[WEIR_LEDGER_POOLS]; /* where there are more, the last is of all the others */
} weir_ledger;

/* Reads the ledger of a server into *ledger, about 10 KB: short locks, no system call. Figures of several workers are
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

#define WEIR_LIVE_METHOD_SIZE 16  /* of a live request's method, its NUL included */
#define WEIR_LIVE_PEER_SIZE   128 /* of its client's address, likewise */

/* A request whose handler runs, or whose reply is still being sent. */
typedef struct weir_live_request {
    uint64_t id;        /* of this request in every reading, and of no other */
    uint64_t age_ms;    /* since its handler has begun */
    int worker;         /* which serves it, from 0 on */
    int version;        /* of HTTP: enum weir_http */
    const char *route;  /* the pattern, as weir_route_pattern() has it; "" if none matched */
    const char *state;  /* a word of docs/ledger.md, such as "receiving"; static */
    uint64_t sent;      /* bytes of the reply's body that the kernel has taken */
    int64_t length;     /* bytes that its body will have; -1: not known, or not yet */
    uint64_t received;  /* bytes of the request's body that have come, with their framing where it is chunked */
    int64_t body_total; /* bytes that it will have, as the client has announced; -1: chunked, or not announced */
    uint64_t memory;    /* bytes in the accounts */
    void *sent_arg;     /* what weir_on_sent() was given, by which a program knows its own record; NULL: nothing */
    char method[WEIR_LIVE_METHOD_SIZE]; /* cut; "" once the handler has ended */
    char peer[WEIR_LIVE_PEER_SIZE];     /* as weir_peer() has it; where there was a PROXY preface, the client it told */
} weir_live_request;

/*
 * Reads the requests that have been running for longest, the oldest first: at most size of them, and of each worker at
 * most 32. Workers are asked by a message and tell at the end of what they do; requests themselves pay nothing. Returns
 * how many were read; *alive (NULL: not wanted) is how many there are. None before the start and after the server's
 * end. The first call takes memory of the server's account for the answers; without it nothing is read.
 *
 * Blocks, for 20 ms at most: a worker that is busy for longer tells what it told before. Any thread but a worker's; a
 * handler calls this by weir_offload().
 */
WEIR_API size_t weir_live_read(weir_server *s, weir_live_request *requests, size_t size, size_t *alive);

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
