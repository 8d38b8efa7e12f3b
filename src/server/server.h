/*
 * A server's record. What is in it is made before the workers run and is read-only while they do, but for what says
 * otherwise.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_SERVER_SERVER_H
#define WEIR_SERVER_SERVER_H

#include "base/lock.h"
#include "server/admin.h"
#include "server/process_memory.h"
#include "server/tasks.h"
#include "server/worker.h"
#include "web/cache/cache.h"
#include "web/topic/topic.h"

enum server_state { SERVER_NEW, SERVER_STARTING, SERVER_RUNNING, SERVER_FAILED, SERVER_ENDED };

LOCK_ROLE(server_lock)

struct weir_server {
    struct memory memory;
    struct account account;         /* what lives as long as the server; shared */
    struct account thread_account;  /* stacks of threads; shared */
    struct account tls_account;     /* certificates and settings of TLS; shared; not open where no listener has any */
    struct account body_account;    /* bodies larger than request memory; shared; not open where no group allows any */
    struct account deflate_account; /* likewise "websocket compression"; open from the start on */
    struct account compression_account; /* bounds the workers' of that name; shared; not open where no group asks */
    struct log log;
    struct site site;
    struct settings settings;
    struct offload offload;
    struct list offload_pools; /* the program's, see offload_pools.h */
    struct outgoing outgoing;
    struct list caches;
    struct list connection_pools;     /* made before the start, all of them */
    weir_cache *kept_forms, *digests; /* among them: the server's own, see caches_make_own(); NULL: not asked for */
    struct cache_waits cache_waits;
    struct topics topics;                         /* any thread */
    struct tasks tasks;                           /* any thread */
    struct list accounts GUARDED_BY(server_lock); /* the program's */
    struct worker *workers;
    size_t workers_size;
    struct route_counters *route_counters; /* see route_times.h */
    _Atomic uint64_t open;                 /* connections, all workers */
    struct address_table addresses;
    struct socket_memory_total sockets;
    struct process_memory process_memory;
    struct admin admin;
    uint64_t start_ns;     /* CLOCK_MONOTONIC when the workers began to serve */
    _Atomic uint64_t sets; /* sets promised to requests, all workers; see admission.h */
    _Atomic bool stopping;
    _Atomic int port;
    int end_fd; /* written to when the last worker has ended; -1: nobody asks */
    struct thread watchdog, tls_watch;
    struct test *test; /* of a program that tests the server in process; NULL: none does */
    struct lock lock;
    pthread_cond_t changed;
    enum server_state state GUARDED_BY(server_lock);
    int ready GUARDED_BY(server_lock);   /* workers that have set up, well or not */
    int running GUARDED_BY(server_lock); /* threads that have not ended */
    bool joined GUARDED_BY(server_lock);
};

#endif
