/*
 * A client of HTTP, by libcurl, on weir's fibers, and a reverse proxy that is made of it.
 *
 * A call waits, its fiber is parked, and the worker serves others meanwhile. Each worker has one multi handle of
 * libcurl with its own kept connections; nothing crosses threads. The conventions are those of weir.h; calls that may
 * suspend obey the request's deadline, and are ended by news as any wait is. Whatever a request does not close is
 * closed when it ends, however it ends. What libcurl allocates for itself is not in the server's accounts; bodies,
 * fields and the buffers of streams are, as "curl". Names are looked up by libcurl on threads of its own.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_CURL_H
#define WEIR_CURL_H

#include <weir.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A client: settings, and what each worker keeps of connections. Made by weir_curl_new(), freed by weir_curl_free(). */
typedef struct weir_curl weir_curl;

/* The settings of a client. Zero is each member's default. Strings are copied. */
typedef struct weir_curl_config {
    int max_connections;     /* of each worker, idle ones included; further requests wait; default 256 */
    int max_per_host;        /* likewise, to one host and port; default: max_connections */
    int idle_s;              /* seconds after which an idle connection is not used again; default 60 */
    int connect_timeout_ms;  /* name, connection and handshake; default 10000 */
    int idle_timeout_ms;     /* longest time in which the other side neither sends nor takes anything; default 30000;
                             * WEIR_OFF: any */
    size_t max_header;       /* bytes of a reply's head, interim ones included; default 65536 */
    size_t max_memory;       /* bytes that bodies, fields and buffers may take together; default: memory_limit's */
    const char *ca_file;     /* certificates that may sign the other's; default: those that the system trusts */
    int verify;              /* WEIR_OFF: anybody's certificate will do; default WEIR_ON */
    const char *certificate; /* file of a client certificate in PEM form; default: none */
    const char *key;         /* file of its key; default: certificate */
    const char *user_agent;  /* default: "weir/VERSION"; "": none */
} weir_curl_config;

/*
 * Makes a client of a server from settings (a const weir_curl_config *; NULL: all defaults). NULL: a number is
 * negative, s is NULL, or there is no memory. Initialises libcurl (curl_global_init()), so before other threads use it
 * where libcurl says that counts. Before the start.
 */
#define weir_curl_new(s, ...) weir_curl_new_sized((s), (__VA_ARGS__), sizeof(weir_curl_config))
/* weir_curl_new() for callers without macros; config_size as that of weir_server_new_sized(). */
WEIR_API weir_curl *weir_curl_new_sized(weir_server *s, const weir_curl_config *config, size_t config_size);

/* Closes all connections and frees the client: when the server has stopped, and before weir_server_free(). NULL is
 * allowed. */
WEIR_API void weir_curl_free(weir_curl *client);

/* A request. Zero is each member's default. What it points to stays the caller's, and is not copied where that says
 * so. */
typedef struct weir_curl_request {
    const char *url;            /* http:// or https:// */
    const char *method;         /* default: POST with a body, else GET */
    const char *const *headers; /* lines "Name: value", then NULL; no CR or LF. NULL: none */
    const char *type;           /* Content-Type of the body; default: none */
    const void *body;           /* sent from where it lies: unchanged until the reply's head has come */
    size_t body_len;
    /* Of weir_curl_open() alone: the length of a body that weir_curl_write() will write; WEIR_OFF: not known; default:
     * there is none. */
    int64_t write_length;
    int timeout_ms;        /* for all of it, the reply's body included; default: no limit but the deadline */
    int idle_timeout_ms;   /* in place of the client's */
    size_t max_body;       /* bytes of a reply that weir_curl_call() takes; default 1 MiB */
    int redirects;         /* redirections that are followed, to http and https alone; default: none */
    const char *unix_path; /* a Unix socket that is connected to, whatever url's host is; default: none */
    char *why;             /* where a text for people goes that says what went wrong; NULL: nowhere */
    size_t why_size;
} weir_curl_request;

/* A reply. Valid until weir_curl_done(), or the end of the request or task that has made the call. */
typedef struct weir_curl_reply {
    int status;       /* 200 to 599, or what else the other side has said */
    const char *body; /* has a NUL behind it; "" where there is none. Of weir_curl_head() always */
    size_t len;
    struct weir_curl_kept *kept; /* the library's */
} weir_curl_reply;

/*
 * Makes a request and takes the whole reply. request is a const weir_curl_request *. A status is no error, whichever it
 * is. Returns 0, or an error, and then reply is empty: WEIR_EREACH: the other side cannot be reached, or has broken the
 * connection off; WEIR_ENOENT: there is no such name; WEIR_ETRUST: its certificate; WEIR_EPROTO: what came is no HTTP,
 * or is less than it was announced as; WEIR_ETOOBIG: the body is longer than max_body, or the head than max_header;
 * WEIR_ETIMEDOUT; news, see weir_sleep(); WEIR_EINVAL: an argument, a URL or a line is wrong; WEIR_ENOMEM. A request
 * by a kept connection that turns out to be closed is made once more by libcurl, on another one. Suspends.
 */
#define weir_curl_call(c, client, request, reply)                                                                      \
    weir_curl_call_sized((c), (client), (request), sizeof(weir_curl_request), (reply))
/* weir_curl_call() for callers without macros; request_size as config_size of weir_server_new_sized(). */
WEIR_API int weir_curl_call_sized(weir_ctx *c, weir_curl *client, const weir_curl_request *request, size_t request_size,
                                  weir_curl_reply *reply);

