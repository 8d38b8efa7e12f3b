/*
 * weir serve: the files of a folder over HTTP, by the public header alone. Its parts are next to it: what is asked for
 * (serve_options), who may (basic_auth, cors), the uploads, and the access log. Standard output has that log alone;
 * what the command has to say goes to standard error.
 *
 * SPDX-License-Identifier: MIT
 */
#include "cli/serve.h"
#include "cli/access_log.h"
#include "cli/basic_auth.h"
#include "cli/cors.h"
#include "cli/serve_links.h"
#include "cli/serve_log.h"
#include "cli/serve_options.h"
#include "cli/serve_progress.h"
#include "cli/serve_upload.h"
#include "weir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXIT_UNSERVED 1
#define EXIT_WRONG    2
#define AUTH_FILE_MAX (64u << 10)
#define NAMES_SIZE    1024
#define YEAR          "public, max-age=31536000, immutable"
#define WARNING_VISIBLE                                                                                                \
    "weir serve: who can list this machine's processes can read the password; --auth-file or WEIR_AUTH hides it\n"

struct serve {
    struct serve_options options;
    struct basic_auth auth;
    bool has_auth;
    struct cors cors;
    struct upload upload;
    struct serve_log log;
    struct access_log *access;
    struct status_line line;
    bool has_line; /* transfers that last are shown on it */
    struct serve_progress progress;
    char caching[64]; /* Cache-Control of files */
    weir_files_header headers[SERVE_PATTERNS_MAX + 1];
    size_t header_count;
};

__attribute__((format(printf, 1, 2))) static bool refuse(const char *fmt, ...)
{
    va_list args;
    fputs("weir serve: ", stderr);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
    return false;
}

/* ---- What is looked at before the server is made ---- */

static bool is_folder(const char *path, const char *hint)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return refuse("'%s': %s; %s", path, strerror(errno), hint);
    if (!S_ISDIR(status.st_mode))
        return refuse("'%s' is not a folder; %s", path, hint);
    if (access(path, R_OK | X_OK) != 0)
        return refuse("'%s' cannot be read: %s", path, strerror(errno));
    return true;
}

/* What may be meant by a folder that is not there: a value that is not joined to its option looks like one. */
static const char *root_hint(const struct serve_options *o)
{
    if (o->fallback || (o->cors && o->origin_count == 0))
        return o->fallback ? "name the folder to serve; a file for --spa is joined to it, as in --spa=FILE"
                           : "name the folder to serve; an origin for --cors begins with https:// or http://";
    return "name the folder to serve, or leave it out for the current one";
}

static bool is_readable(const char *path, const char *option)
{
    return access(path, R_OK) == 0 || refuse("--%s '%s': %s", option, path, strerror(errno));
}

/* Whether the page that --spa names is in the folder. */
static bool has_fallback(const struct serve_options *o)
{
    char path[PATH_MAX];
    if (!o->fallback)
        return true;
    int len = snprintf(path, sizeof path, "%s/%s", o->root, o->fallback);
    if (len < (int)sizeof path && access(path, R_OK) == 0)
        return true;
    return refuse("there is no '%s' in '%s'; --spa=FILE names the page for what is not there", o->fallback, o->root);
}

/* Reads up to len bytes to the end of a file, which may be a pipe: how many, or -1. */
static ssize_t read_all(int fd, char *to, size_t len)
{
    size_t done = 0;
    ssize_t n = 0;
    while (done < len && ((n = read(fd, to + done, len - done)) > 0 || (n < 0 && errno == EINTR)))
        done += n > 0 ? (size_t)n : 0;
    return n < 0 ? -1 : (ssize_t)done;
}

/* Reads the file of --auth-file. */
static bool read_auth_file(struct serve *v, const char *path)
{
    static const char tell[] = "a line is USER:PASSWORD";
    struct stat status;
    char *text = malloc(AUTH_FILE_MAX + 1);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd >= 0 && text ? read_all(fd, text, AUTH_FILE_MAX + 1) : -1;
    int number = errno;
    unsigned line = 0;
    const char *why = NULL;
    if (len > (ssize_t)AUTH_FILE_MAX)
        why = "the file is too long";
    else if (len >= 0)
        why = basic_auth_read(&v->auth, text, (size_t)len, &line);
    bool open_to_all = fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && (status.st_mode & S_IROTH);
    free(text);
    if (fd >= 0)
        close(fd);
    if (len < 0)
        return refuse("--auth-file '%s': %s", path, strerror(number));
    if (why)
        return refuse("--auth-file '%s', line %u: %s; %s", path, line, why, tell);
    if (open_to_all && v->options.voice != SERVE_QUIET)
        fprintf(stderr, "weir serve: everybody on this machine can read '%s'; chmod 600 keeps it to you\n", path);
    return true;
}

