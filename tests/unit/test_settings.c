/*
 * Settings: defaults, bounds, what may be off, and that every wrong one is named, all at once.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "server/settings.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

struct fixture {
    struct memory memory;
    struct site site;
    struct settings settings;
};

static int fixture_open(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    memory_init(&f->memory, 0);
    assert_int_equal(site_init(&f->site, &f->memory, NULL), 0);
    *state = f;
    return 0;
}

static int fixture_close(void **state)
{
    struct fixture *f = *state;
    site_done(&f->site);
    memory_done(&f->memory);
    free(f);
    return 0;
}

static const char *read_settings(struct fixture *f, const weir_config *config)
{
    f->site.errors_len = 0;
    f->site.errors[0] = '\0';
    settings_read(&f->settings, config, sizeof *config, &f->site);
    settings_complete(&f->settings);
    return f->site.errors;
}

static size_t count_lines(const char *text)
{
    size_t lines = 0;
    for (; *text; lines++) {
        const char *end = strchr(text, '\n');
        text = end ? end + 1 : text + strlen(text);
    }
    return lines;
}

static void defaults(void **state)
{
    struct fixture *f = *state;
    settings_read(&f->settings, NULL, 0, &f->site);
    settings_complete(&f->settings);
    assert_string_equal(f->site.errors, "");
    const weir_config *c = &f->settings.config;
    assert_int_equal(c->port, 8080);
    assert_int_equal(c->backlog, 1024);
    assert_int_equal(c->http_buffer_size, 8192);
    assert_int_equal(c->ws_buffer_size, 4096);
    assert_int_equal(c->stack_size, 65536);
    assert_int_equal(c->deep_stack_size, 1 << 20);
    assert_int_equal(c->offload_stack_size, 1 << 20);
    assert_int_equal(c->request_memory, 16384);
    assert_int_equal(c->max_headers, 100);
    assert_int_equal(c->offload_threads, 4);
    assert_int_equal(c->memory_limit, 0);
    assert_int_equal(c->max_body_memory, 64 << 20);
    assert_int_equal(c->kernel_memory_limit, 0);
    assert_int_equal(c->tcp_nodelay, WEIR_ON);
    assert_int_equal(c->so_linger, WEIR_OFF);
    assert_int_equal(c->shared_listener, WEIR_OFF);
    assert_int_equal(c->log_level, WEIR_LOG_WARN);
    assert_true(c->workers >= 1 && c->workers == settings_processors());
    assert_true(c->max_connections > 0);
    assert_int_equal(f->settings.listener_count, 1);
    char text[ADDRESS_TEXT_MAX];
    assert_string_equal(address_format(&f->settings.listeners[0].address, text, sizeof text), "127.0.0.1:8080");
    assert_int_equal(f->settings.http.buffer_size, 8192);
    assert_int_equal(f->settings.http.header_timeout_ms, 10000);
    assert_int_equal(f->settings.http.idle_timeout_ms, 60000);
    assert_int_equal(f->settings.http.body_timeout_ms, 30000);
    assert_int_equal(f->settings.http.write_timeout_ms, 30000);
    assert_int_equal(f->settings.http.drain_limit, 65536);
}

static void given(void **state)
{
    struct fixture *f = *state;
    weir_config config = {.host = "::1",
                          .port = 60000,
                          .http_buffer_size = 16384,
                          .ws_buffer_size = 8192,
                          .tcp_nodelay = WEIR_OFF,
                          .so_linger = 5,
                          .workers = 3,
                          .header_timeout_ms = 1,
                          .max_headers = 1000};
    assert_string_equal(read_settings(f, &config), "");
    char text[ADDRESS_TEXT_MAX];
    const struct listen_spec *spec = &f->settings.listeners[0];
    assert_string_equal(address_format(&spec->address, text, sizeof text), "[::1]:60000");
    assert_false(spec->nodelay);
    assert_int_equal(spec->linger_seconds, 5);
    assert_int_equal(f->settings.config.workers, 3);
    assert_int_equal(f->settings.http.buffer_size, 16384);
    assert_int_equal(f->settings.http.max_headers, 1000);
    assert_int_equal(f->settings.http.header_timeout_ms, 1);
}

static void off(void **state)
{
    struct fixture *f = *state;
    weir_config config = {.port = WEIR_ANY,
                          .header_timeout_ms = WEIR_OFF,
                          .idle_timeout_ms = WEIR_OFF,
                          .body_timeout_ms = WEIR_OFF,
                          .write_timeout_ms = WEIR_OFF,
                          .drain_limit = WEIR_OFF,
                          .watchdog_ms = WEIR_OFF,
                          .notsent_lowat = WEIR_OFF,
                          .log_level = WEIR_OFF};
    assert_string_equal(read_settings(f, &config), "");
    assert_int_equal(f->settings.http.header_timeout_ms, TIMER_DELAY_MAX);
    assert_int_equal(f->settings.http.idle_timeout_ms, TIMER_DELAY_MAX);
    assert_int_equal(f->settings.http.body_timeout_ms, TIMER_DELAY_MAX);
    assert_int_equal(f->settings.http.write_timeout_ms, TIMER_DELAY_MAX);
    assert_int_equal(f->settings.http.drain_limit, 0);
    assert_int_equal(address_port(&f->settings.listeners[0].address), 0);
    assert_true(f->settings.listeners[0].notsent_lowat < 0);
}

static const char *const names[] = {
    "host",
    "port",
    "backlog",
    "shared_listener",
    "workers",
    "offload_threads",
    "http_buffer_size",
    "ws_buffer_size",
    "http_buffers",
    "stack_size",
    "deep_stack_size",
    "offload_stack_size",
    "request_memory",
    "memory_limit",
    "kernel_memory_limit",
    "request_memory_blocks",
    "stacks",
    "request_records",
    "connection_records",
    "max_http_buffers",
    "max_stacks",
    "max_request_records",
    "max_request_memory_blocks",
    "open_files",
    "open_files_valid_ms",
    "tcp_nodelay",
    "so_linger",
    "notsent_lowat",
    "send_buffer",
    "receive_buffer",
    "max_connections",
    "max_headers",
    "pipeline_depth",
    "header_timeout_ms",
    "idle_timeout_ms",
    "body_timeout_ms",
    "write_timeout_ms",
    "stop_timeout_ms",
    "watchdog_ms",
    "drain_limit",
    "log_level",
};
#define NAMES (sizeof names / sizeof names[0])

/* Every member that has bounds, one beyond them: all are named at once, and each has its default then. */
static void all_wrong(void **state)
{
    struct fixture *f = *state;
    weir_config config = {.host = "no such host",
                          .port = 65536,
                          .backlog = -1,
                          .shared_listener = 2,
                          .workers = WORKERS_MAX + 1,
                          .offload_threads = 257,
                          .http_buffer_size = 1023,
                          .ws_buffer_size = 255,
                          .http_buffers = -1,
                          .stack_size = 16383,
                          .deep_stack_size = 65535,
                          .offload_stack_size = (64 << 20) + 1,
                          .request_memory = (1 << 20) + 1,
                          .memory_limit = SIZE_MAX,
                          .kernel_memory_limit = (1 << 20) - 1,
                          .request_memory_blocks = -1,
                          .stacks = -1,
                          .request_records = (1 << 20) + 1,
                          .connection_records = -1,
                          .max_http_buffers = 1,
                          .max_stacks = -2,
                          .max_request_records = (1 << 20) + 1,
                          .max_request_memory_blocks = -2,
                          .open_files = 3,
                          .open_files_valid_ms = 2001,
                          .tcp_nodelay = 2,
                          .so_linger = 65536,
                          .notsent_lowat = 1023,
                          .send_buffer = 1023,
                          .receive_buffer = 1023,
                          .max_connections = -1,
                          .max_headers = 1001,
                          .pipeline_depth = -1,
                          .header_timeout_ms = -2,
                          .idle_timeout_ms = -2,
                          .body_timeout_ms = -2,
                          .write_timeout_ms = 86400001,
                          .stop_timeout_ms = -1,
                          .watchdog_ms = -2,
                          .drain_limit = -2,
                          .log_level = 5};
    const char *errors = read_settings(f, &config);
    for (size_t i = 0; i < NAMES; i++) {
        char want[64];
        snprintf(want, sizeof want, "setting %s:", names[i]);
        if (!strstr(errors, want))
            print_error("%s is not in:\n%s\n", want, errors);
        assert_non_null(strstr(errors, want));
    }
    assert_int_equal(count_lines(errors), NAMES);
    assert_int_equal(f->settings.config.http_buffer_size, 8192);
    assert_int_equal(f->settings.config.header_timeout_ms, 10000);
}