/* weir_curl_call() of GET, with all defaults. Suspends. */
WEIR_API int weir_curl_get(weir_ctx *c, weir_curl *client, const char *url, weir_curl_reply *reply);

/* The first value of a field by its name, case ignored; NULL: there is none. */
WEIR_API const char *weir_curl_header(const weir_curl_reply *reply, const char *name);
/* The i-th field in its order; as weir_param_item(). */
WEIR_API bool weir_curl_header_item(const weir_curl_reply *reply, size_t i, const char **name, const char **value);

/* Gives a reply's memory back before the request ends, as a task that makes many calls has to. A reply that is empty:
 * nothing. */
WEIR_API void weir_curl_done(weir_ctx *c, weir_curl_reply *reply);

/* A request whose body, or reply, is a stream. The request's, until weir_curl_close(). */
typedef struct weir_curl_stream weir_curl_stream;

/* Begins a request. Stores it in *stream, or NULL. Returns 0 or an error as weir_curl_call(). Connects and sends
 * meanwhile, as later calls do. Does not suspend. */
#define weir_curl_open(c, client, request, stream)                                                                     \
    weir_curl_open_sized((c), (client), (request), sizeof(weir_curl_request), (stream))
/* weir_curl_open() for callers without macros; request_size as config_size of weir_server_new_sized(). */
WEIR_API int weir_curl_open_sized(weir_ctx *c, weir_curl *client, const weir_curl_request *request, size_t request_size,
                                  weir_curl_stream **stream);

/* Sends len bytes of the request's body. Returns 0 when libcurl has them; WEIR_EDONE: the reply is there and no more of
 * the body is wanted; WEIR_ETOOBIG: beyond write_length; or an error as weir_curl_call(). May suspend. */
WEIR_API int weir_curl_write(weir_ctx *c, weir_curl_stream *stream, const void *data, size_t len);

/* Ends the request's body and waits for the reply's head. reply is valid as long as the stream. Returns 0 or an error
 * as weir_curl_call(). May suspend. */
WEIR_API int weir_curl_head(weir_ctx *c, weir_curl_stream *stream, weir_curl_reply *reply);

/* The next of the reply's body, without a copy: *data is valid until the next call on the stream. Returns how many
 * bytes; 0: the end, and the reply was whole; or an error as weir_curl_call(). What is not read is not fetched: memory
 * does not depend on the reply's length. May suspend. */
WEIR_API ssize_t weir_curl_read_slice(weir_ctx *c, weir_curl_stream *stream, const void **data);
/* weir_curl_read_slice() with a copy of at most len bytes. May suspend. */
WEIR_API ssize_t weir_curl_read(weir_ctx *c, weir_curl_stream *stream, void *buf, size_t len);

/* Ends a stream: a connection whose reply is not over is closed. NULL: nothing. Does not suspend. */
WEIR_API void weir_curl_close(weir_ctx *c, weir_curl_stream *stream);

/* How weir_proxy() passes requests on. Zero is each member's default. */
typedef struct weir_proxy_options {
    /* A prefix of the request's path, such as "/api", that is taken off; what is left begins with "/". */
    const char *strip_prefix;
    int keep_host;         /* WEIR_ON: Host is the client's; default WEIR_OFF: the upstream's */
    int forwarded;         /* WEIR_OFF: Forwarded (RFC 7239) is neither added nor passed on; default WEIR_ON */
    int x_forwarded;       /* likewise X-Forwarded-For, -Proto and -Host */
    const char *via;       /* the name in Via (RFC 9110 section 7.6.3); default "weir" */
    int timeout_ms;        /* until the reply's head has come; default: no limit but idle_timeout_ms */
    int idle_timeout_ms;   /* longest time in which the upstream neither sends nor takes anything; default: client's */
    const char *unix_path; /* as in weir_curl_request */
    int keep_errors;       /* WEIR_ON: where there is an error before the reply's head, nothing is replied, so that the
                             * handler may; default WEIR_OFF: 502 or 504 */
    char *why; /* where a text for people, such as the log's, goes that says what went wrong; NULL: nowhere */
    size_t why_size;
} weir_proxy_options;

/*
 * Passes the request on to upstream ("http://HOST:PORT", or with https, and perhaps a path that is put before the
 * request's), and the reply back, both as streams: memory does not depend on their length. options is a const
 * weir_proxy_options *; NULL: all defaults. A request for another protocol, such as a WebSocket, on a route for
 * WEIR_UPGRADE is passed on, too, and its bytes in both directions until one side ends. docs/http-client.md says which
 * fields are passed on.
 *
 * Returns 0 when the client has been replied to. An error: the upstream has none, and the client has got 502, 504
 * (WEIR_ETIMEDOUT) or 400 (WEIR_EINVAL: a path with "." or ".." in it, or without strip_prefix); or the client has
 * gone (WEIR_ECLOSED). An upstream that breaks off in the middle of a reply ends the handler as weir_fail() does: the
 * client's connection (HTTP/2: the stream) is reset. Suspends.
 */
#define weir_proxy(c, client, upstream, ...)                                                                           \
    weir_proxy_sized((c), (client), (upstream), (__VA_ARGS__), sizeof(weir_proxy_options))
/* weir_proxy() for callers without macros; options_size as config_size of weir_server_new_sized(). */
WEIR_API int weir_proxy_sized(weir_ctx *c, weir_curl *client, const char *upstream, const weir_proxy_options *options,
                              size_t options_size);

#ifdef __cplusplus
}
#endif

#endif
