/*
 * Words to the compiler and to the tools that watch the code run: assertions, branch hints, lock discipline.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_BASE_DEBUG_H
#define WEIR_BASE_DEBUG_H

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#define WEIR_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WEIR_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define WEIR_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WEIR_TSAN 1
#endif
#endif

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define COLD        __attribute__((cold, noinline))
#define FALLTHROUGH __attribute__((fallthrough))
#define MUST_CHECK  __attribute__((warn_unused_result))

/* An impossible state ends the process: going on with broken invariants on a network is worse than stopping. Kept in
 * release builds; hot paths use debug_assert. */
#define weir_assert(condition)                                                                                         \
    do {                                                                                                               \
        if (unlikely(!(condition))) {                                                                                  \
            fprintf(stderr, "weir: %s:%d: impossible state: %s\n", __FILE__, __LINE__, #condition);                    \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

#ifdef WEIR_DEBUG
#define debug_assert(condition) weir_assert(condition)
#else
#define debug_assert(condition) ((void)sizeof(condition))
#endif

/* Marks a function whose arithmetic is meant modulo 2^n. Elsewhere an unsigned sum that wraps, or a bit that is shifted
 * out, is a fault to clang's sanitizers. gcc does not look for either. */
#if defined(__clang__)
#define WRAPS __attribute__((no_sanitize("unsigned-integer-overflow", "unsigned-shift-base")))
#else
#define WRAPS
#endif

/* Lock discipline, checked by clang (-Wthread-safety); gcc knows nothing of these attributes. */
#if defined(__clang__)
#define THREAD_ANNOTATION(x) __attribute__((x))
#else
#define THREAD_ANNOTATION(x)
#endif
#define LOCKABLE          THREAD_ANNOTATION(capability("mutex"))
#define GUARDED_BY(x)     THREAD_ANNOTATION(guarded_by(x))
#define ACQUIRED_AFTER(x) THREAD_ANNOTATION(acquired_after(x))
#define ACQUIRES(...)     THREAD_ANNOTATION(acquire_capability(__VA_ARGS__))
#define RELEASES(...)     THREAD_ANNOTATION(release_capability(__VA_ARGS__))
#define REQUIRES(...)     THREAD_ANNOTATION(requires_capability(__VA_ARGS__))
#define EXCLUDES(...)     THREAD_ANNOTATION(locks_excluded(__VA_ARGS__))
#define NO_THREAD_CHECK   THREAD_ANNOTATION(no_thread_safety_analysis)

#endif
