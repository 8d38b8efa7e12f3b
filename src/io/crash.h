/*
 * What the handlers of fatal signals do: compose a line without the C library, write it to standard error, and let the
 * signal have its default action. All of it is safe in a signal handler.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_IO_CRASH_H
#define WEIR_IO_CRASH_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>

struct crash_text {
    char data[512];
    size_t len;
};

/* Appends text, as much as there is room for. */
void crash_put(struct crash_text *t, const char *text);
void crash_put_number(struct crash_text *t, uintptr_t number, unsigned base);
/* Writes the text to standard error, unless that has no room: who waits for a reader that does not read never
 * ends. */
void crash_say(const struct crash_text *t);

/* Lets a signal end the process when its handler returns. */
void crash_again(int number, const siginfo_t *info);

/* The handler of weir_catch_crash(). */
void crash_caught(int number, siginfo_t *info, void *context);

/* Names the worker whose the calling thread is. method: writes the method of the request that runs, "" if it is not
 * known; called in a signal handler, on a fiber that has a label. */
void crash_name(int worker, void (*method)(void *arg, char *method, size_t size), void *arg);

#endif
