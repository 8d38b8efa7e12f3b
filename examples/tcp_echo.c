/*
 * A listener without HTTP: what a client sends is sent back, until it ends its side. A handler runs for each
 * connection, from the first byte on; a client that only connects costs 56 bytes.
 *
 *     tcp_echo [PORT [FOLDER]]     with a folder: by TLS, with its cert.pem and key.pem
 *     echo hello | nc -N 127.0.0.1 60000
 *     openssl s_client -quiet -connect 127.0.0.1:60000
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>
#include <stdlib.h>

#include <weir.h>

static void echo(weir_ctx *c)
{
    const void *data;
    ssize_t len;
    while ((len = weir_read_slice(c, &data)) > 0)
        if (weir_write(c, data, (size_t)len) != 0)
            return; /* the client has gone */
}

int main(int argc, char **argv)
{
    char certificate[4096], key[4096];
    snprintf(certificate, sizeof certificate, "%s/cert.pem", argc > 2 ? argv[2] : ".");
    snprintf(key, sizeof key, "%s/key.pem", argc > 2 ? argv[2] : ".");
    FILE *there = argc > 2 ? fopen(key, "r") : NULL;
    weir_tls_config tls = {.certificate = certificate, .key = key};
    weir_listen_config listener = {
        .port = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 60000,
        .tls = there ? &tls : NULL,
    };
    if (there)
        fclose(there);
    weir_server *s = weir_server_new(NULL);
    weir_listen_raw(s, &listener, echo);
    int error = weir_run(s);
    weir_server_free(s);
    return error ? 1 : 0;
}