static bool prepare_auth(struct serve *v)
{
    const struct serve_options *o = &v->options;
    const char *pair = o->auth ? o->auth : o->auth_file ? NULL : getenv("WEIR_AUTH");
    v->has_auth = pair || o->auth_file;
    if (o->auth_file)
        return read_auth_file(v, o->auth_file);
    const char *why = pair ? basic_auth_add(&v->auth, pair, strlen(pair)) : NULL;
    if (why)
        return refuse("%s is USER:PASSWORD, and %s", o->auth ? "--auth" : "WEIR_AUTH", why);
    if (o->auth && o->voice != SERVE_QUIET)
        fputs(WARNING_VISIBLE, stderr);
    return true;
}

static bool prepare_headers(struct serve *v)
{
    const struct serve_options *o = &v->options;
    const char *whose = v->has_auth ? "private" : "public"; /* caches that are shared keep nothing of one user */
    if (o->cache_seconds == SERVE_CACHE_ASK)
        snprintf(v->caching, sizeof v->caching, "no-cache");
    else
        snprintf(v->caching, sizeof v->caching, "%s, max-age=%d", whose, o->cache_seconds);
    if (o->cache_seconds != SERVE_CACHE_UNSAID)
        v->headers[v->header_count++] = (weir_files_header){"*", "Cache-Control", v->caching};
    for (size_t i = 0; i < o->immutable_count; i++)
        v->headers[v->header_count++] = (weir_files_header){
            o->immutable[i], "Cache-Control", v->has_auth ? "private, max-age=31536000, immutable" : YEAR};
    return true;
}

static bool prepare(struct serve *v)
{
    const struct serve_options *o = &v->options;
    if ((o->certificate || o->self_signed) && !WEIR_WITH_TLS)
        return refuse("this weir was built without TLS; leave --%s out, or build it with -D WEIR_TLS=ON",
                      o->certificate ? "cert" : "self-signed");
    if (o->compress && !(WEIR_WITH_ZLIB || WEIR_WITH_BROTLI || WEIR_WITH_ZSTD))
        return refuse("this weir was built without compression; leave --compress out");
    if (!is_folder(o->root, root_hint(o)) || !has_fallback(o) ||
        (o->upload && !is_folder(o->upload, "--upload names a folder that is there")) ||
        (o->certificate && (!is_readable(o->certificate, "cert") || !is_readable(o->key, "key"))))
        return false;
    if (o->upload && access(o->upload, W_OK) != 0)
        return refuse("--upload '%s' cannot be written to: %s", o->upload, strerror(errno));
    if (!prepare_auth(v) || !prepare_headers(v))
        return false;
    v->cors = (struct cors){
        .origins = o->origins,
        .count = o->origin_count,
        .credentials = v->has_auth,
        .methods = o->upload && o->origin_count ? "GET, HEAD, PUT, POST" : "GET, HEAD",
    };
    v->upload = (struct upload){.folder = o->upload, .limit = o->upload_limit, .hidden = o->hidden, .cors = &v->cors};
    return true;
}

/* ---- Middleware ---- */

static void log_request(weir_ctx *c)
{
    const struct serve *v = weir_server_data(c);
    access_log_begin(c, v->access);
}

static void log_failure(weir_ctx *c, int status, const char *message)
{
    const struct serve *v = weir_server_data(c);
    (void)message;
    access_log_fail(c, v->access, status);
}

static void answer_preflight(weir_ctx *c)
{
    const struct serve *v = weir_server_data(c);
    cors_answer_preflight(c, &v->cors);
}

static void add_cors_headers(weir_ctx *c)
{
    const struct serve *v = weir_server_data(c);
    cors_set_headers(c, &v->cors);
}

static void ask_password(weir_ctx *c)
{
    const struct serve *v = weir_server_data(c);
    int user = basic_auth_check(&v->auth, weir_header(c, "Authorization"));
    if (user >= 0) {
        access_log_user(c, v->auth.pairs[user], basic_auth_name_length(&v->auth, user));
        return;
    }
    weir_set_header(c, "WWW-Authenticate", "Basic realm=\"weir\", charset=\"UTF-8\"");
    weir_reply_error(c, 401, "a name and a password are needed");
    weir_end(c); /* also where there is no memory for that page */
}

