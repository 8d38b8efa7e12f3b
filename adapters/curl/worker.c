/*
 * A client, and what each worker keeps of it.
 *
 * SPDX-License-Identifier: MIT
 */
#include "client.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

/* ---- The client ---- */

static void free_config(weir_curl_config *config)
{
    free((char *)config->ca_file);
    free((char *)config->certificate);
    free((char *)config->key);
    free((char *)config->user_agent);
}

static void set_defaults(weir_curl_config *config)
{
    if (config->max_connections == 0)
        config->max_connections = 256;
    if (config->idle_s == 0)
        config->idle_s = 60;
    if (config->connect_timeout_ms == 0)
        config->connect_timeout_ms = 10000;
    if (config->idle_timeout_ms == 0)
        config->idle_timeout_ms = 30000;
    if (config->max_header == 0)
        config->max_header = 65536;
    if (!config->user_agent)
        config->user_agent = "weir/" WEIR_VERSION_STRING;
}

weir_curl *weir_curl_new_sized(weir_server *s, const weir_curl_config *config, size_t config_size)
{
    weir_curl_config given = {0};
    if (config)
        memcpy(&given, config, config_size < sizeof given ? config_size : sizeof given);
    if (!s || given.max_connections < 0 || given.max_per_host < 0 || given.idle_s < 0 || given.connect_timeout_ms < 0 ||
        given.idle_timeout_ms < WEIR_OFF || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return NULL;
    set_defaults(&given);
    weir_curl *client = calloc(1, sizeof *client);
    int workers = weir_server_workers(s);
    if (!client || workers < 1) {
        free(client);
        curl_global_cleanup();
        return NULL;
    }
    client->server = s;
    client->worker_count = workers;
    const char *ca_file = given.ca_file, *certificate = given.certificate, *key = given.key, *agent = given.user_agent;
    given.ca_file = given.certificate = given.key = given.user_agent = NULL;
    client->config = given;
    if (ca_file)
        client->config.ca_file = strdup(ca_file);
    if (certificate)
        client->config.certificate = strdup(certificate);
    if (key)
        client->config.key = strdup(key);
    client->config.user_agent = strdup(agent);
    client->workers = calloc((size_t)workers, sizeof(struct worker *));
    client->account = weir_account_open(s, NULL, "curl", given.max_memory);
    if (client->workers && client->account && client->config.user_agent && (!ca_file || client->config.ca_file) &&
        (!certificate || client->config.certificate) && (!key || client->config.key))
        return client;
    weir_curl_free(client);
    return NULL;
}

void weir_curl_free(weir_curl *client)
{
    if (!client)
        return;
    for (int i = 0; client->workers && i < client->worker_count; i++)
        if (client->workers[i])
            worker_free(client->workers[i]);
    free(client->workers);
    (void)weir_account_close(client->account);
    free_config(&client->config);
    free(client);
    curl_global_cleanup();
}

/* ---- A worker ---- */

static struct worker *worker_new(weir_ctx *c, weir_curl *client)
{
    struct worker *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    const weir_curl_config *config = &client->config;
    w->client = client;
    w->timer = NO_TIME;
    w->set = epoll_create1(EPOLL_CLOEXEC);
    w->alarm = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    w->multi = curl_multi_init();
    w->ready = w->set >= 0 ? weir_fd_new(c, w->set) : NULL;
    if (w->multi && w->ready && worker_open_alarm(w) && worker_set_callbacks(w) &&
        curl_multi_setopt(w->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING) == CURLM_OK &&
        curl_multi_setopt(w->multi, CURLMOPT_MAXCONNECTS, (long)config->max_connections) == CURLM_OK &&
        curl_multi_setopt(w->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)config->max_connections) == CURLM_OK &&
        curl_multi_setopt(w->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)config->max_per_host) == CURLM_OK)
        return w;
    worker_free(w);
    return NULL;
}

struct worker *worker_of(weir_ctx *c, weir_curl *client)
{
    int index = weir_worker_index(c);
    if (index < 0 || index >= client->worker_count)
        return NULL;
    if (!client->workers[index])
        client->workers[index] = worker_new(c, client);
    return client->workers[index];
}

void worker_free(struct worker *w)
{
    for (int i = 0; i < w->handle_count; i++)
        curl_easy_cleanup(w->handles[i]);
    if (w->multi)
        curl_multi_cleanup(w->multi);
    weir_fd_free(w->ready);
    if (w->set >= 0)
        close(w->set);
    if (w->alarm >= 0)
        close(w->alarm);
    free(w->sockets);
    free(w);
}

CURL *worker_take_handle(struct worker *w)
{
    return w->handle_count > 0 ? w->handles[--w->handle_count] : curl_easy_init();
}

void worker_give_handle(struct worker *w, CURL *easy)
{
    curl_easy_reset(easy);
    if (w->handle_count < FREE_HANDLES)
        w->handles[w->handle_count++] = easy;
    else
        curl_easy_cleanup(easy);
}
