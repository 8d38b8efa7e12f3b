/*
 * Telling of a crash. The handler runs on the worker's alternate stack, looks at what its own thread alone changes,
 * and takes no lock. What it looks at may be what is broken: a fault within it ends the process at once, so that what
 * is sure is written first.
 *
 * SPDX-License-Identifier: MIT
 */
#include "io/crash.h"
#include "io/overflow.h"
#include "weir.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

#define METHOD_SIZE 24

static const struct {
    int number;
    const char *name;
} signals[] = {
    {SIGSEGV, "SIGSEGV"}, {SIGBUS, "SIGBUS"}, {SIGILL, "SIGILL"}, {SIGFPE, "SIGFPE"}, {SIGABRT, "SIGABRT"},
};

/* The thread's place in the server, if it is a worker's. */
static _Thread_local struct {
    void (*method)(void *arg, char *method, size_t size); /* NULL: the thread is no worker's */
    void *arg;
    int worker;
} own;

void crash_put(struct crash_text *t, const char *text)
{
    size_t len = strlen(text), room = sizeof t->data - t->len;
    if (len > room)
        len = room;
    memcpy(t->data + t->len, text, len);
    t->len += len;
}

void crash_put_number(struct crash_text *t, uintptr_t number, unsigned base)
{
    char digits[24];
    size_t at = sizeof digits;
    digits[--at] = '\0';
    do {
        digits[--at] = "0123456789abcdef"[number % base];
        number /= base;
    } while (number);
    crash_put(t, digits + at);
}

void crash_say(const struct crash_text *t)
{
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&out, 1, 0) == 1 && (out.revents & POLLOUT)) {
        ssize_t n = write(STDERR_FILENO, t->data, t->len);
        (void)n;
    }
}

void crash_again(int number, const siginfo_t *info)
{
    signal(number, SIG_DFL);
    /* A fault happens once more when the handler returns, in its own place; a signal that was sent does not. */
    if (info->si_code <= 0)
        raise(number);
}

static void put_signal(struct crash_text *t, int number, const siginfo_t *info)
{
    crash_put(t, "weir: ");
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        if (signals[i].number == number)
            crash_put(t, signals[i].name);
    if (info->si_code > 0) {
        crash_put(t, number == SIGSEGV || number == SIGBUS ? " at address 0x" : " by the instruction at 0x");
        crash_put_number(t, (uintptr_t)info->si_addr, 16);
    }
}

/* Appends where the crash happened. True: in a handler, whose method is to be told. */
static bool put_place(struct crash_text *t, const struct fibers *f)
{
    if (!own.method) {
        crash_put(t, " in a thread that is no worker's");
        return false;
    }
    crash_put(t, " in worker ");
    crash_put_number(t, (uintptr_t)own.worker, 10);
    if (!f || !f->current) {
        crash_put(t, ", outside of any request");
        return false;
    }
    const char *pattern = f->current->label;
    crash_put(t, pattern ? ", in the handler of " : ", in a request without a route");
    if (pattern)
        crash_put(t, pattern);
    return pattern != NULL;
}

void crash_caught(int number, siginfo_t *info, void *context)
{
    (void)context;
    struct crash_text text = {.len = 0};
    char method[METHOD_SIZE] = "";
    if (number == SIGSEGV && info->si_code > 0)
        (void)overflow_tell(info->si_addr);
    put_signal(&text, number, info);
    bool handler = put_place(&text, overflow_watched());
    crash_say(&text);
    text.len = 0;
    if (handler)
        own.method(own.arg, method, sizeof method);
    if (method[0] != '\0') {
        crash_put(&text, ", method ");
        crash_put(&text, method);
    }
    crash_put(&text, "\n");
    crash_say(&text);
    crash_again(number, info);
}

void crash_name(int worker, void (*method)(void *arg, char *method, size_t size), void *arg)
{
    own.worker = worker;
    own.method = method;
    own.arg = arg;
}

/* Installs the handler of one signal. Returns 0 or an error; an action that is not the default one stays, and is an
 * error. */
static int catch_one(int number)
{
    struct sigaction before, action = {.sa_sigaction = crash_caught, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    if (sigaction(number, NULL, &before) != 0)
        return WEIR_ESYS;
    bool own_action = (before.sa_flags & SA_SIGINFO) &&
                      (before.sa_sigaction == crash_caught || overflow_is_caught(before.sa_sigaction));
    if (before.sa_handler != SIG_DFL && !own_action)
        return WEIR_EBUSY;
    return sigaction(number, &action, NULL) == 0 ? 0 : WEIR_ESYS;
}

int weir_catch_crash(void)
{
    int error = 0;
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        int one = catch_one(signals[i].number);
        if (one)
            error = one;
    }
    return error;
}
