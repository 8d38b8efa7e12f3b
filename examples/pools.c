/*
 * Pools: the two sizes are those of preallocated buffers, and serving takes its memory from them. The page lists every
 * pool with what it holds; asked for again, its numbers stay as they are.
 *
 *     pools [PORT]
 *     curl -s http://127.0.0.1:60000/
 *
 * SPDX-License-Identifier: MIT
 */
#include <inttypes.h>
#include <stdlib.h>

#include <weir.h>

static void pools(weir_ctx *c)
{
    weir_ledger ledger;
    weir_ledger_read(weir_ctx_server(c), &ledger);

    weir_set_header(c, "Content-Type", "text/plain");
    weir_printf(c, "%-20s %12s %12s %12s\n", "account", "in use", "reserved", "peak");
    for (size_t i = 0; i < ledger.account_count; i++) {
        const weir_ledger_account *account = &ledger.accounts[i];
        weir_printf(c, "%-20s %12" PRIu64 " %12" PRIu64 " %12" PRIu64 "\n", account->name, account->in_use,
                    account->reserved, account->peak);
    }
}

int main(int argc, char **argv)
{
    weir_server *s = weir_server_new(&(weir_config){
        .port = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 60000,
        .http_buffer_size = 16384,
        .ws_buffer_size = 8192,
    });
    weir_get(s, "/", pools);
    int error = weir_run(s);
    weir_server_free(s);
    return error ? 1 : 0;
}
