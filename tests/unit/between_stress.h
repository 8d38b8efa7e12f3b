/*
 * Every primitive between fibers at once: handlers of four workers and threads of the program play games by them, with
 * short and random patience, so that what is granted often meets a timeout. Checked are mutual exclusion, that no
 * token is lost or made, order of each sender's items, and that each game goes on: the watch is kept by what has been
 * done, not by time, but for how long nothing may be done.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_TESTS_BETWEEN_STRESS_H
#define WEIR_TESTS_BETWEEN_STRESS_H

#include "base/debug.h"
#include "selftest.h"
#include "weir.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    WORKERS = 4,
    HANDLERS = 24,
    THREADS = 2,
    PLAYERS = HANDLERS + THREADS,
    ROUNDS = 4000,
    ONCES = 8192,
    PERMITS = 3
};
enum game { GAME_MUTEX, GAME_COND, GAME_SEMAPHORE, GAME_GROUP, GAME_CHANNEL, GAME_HAND, GAME_ONCE, GAMES };

struct item {
    uint32_t sender;
    uint64_t sequence;
};

/* A channel of items, and what is known of it. */
struct line {
    weir_channel *channel;
    _Atomic long sent, received;
    uint64_t last[PLAYERS];          /* each sender's own */
    uint64_t seen[PLAYERS][PLAYERS]; /* each receiver's own, by sender */
};

static struct world {
    weir_server *server;
    _Atomic long done[GAMES]; /* rounds that were played to their end */
    _Atomic int finished;     /* players */
    _Atomic bool over;
    weir_mutex mutex;
    bool held; /* guarded by mutex */
    weir_mutex token_mutex;
    weir_cond token_cond;
    long tokens, produced, consumed; /* guarded by token_mutex */
    weir_semaphore semaphore;
    _Atomic int inside;
    weir_channel *jobs; /* of weir_wait_group *: each is to be told that one is done */
    struct line line, hand;
    weir_once onces[ONCES];
    _Atomic int once_running[ONCES], once_done[ONCES], once_next;
} world;

struct player {
    weir_ctx *c; /* NULL: a thread */
    uint32_t number;
    uint64_t random;
};

static WRAPS uint32_t draw(struct player *p, uint32_t below)
{
    p->random = p->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(p->random >> 33) % below;
}

/* Milliseconds; now and then 0: without end. */
static int patience(struct player *p)
{
    return draw(p, 16) == 0 ? 0 : 1 + (int)draw(p, 3);
}

static void dawdle(struct player *p)
{
    uint32_t how = draw(p, 8);
    if (how == 0 && p->c)
        weir_sleep(p->c, 1);
    else if (how == 0)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    else if (how < 4 && p->c)
        weir_yield(p->c);
    else if (how < 4)
        sched_yield();
}

/* ---- The games: each returns whether the round was played to its end */

static bool play_mutex(struct player *p)
{
    int error = draw(p, 8) == 0 ? weir_mutex_try(&world.mutex) : weir_mutex_lock(p->c, &world.mutex, patience(p));
    if (error) {
        CHECK(error == WEIR_ETIMEDOUT || error == WEIR_EBUSY);
        return false;
    }
    CHECK(!world.held);
    world.held = true;
    dawdle(p);
    CHECK(world.held);
    world.held = false;
    CHECK(weir_mutex_unlock(&world.mutex) == 0);
    return true;
}

static bool play_cond(struct player *p)
{
    bool consumes = draw(p, 2) == 0, played = !consumes;
    if (weir_mutex_lock(p->c, &world.token_mutex, 0) != 0)
        return false;
    if (!consumes) {
        world.tokens++;
        world.produced++;
        if (draw(p, 4) == 0)
            weir_cond_broadcast(&world.token_cond);
        else
            weir_cond_signal(&world.token_cond);
    } else {
        int error = 0;
        while (world.tokens == 0 && error == 0 && !world.over)
            error = weir_cond_wait(p->c, &world.token_cond, &world.token_mutex, patience(p));
        CHECK(error == 0 || error == WEIR_ETIMEDOUT);
        CHECK(weir_mutex_try(&world.token_mutex) == WEIR_EBUSY);
        played = world.tokens > 0;
        world.tokens -= played;
        world.consumed += played;
    }
    CHECK(weir_mutex_unlock(&world.token_mutex) == 0);
    return played;
}