/* What is made before the start, and the bounds: their defaults, and that both find their way. */
static void pools(void **state)
{
    struct fixture *f = *state;
    weir_config config = {.max_connections = 100};
    const weir_config *c = &f->settings.config;
    assert_string_equal(read_settings(f, &config), "");
    assert_int_equal(c->http_buffers, 8);
    assert_int_equal(c->stacks, 1);
    assert_int_equal(c->request_records, 1);
    assert_int_equal(c->request_memory_blocks, 4);
    assert_int_equal(c->connection_records, 1);
    assert_int_equal(c->max_http_buffers, WEIR_OFF);
    assert_int_equal(c->max_stacks, WEIR_OFF);
    assert_int_equal(c->max_request_records, WEIR_OFF);
    assert_int_equal(c->max_request_memory_blocks, WEIR_OFF);
    assert_false(admission_bounds_any(&f->settings.http.bounds));

    config = (weir_config){.http_buffers = 20,
                           .stacks = 21,
                           .request_records = 22,
                           .request_memory_blocks = 23,
                           .connection_records = 24,
                           .max_connections = 24,
                           .max_http_buffers = 41,
                           .max_stacks = 21,
                           .max_request_records = 31,
                           .max_request_memory_blocks = 30};
    assert_string_equal(read_settings(f, &config), "");
    assert_int_equal(c->stacks, 21);
    assert_int_equal(c->request_records, 22);
    assert_int_equal(c->connection_records, 24);
    assert_int_equal(f->settings.http.bounds.buffers, 41);
    assert_int_equal(f->settings.http.bounds.stacks, 21);
    assert_int_equal(f->settings.http.bounds.records, 31);
    assert_int_equal(f->settings.http.bounds.arenas, 30);
    assert_int_equal(admission_bounds_sets(&f->settings.http.bounds), 20);

    /* A default gives way. */
    config = (weir_config){.max_http_buffers = 2, .max_request_memory_blocks = 1, .max_stacks = 1};
    assert_string_equal(read_settings(f, &config), "");
    assert_int_equal(c->http_buffers, 2);
    assert_int_equal(c->request_memory_blocks, 1);
    assert_int_equal(admission_bounds_sets(&f->settings.http.bounds), 1);
}