static bool is_loopback(const char *host)
{
    return strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0 || strcmp(host, "localhost") == 0;
}

/* Whether only this machine can connect. */
static bool is_local(const struct serve_options *o)
{
    for (size_t i = 0; i < o->host_count; i++)
        if (!is_loopback(o->hosts[i]))
            return false;
    return true;
}

/* Whoever owns a name can have it lead to this machine, so that a page of his is of the same origin to a browser here
 * (DNS rebinding). So what only this machine can reach is served by no name with a dot in it, but below localhost. */
static void check_name(weir_ctx *c)
{
    const char *host = weir_host(c);
    size_t len = strcspn(host, ":");
    bool address = host[0] == '[' || strspn(host, "0123456789.") == len;
    bool local = len > 10 && strncasecmp(host + len - 10, ".localhost", 10) == 0;
    if (address || local || !memchr(host, '.', len))
        return;
    weir_reply_error(c, 421, "this name is not served here; localhost is");
    weir_end(c);
}

/* ---- The server ---- */

static weir_server *server_new(struct serve *v)
{
    const struct serve_options *o = &v->options;
    return weir_server_new(&(weir_config){
        .workers = o->workers,
        .memory_limit = o->memory_limit,
        .max_body = o->upload_limit,
        .log_level = o->voice == SERVE_QUIET     ? WEIR_LOG_ERROR
                     : o->voice == SERVE_VERBOSE ? WEIR_LOG_INFO
                                                 : WEIR_LOG_WARN,
        .log = serve_log_line,
        .log_data = &v->log,
        .server_data = v,
    });
}

static void add_routes(weir_server *s, struct serve *v)
{
    const struct serve_options *o = &v->options;
    weir_group *root = weir_root(s);
    if (o->log != ACCESS_OFF || v->has_line) {
        weir_on_request(root, log_request);
        weir_on_error(s, log_failure);
    }
    if (is_local(o))
        weir_on_request(root, check_name);
    if (o->cors) {
        weir_on_request(root, answer_preflight);
        weir_on_response(root, add_cors_headers);
    }
    if (v->has_auth)
        weir_on_request(root, ask_password);
    if (o->compress)
        weir_group_compress(root, NULL);
    weir_files(root, "",
               &(weir_files_options){
                   .root = o->root,
                   .index = *o->index ? o->index : NULL,
                   .listing = o->listing ? WEIR_ON : WEIR_OFF,
                   .fallback = o->fallback,
                   .hidden = o->hidden ? WEIR_ON : WEIR_OFF,
                   .links = o->no_links ? WEIR_OFF : WEIR_ON,
                   .precompressed = o->no_precompressed ? WEIR_OFF : WEIR_ON,
                   .headers = v->headers,
                   .header_count = v->header_count,
               });
    if (o->upload)
        upload_add(s, o->upload_at, &v->upload);
}

static void add_listeners(weir_server *s, const struct serve_options *o)
{
    char names[NAMES_SIZE];
    weir_tls_config tls = {
        .certificate = o->certificate,
        .key = o->key,
        .self_signed = o->self_signed ? names : NULL,
        .redirect_plain = WEIR_ON,
    };
    serve_certificate_names(names, sizeof names, o->hosts, o->host_count);
    for (size_t i = 0; i < o->host_count; i++)
        weir_server_listen(s, &(weir_listen_config){
                                  .host = o->hosts[i],
                                  .port = o->port ? o->port : WEIR_ANY,
                                  .tls = o->certificate || o->self_signed ? &tls : NULL,
                                  .proxy_protocol = o->proxies ? WEIR_ON : WEIR_OFF,
                                  .proxy_networks = o->proxies,
                              }); /* what is wrong is told when the server starts */
}

/* ---- Running ---- */

/* Tells in the options' names what the library has said of settings. False: it has said something else. */
static bool tell_setting(const char *line)
{
    static const struct {
        const char *begin, *option, *hint;
    } settings[] = {
        {"setting memory_limit: ", "--memory-limit: ", "; raise it, or lower --workers"},
        {"listener: proxy_networks: ", "--proxy-protocol: ", ""},
        {"listener: ", "--host: ", ""},
    };
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        size_t len = strlen(settings[i].begin);
        if (strncmp(line, settings[i].begin, len) != 0)
            continue;
        (void)refuse("%s%.*s%s", settings[i].option, (int)strcspn(line + len, "\n"), line + len, settings[i].hint);
        return true;
    }
    return false;
}