static bool play_semaphore(struct player *p)
{
    int error = weir_semaphore_acquire(p->c, &world.semaphore, patience(p));
    if (error) {
        CHECK(error == WEIR_ETIMEDOUT);
        return false;
    }
    CHECK(++world.inside <= PERMITS);
    dawdle(p);
    world.inside--;
    CHECK(weir_semaphore_release(&world.semaphore, 1) == 0);
    return true;
}

/* Does a job that waits, if there is one. */
static void help(void)
{
    weir_wait_group *g;
    if (weir_channel_try_receive(world.jobs, &g) == 0)
        CHECK(weir_wait_group_done(g) == 0);
}

/* Has others do a job; the group lies on the player's stack. */
static bool play_group(struct player *p)
{
    weir_wait_group g = {0}, *job = &g;
    int error;
    help();
    CHECK(weir_wait_group_add(&g, 1) == 0);
    while ((error = weir_channel_send(p->c, world.jobs, &job, 1 + (int)draw(p, 2))) == WEIR_ETIMEDOUT)
        help();
    if (error == WEIR_EDONE)
        return false;
    while ((error = weir_wait_group_wait(p->c, &g, 1 + (int)draw(p, 2))) == WEIR_ETIMEDOUT)
        help();
    CHECK(error == 0);
    return true;
}

static bool play_line(struct player *p, struct line *line)
{
    int error;
    if (draw(p, 2) == 0) {
        struct item item = {p->number, line->last[p->number] + 1};
        error = weir_channel_send(p->c, line->channel, &item, patience(p));
        if (!error) {
            line->last[p->number]++;
            line->sent++;
        }
    } else {
        struct item item;
        error = weir_channel_receive(p->c, line->channel, &item, patience(p));
        if (!error) {
            uint64_t *seen = &line->seen[p->number][item.sender];
            CHECK(item.sequence > *seen);
            *seen = item.sequence;
            line->received++;
        }
    }
    CHECK(error == 0 || error == WEIR_ETIMEDOUT || (world.over && error == WEIR_EDONE));
    return error == 0;
}

struct attempt {
    struct player *player;
    int number;
};

static int attempt_once(weir_ctx *c, void *arg)
{
    struct attempt *a = arg;
    CHECK(c == a->player->c);
    CHECK(world.once_running[a->number]++ == 0);
    dawdle(a->player);
    int result = draw(a->player, 2) ? WEIR_EIO : 0;
    if (result == 0)
        CHECK(world.once_done[a->number]++ == 0);
    world.once_running[a->number]--;
    return result;
}

static bool play_once(struct player *p)
{
    struct attempt a = {p, world.once_next % ONCES};
    int expected = a.number, error = weir_once_run(p->c, &world.onces[a.number], attempt_once, &a);
    CHECK(error == 0 || error == WEIR_EIO);
    CHECK(error != 0 || world.once_done[a.number] == 1);
    if (error == 0 && a.number + 1 < ONCES)
        atomic_compare_exchange_strong(&world.once_next, &expected, a.number + 1);
    return error == 0;
}

static bool play_round(struct player *p, enum game game)
{
    switch (game) {
    case GAME_MUTEX:
        return play_mutex(p);
    case GAME_COND:
        return play_cond(p);
    case GAME_SEMAPHORE:
        return play_semaphore(p);
    case GAME_GROUP:
        return play_group(p);
    case GAME_CHANNEL:
        return play_line(p, &world.line);
    case GAME_HAND:
        return play_line(p, &world.hand);
    default:
        return play_once(p);
    }
}

static void play(weir_ctx *c, uint32_t number)
{
    struct player p = {.c = c, .number = number, .random = number * 7919 + 1};
    while (!world.over) {
        enum game game = (enum game)draw(&p, GAMES);
        if (play_round(&p, game))
            world.done[game]++;
        if (c)
            weir_yield(c);
    }
    world.finished++;
}

static void play_by_handler(weir_ctx *c)
{
    int64_t number = -1;
    CHECK(weir_param_int(c, "number", 0, PLAYERS - 1, &number) == 0);
    play(c, (uint32_t)number);
    weir_reply_text(c, "done");
}

static void *play_by_thread(void *arg)
{
    play(NULL, *(uint32_t *)arg);
    return NULL;
}