/* Under a bound on all memory the large stacks are a part of it, but never too small for a parser at its own limit. */
static void large_stacks(void **state)
{
    struct fixture *f = *state;
    const weir_config *c = &f->settings.config;
    static const size_t limits[][2] = {
        {1 << 20, 256 << 10}, {8 << 20, 256 << 10}, {16 << 20, 512 << 10}, {1 << 30, 1 << 20}};
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        assert_string_equal(read_settings(f, &(weir_config){.memory_limit = limits[i][0]}), "");
        assert_int_equal(c->deep_stack_size, limits[i][1]);
        assert_int_equal(c->offload_stack_size, limits[i][1]);
    }
    weir_config config = {.memory_limit = 8 << 20, .deep_stack_size = 2 << 20, .offload_stack_size = 64 << 10};
    assert_string_equal(read_settings(f, &config), "");
    assert_int_equal(c->deep_stack_size, 2 << 20);
    assert_int_equal(c->offload_stack_size, 64 << 10);
}

/* Files that are kept open take nothing from connections that were asked for. */
static void descriptors_are_shared(void **state)
{
    struct fixture *f = *state;
    const weir_config *c = &f->settings.config;
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit limit = {.rlim_cur = 512, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_string_equal(read_settings(f, &(weir_config){.workers = 2}), "");
    assert_int_equal(c->open_files, 32);
    assert_in_range(c->max_connections, 1, 512 - 64 - 2 * 32);
    assert_string_equal(read_settings(f, &(weir_config){.workers = 2, .max_connections = 300}), "");
    assert_int_equal(c->open_files, 32);
    assert_string_equal(read_settings(f, &(weir_config){.workers = 2, .max_connections = 438}), "");
    assert_int_equal(c->open_files, 5);
    for (int connections = 448; connections < 2000; connections += 500) {
        assert_string_equal(read_settings(f, &(weir_config){.workers = 2, .max_connections = connections}), "");
        assert_int_equal(c->open_files, WEIR_OFF);
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

/* What was asked for before the start is more than there may ever be. */
static void pools_beyond_their_bounds(void **state)
{
    struct fixture *f = *state;
    weir_config config = {.http_buffers = 9,
                          .stacks = 9,
                          .request_records = 9,
                          .request_memory_blocks = 9,
                          .connection_records = 9,
                          .max_connections = 8,
                          .max_http_buffers = 8,
                          .max_stacks = 8,
                          .max_request_records = 8,
                          .max_request_memory_blocks = 8};
    assert_string_equal(read_settings(f, &config), "setting http_buffers: 9 is more than max_http_buffers, 8\n"
                                                   "setting stacks: 9 is more than max_stacks, 8\n"
                                                   "setting request_records: 9 is more than max_request_records, 8\n"
                                                   "setting request_memory_blocks: 9 is more than "
                                                   "max_request_memory_blocks, 8\n"
                                                   "setting connection_records: 9 is more than max_connections, 8\n");
}

/* A program that was compiled with an older, shorter structure gets the defaults of what it does not know. */
static void shorter(void **state)
{
    struct fixture *f = *state;
    weir_config config = {.port = 1234, .log_level = 77, .drain_limit = -5};
    settings_read(&f->settings, &config, offsetof(weir_config, workers), &f->site);
    assert_string_equal(f->site.errors, "");
    assert_int_equal(f->settings.config.port, 1234);
    assert_int_equal(f->settings.config.log_level, WEIR_LOG_WARN);
}

static void listeners(void **state)
{
    struct fixture *f = *state;
    weir_config config = {0};
    read_settings(f, &config);
    assert_int_equal(settings_add_listener(&f->settings, &(weir_listen_config){.port = 81}, &f->site), 0);
    assert_int_equal(settings_add_listener(&f->settings, &(weir_listen_config){.host = "unix:/tmp/x"}, &f->site), 0);
    assert_string_equal(f->site.errors, "");
    assert_true(f->settings.listeners[2].shared);
    settings_complete(&f->settings);
    assert_int_equal(f->settings.listener_count, 2); /* the default address was not asked for */
    assert_int_equal(address_port(&f->settings.listeners[0].address), 81);

    config.send_buffer = 50000;
    read_settings(f, &config);
    const weir_listen_config lean = {.port = 81, .notsent_lowat = 16384, .receive_buffer = WEIR_OFF};
    assert_int_equal(settings_add_listener(&f->settings, &lean, &f->site), 0);
    assert_int_equal(f->settings.listeners[1].notsent_lowat, 16384);
    assert_int_equal(f->settings.listeners[1].send_buffer, 50000);
    assert_int_equal(f->settings.listeners[1].receive_buffer, WEIR_OFF);

    const weir_listen_config wrong[] = {{.fd = -1},           {.backlog = -1},         {.port = -2},
                                        {.port = 65536},      {.unix_mode = 01000},    {.host = "x.y"},
                                        {.host = "unix:"},    {.notsent_lowat = 1023}, {.send_buffer = -2},
                                        {.receive_buffer = 1}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        f->site.errors_len = 0;
        f->site.errors[0] = '\0';
        int result = settings_add_listener(&f->settings, &wrong[i], &f->site);
        if (result != WEIR_EINVAL)
            print_error("listener %zu: %d\n", i, result);
        assert_int_equal(result, WEIR_EINVAL);
        assert_int_equal(count_lines(f->site.errors), 1);
    }
    assert_int_equal(settings_add_listener(&f->settings, NULL, &f->site), WEIR_EINVAL);
    while (f->settings.listener_count < LISTENERS_MAX)
        assert_int_equal(settings_add_listener(&f->settings, &(weir_listen_config){.port = 82}, &f->site), 0);
    assert_int_equal(settings_add_listener(&f->settings, &(weir_listen_config){.port = 82}, &f->site), WEIR_EINVAL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(defaults),     TEST(given),   TEST(off),
                                       TEST(all_wrong),    TEST(pools),   TEST(pools_beyond_their_bounds),
                                       TEST(large_stacks), TEST(shorter), TEST(descriptors_are_shared),
                                       TEST(listeners)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