static void tell_failed_start(const struct serve *v, int error)
{
    const struct serve_options *o = &v->options;
    if (error == WEIR_EBUSY && strncmp(o->hosts[0], "unix:", 5) != 0)
        (void)refuse("port %d%s is in use; --port 0 picks one that is free", o->port,
                     o->port_given ? "" : ", the default,");
    else if (tell_setting(v->log.kept))
        return;
    else if (v->log.len > 0)
        serve_log_print(&v->log);
    else
        (void)refuse("%s", weir_strerror(error));
}

static void tell_running(const struct serve *v, int port)
{
    const struct serve_options *o = &v->options;
    char *whole = realpath(o->root, NULL);
    if (o->voice != SERVE_QUIET) {
        fprintf(stderr, "Serving %s at\n", whole ? whole : o->root);
        for (size_t i = 0; i < o->host_count; i++)
            serve_print_links(stderr, o->hosts[i], port, o->certificate || o->self_signed);
        if (o->upload)
            fprintf(stderr, "Uploads go to %s, by PUT and POST below %s/\n", o->upload, o->upload_at);
        if (o->self_signed)
            fputs("The certificate is made for this run, so that browsers warn; curl takes it with -k\n", stderr);
        fputs("Ctrl-C stops it\n", stderr);
    }
    free(whole);
}

/* Serves until a signal, then lets the server finish what runs; a second signal ends the process at once. */
static int run(weir_server *s, struct serve *v)
{
    sigset_t stop;
    int number;
    sigemptyset(&stop);
    sigaddset(&stop, SIGINT);
    sigaddset(&stop, SIGTERM);
    signal(SIGPIPE, SIG_IGN);                /* who reads the log may go */
    signal(SIGXFSZ, SIG_IGN);                /* a log that may not grow is an error of writing it */
    pthread_sigmask(SIG_BLOCK, &stop, NULL); /* before the start: all threads inherit it */
    struct status_line *line = v->has_line ? &v->line : NULL;
    if (v->options.log != ACCESS_OFF || line)
        v->access = access_log_new(s, v->options.log, v->options.proxies != NULL, line);
    if (v->options.log != ACCESS_OFF && !v->access) {
        (void)refuse("there is no memory for the access log; --log off goes without, or raise --memory-limit");
        return EXIT_UNSERVED;
    }
    int error = weir_server_start(s);
    if (error) {
        tell_failed_start(v, error);
        return error == WEIR_EINVAL ? EXIT_WRONG : EXIT_UNSERVED;
    }
    serve_log_run(&v->log);
    tell_running(v, v->options.port ? v->options.port : weir_server_port(s));
    if (line)
        serve_progress_start(&v->progress, s, v->access, line);
    sigwait(&stop, &number);
    pthread_sigmask(SIG_UNBLOCK, &stop, NULL);
    if (number == SIGINT && v->options.voice != SERVE_QUIET) {
        status_line_hide(line);
        fputs("\nStopping; Ctrl-C once more cuts what still runs\n", stderr);
        status_line_show(line);
    }
    weir_server_stop(s);
    error = weir_server_wait(s);
    serve_progress_end(&v->progress);
    return error == 0 ? 0 : EXIT_UNSERVED;
}

static int serve(struct serve *v)
{
    weir_server *s = server_new(v);
    if (!s) {
        (void)refuse("there is no memory");
        return EXIT_UNSERVED;
    }
    add_routes(s, v);
    add_listeners(s, &v->options);
    int status = run(s, v);
    uint64_t dropped = access_log_end(v->access);
    if (dropped)
        (void)refuse("%llu requests are not in the log: standard output was too slow, or gone",
                     (unsigned long long)dropped);
    weir_server_free(s);
    return status;
}

int serve_main(int argc, char **argv)
{
    static struct serve v = {.log.lock = PTHREAD_MUTEX_INITIALIZER, .line.lock = PTHREAD_MUTEX_INITIALIZER};
    char why[SERVE_WHY_SIZE];
    switch (serve_options_parse(&v.options, argc, argv, why)) {
    case SERVE_HELP:
        fputs(serve_usage, stdout);
        return 0;
    case SERVE_VERSION:
        printf("weir %s\n", weir_version_string());
        return 0;
    case SERVE_WRONG:
        (void)refuse("%s", why);
        return EXIT_WRONG;
    case SERVE_GOOD:
        break;
    }
    v.has_line = v.options.voice != SERVE_QUIET && status_line_fits();
    v.log.above_line = v.has_line;
    if (!prepare(&v))
        return EXIT_WRONG;
    return serve(&v);
}
