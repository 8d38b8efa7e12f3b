/*
 * Libcurl's sockets and its timer: what it wants of them is kept in a table, and told to the worker's epoll set where
 * the set does not know it yet. A socket that libcurl stops waiting for stays in the set, because its next request
 * waits for it again; an event that nobody wants takes it out.
 *
 * SPDX-License-Identifier: MIT
 */
#include "client.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_AT_ONCE 64

int64_t curl_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- The set ---- */

static struct watched_socket *watched(struct worker *w, curl_socket_t s)
{
    size_t at = (size_t)s;
    if (s < 0)
        return NULL;
    if (at >= w->socket_count) {
        size_t count = (at + 64) & ~(size_t)63;
        struct watched_socket *grown = realloc(w->sockets, count * sizeof *grown);
        if (!grown)
            return NULL;
        memset(grown + w->socket_count, 0, (count - w->socket_count) * sizeof *grown);
        w->sockets = grown;
        w->socket_count = count;
    }
    return &w->sockets[at];
}

/* Has the set asked for these events. */
static bool set_events(struct worker *w, curl_socket_t s, struct watched_socket *at, uint32_t events)
{
    if (events == at->registered)
        return true;
    struct epoll_event event = {.events = events, .data.fd = s};
    int operation = events == 0 ? EPOLL_CTL_DEL : at->registered == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    at->registered = events;
    return epoll_ctl(w->set, operation, s, &event) == 0 || events == 0;
}

void worker_forget_socket(struct worker *w, curl_socket_t s)
{
    struct watched_socket *at = watched(w, s);
    if (at)
        (void)set_events(w, s, at, 0);
}

static int want_socket(CURL *easy, curl_socket_t s, int what, void *data, void *assigned)
{
    (void)easy;
    (void)assigned;
    struct worker *w = data;
    struct watched_socket *at = watched(w, s);
    if (!at)
        return -1;
    uint32_t wanted = 0;
    if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
        wanted |= EPOLLIN;
    if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
        wanted |= EPOLLOUT;
    at->wanted = wanted;
    if (what == CURL_POLL_REMOVE && !at->own) /* the resolver's, which is closed without a word */
        return set_events(w, s, at, 0) ? 0 : -1;
    uint32_t events = wanted | (at->registered & EPOLLIN); /* a socket is nearly always ready to be written to */
    return set_events(w, s, at, events) ? 0 : -1;
}

static curl_socket_t open_socket(void *data, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct worker *w = data;
    (void)purpose;
    int s = socket(address->family, address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, address->protocol);
    struct watched_socket *at = s >= 0 ? watched(w, s) : NULL;
    if (at)
        *at = (struct watched_socket){.own = true};
    else if (s >= 0)
        close(s);
    return at ? s : CURL_SOCKET_BAD;
}

static int close_socket(void *data, curl_socket_t s)
{
    struct worker *w = data;
    worker_forget_socket(w, s);
    if ((size_t)s < w->socket_count)
        w->sockets[s] = (struct watched_socket){0};
    return close(s);
}

/* ---- The timer ---- */

static int want_timer(CURLM *multi, long ms, void *data)
{
    (void)multi;
    struct worker *w = data;
    w->timer = ms < 0 ? NO_TIME : curl_now_ms() + ms;
    return 0;
}

bool worker_set_callbacks(struct worker *w)
{
    return curl_multi_setopt(w->multi, CURLMOPT_SOCKETFUNCTION, want_socket) == CURLM_OK &&
           curl_multi_setopt(w->multi, CURLMOPT_SOCKETDATA, w) == CURLM_OK &&
           curl_multi_setopt(w->multi, CURLMOPT_TIMERFUNCTION, want_timer) == CURLM_OK &&
           curl_multi_setopt(w->multi, CURLMOPT_TIMERDATA, w) == CURLM_OK;
}

bool handle_set_sockets(CURL *easy, struct worker *w)
{
    return curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, w) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, w) == CURLE_OK;
}

bool worker_open_alarm(struct worker *w)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = w->alarm};
    return w->alarm >= 0 && epoll_ctl(w->set, EPOLL_CTL_ADD, w->alarm, &event) == 0;
}

void worker_set_alarm(struct worker *w, int64_t time)
{
    struct itimerspec at = {.it_value = {.tv_sec = time / 1000, .tv_nsec = time % 1000 * 1000000}};
    (void)timerfd_settime(w->alarm, TFD_TIMER_ABSTIME, &at, NULL);
}

/* ---- Driving ---- */

static void handle_event(struct worker *w, const struct epoll_event *event)
{
    int running, action = 0;
    int s = event->data.fd;
    uint64_t rung;
    if (s == w->alarm) {
        (void)!read(s, &rung, sizeof rung);
        return;
    }
    struct watched_socket *at = watched(w, s);
    if (!at || at->registered == 0) /* closed, or taken out, by an event before */
        return;
    bool broken = event->events & (EPOLLHUP | EPOLLERR);
    if (!(event->events & at->wanted) && !(broken && at->wanted)) {
        (void)set_events(w, s, at, broken ? 0 : at->wanted);
        return;
    }
    if (event->events & EPOLLIN)
        action |= CURL_CSELECT_IN;
    if (event->events & EPOLLOUT)
        action |= CURL_CSELECT_OUT;
    if (event->events & EPOLLERR)
        action |= CURL_CSELECT_ERR;
    if (event->events & EPOLLHUP)
        action |= CURL_CSELECT_IN | CURL_CSELECT_OUT;
    (void)curl_multi_socket_action(w->multi, s, action, &running);
}

static void take_messages(struct worker *w)
{
    int left;
    CURLMsg *message;
    while ((message = curl_multi_info_read(w->multi, &left))) {
        char *private;
        if (message->msg != CURLMSG_DONE ||
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private) != CURLE_OK || !private)
            continue;
        struct transfer *t = (struct transfer *)(void *)private;
        t->code = message->data.result;
        t->done = true;
        transfer_mark(t);
    }
}

static int drive(void *arg)
{
    struct worker *w = arg;
    struct epoll_event events[EVENTS_AT_ONCE];
    int running;
    int count = epoll_wait(w->set, events, EVENTS_AT_ONCE, 0);
    for (int i = 0; i < count; i++)
        handle_event(w, &events[i]);
    if (w->timer <= curl_now_ms()) {
        w->timer = NO_TIME; /* libcurl tells the next one, if there is one */
        (void)curl_multi_socket_action(w->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
    take_messages(w);
    return 0;
}

int worker_drive(weir_ctx *c, struct worker *w)
{
    int error = weir_call_deep(c, drive, w);
    worker_tell(w);
    return error;
}
