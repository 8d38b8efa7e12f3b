/*
 * weir_run(): a server that stops at SIGINT and SIGTERM. The handlers' only deed is to write to a descriptor; the table
 * of those descriptors is process-wide, as signals are.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/log.h"
#include "server/server.h"
#include "server/stop.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define RUNNERS_MAX 16

static _Atomic int runners[RUNNERS_MAX]; /* descriptor + 1; 0: free */

#define WORD_SIGNAL 0x100000000u /* in an eventfd: signals are counted in the upper half, ends in the lower */

static void run_signal(int number)
{
    (void)number;
    int saved = errno;
    for (int i = 0; i < RUNNERS_MAX; i++) {
        int fd = atomic_load(&runners[i]) - 1;
        uint64_t word = WORD_SIGNAL;
        ssize_t n = fd >= 0 ? write(fd, &word, sizeof word) : 0;
        (void)n;
    }
    errno = saved;
}

static int runner_enter(int fd)
{
    for (int i = 0; i < RUNNERS_MAX; i++) {
        int none = 0;
        if (atomic_compare_exchange_strong(&runners[i], &none, fd + 1))
            return i;
    }
    return -1;
}

static bool is_default(int number, struct sigaction *before)
{
    return sigaction(number, NULL, before) == 0 && !(before->sa_flags & SA_SIGINFO) && before->sa_handler == SIG_DFL;
}

/* Installs the handler over the default action only. True: it has to be put back. */
static bool catch_signal(int number)
{
    struct sigaction before, action = {.sa_handler = run_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    return is_default(number, &before) && sigaction(number, &action, NULL) == 0;
}

/* Waits for signals and the server's end. The first signal stops gracefully, the second cuts. */
static void run_until_end(weir_server *s, int fd)
{
    int signals = 0;
    for (;;) {
        uint64_t word;
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        /* Unlike reading, polling is never restarted after a signal: a handler that was put off gets its turn. */
        if (poll(&ready, 1, -1) < 0 && errno == EINTR)
            continue;
        if (read(fd, &word, sizeof word) != (ssize_t)sizeof word)
            return;
        if (word & (WORD_SIGNAL - 1))
            return;
        if (signals++ == 0) {
            log_info(&s->log, "stopping");
            weir_server_stop(s);
        } else {
            stop_cut(s);
        }
    }
}

int weir_run(weir_server *s)
{
    if (!s)
        return WEIR_ENOMEM;
    int fd = eventfd(0, EFD_CLOEXEC);
    if (fd < 0)
        return WEIR_ESYS;
    s->end_fd = fd;
    int slot = runner_enter(fd);
    bool caught_int = catch_signal(SIGINT), caught_term = catch_signal(SIGTERM);
    int error = weir_server_start(s);
    if (!error) {
        run_until_end(s, fd);
        error = weir_server_wait(s);
    }
    if (caught_int)
        signal(SIGINT, SIG_DFL);
    if (caught_term)
        signal(SIGTERM, SIG_DFL);
    if (slot >= 0)
        atomic_store(&runners[slot], 0);
    s->end_fd = -1;
    close(fd);
    return error;
}