/* ---- The watch */

static int ask_to_play(int port, int number)
{
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    char request[128];
    int len = snprintf(request, sizeof request, "GET /play/%d HTTP/1.1\r\nHost: a\r\n\r\n", number);
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect(fd, (struct sockaddr *)&server, sizeof server) == 0);
    CHECK(send(fd, request, (size_t)len, 0) == len);
    return fd;
}

static void tick(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
}

/* Waits until every game has been played enough. The number of a game that has not gone on for that many ticks, or -1.
 */
static int watch_games(int ticks_most)
{
    long before[GAMES] = {0};
    int still[GAMES] = {0};
    for (;;) {
        bool enough = true;
        tick();
        for (int i = 0; i < GAMES; i++) {
            long now = world.done[i];
            still[i] = now == before[i] && now < ROUNDS ? still[i] + 1 : 0;
            before[i] = now;
            enough = enough && now >= ROUNDS;
            if (still[i] > ticks_most)
                return i;
        }
        if (enough || failures)
            return -1;
    }
}

/* Ends the games. False: a player does not end. */
static bool end_games(int ticks_most)
{
    world.over = true;
    weir_channel_close(world.line.channel);
    weir_channel_close(world.hand.channel);
    weir_channel_close(world.jobs);
    for (int i = 0; i < ticks_most && world.finished < PLAYERS; i++) {
        weir_cond_broadcast(&world.token_cond);
        tick();
    }
    return world.finished == PLAYERS;
}

static void check_line(struct line *line)
{
    struct item item;
    while (weir_channel_try_receive(line->channel, &item) == 0)
        line->received++;
    CHECK(line->sent == line->received);
}

static void check_world(void)
{
    check_line(&world.line);
    check_line(&world.hand);
    CHECK(world.produced == world.consumed + world.tokens);
    CHECK(weir_mutex_try(&world.mutex) == 0 && weir_mutex_try(&world.token_mutex) == 0);
    for (int i = 0; i < PERMITS; i++)
        CHECK(weir_semaphore_try(&world.semaphore) == 0);
    CHECK(weir_semaphore_try(&world.semaphore) == WEIR_EBUSY);
}

static weir_server *stress_server(void)
{
    weir_server *s = weir_server_new(&(weir_config){
        .port = WEIR_ANY, .workers = WORKERS, .log_level = WEIR_OFF, .max_connections = 64, .stop_timeout_ms = 60000});
    CHECK(weir_get(s, "/play/{number}", play_by_handler) == 0);
    CHECK(weir_semaphore_init(&world.semaphore, PERMITS) == 0);
    world.line.channel = weir_channel_new(s, 4, sizeof(struct item));
    world.hand.channel = weir_channel_new(s, 0, sizeof(struct item));
    world.jobs = weir_channel_new(s, 2, sizeof(weir_wait_group *));
    return s;
}

/* Plays. ticks_most: for how long a game may stand still, in 50ths of a second. False: something stands still, and the
 * process can only be left. */
static bool stress(int ticks_most)
{
    pthread_t threads[THREADS];
    uint32_t numbers[THREADS];
    int clients[HANDLERS];
    world.server = stress_server();
    CHECK(weir_server_start(world.server) == 0);
    for (int i = 0; i < HANDLERS; i++)
        clients[i] = ask_to_play(weir_server_port(world.server), i);
    for (uint32_t i = 0; i < THREADS; i++) {
        numbers[i] = HANDLERS + i;
        CHECK(pthread_create(&threads[i], NULL, play_by_thread, &numbers[i]) == 0);
    }
    int still = watch_games(ticks_most);
    if (still >= 0)
        printf("game %d stands still\n", still);
    bool ended = still < 0 && end_games(ticks_most);
    for (int i = 0; i < THREADS; i++)
        ended ? pthread_join(threads[i], NULL) : pthread_detach(threads[i]);
    if (!ended)
        return false;
    check_world();
    for (int i = 0; i < HANDLERS; i++)
        close(clients[i]);
    weir_server_stop(world.server);
    CHECK(weir_server_wait(world.server) == 0);
    weir_channel_free(world.line.channel);
    weir_channel_free(world.hand.channel);
    weir_channel_free(world.jobs);
    weir_server_free(world.server);
    return true;
}

#endif
