/*
 * Settings of a server by their names: a program's arguments SETTING=VALUE, where certificate and key add TLS.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_TESTS_NAMED_H
#define WEIR_TESTS_NAMED_H

#include <stdlib.h>
#include <string.h>

#include <weir.h>

/* Sets a member of config. False: there is no such one here. */
static inline bool named_set(weir_config *config, const char *name, long value)
{
    const struct {
        const char *name;
        int *value;
    } numbers[] = {
        {"body_timeout_ms", &config->body_timeout_ms},          {"handler_timeout_ms", &config->handler_timeout_ms},
        {"stop_timeout_ms", &config->stop_timeout_ms},          {"write_timeout_ms", &config->write_timeout_ms},
        {"idle_timeout_ms", &config->idle_timeout_ms},          {"send_buffer", &config->send_buffer},
        {"max_requests", &config->max_requests_per_connection},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (strcmp(numbers[i].name, name) != 0)
            continue;
        *numbers[i].value = (int)value;
        return true;
    }
    if (strcmp(name, "max_body") == 0)
        config->max_body = value;
    else if (strcmp(name, "memory_limit") == 0)
        config->memory_limit = (size_t)value;
    else if (strcmp(name, "ws_buffer_size") == 0)
        config->ws_buffer_size = (size_t)value;
    else
        return false;
    return true;
}

/* A server with the settings of the arguments, which it listens with, plain and, where there is a certificate, with
 * TLS. Wrong ones end the program. */
static inline weir_server *named_server(weir_config config, int argc, char **argv)
{
    weir_tls_config tls = {0};
    for (int i = 1; i < argc; i++) {
        char *equals = strchr(argv[i], '=');
        if (!equals)
            abort();
        *equals = '\0';
        if (strcmp(argv[i], "certificate") == 0)
            tls.certificate = equals + 1;
        else if (strcmp(argv[i], "key") == 0)
            tls.key = equals + 1;
        else if (!named_set(&config, argv[i], strtol(equals + 1, NULL, 10)))
            abort();
    }
    weir_server *s = weir_server_new(&config);
    if (tls.certificate)
        weir_server_listen(s, &(weir_listen_config){.host = "127.0.0.1", .port = WEIR_ANY, .tls = &tls});
    return s;
}

#endif
