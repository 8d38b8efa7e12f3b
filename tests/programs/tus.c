/*
 * A server for the wire tests of uploads that go on after a break. `tus ROOT SAVED [tls] [NAME=NUMBER...]` takes them
 * below /files and saves each in SAVED as metadata's "name" says (without one it stays), with one worker; the numbers
 * are options and settings. /told tells how often the program was told. Metadata's "fail" has the first telling fail;
 * "hold" has it wait behind saving, as long as SAVED has a file "hold".
 *
 * SPDX-License-Identifier: MIT
 */
#include "serving.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int told;

static int complete(weir_ctx *c, weir_tus_upload *upload)
{
    size_t len;
    weir_saved saved;
    const char *name = weir_tus_metadata(c, upload, "name", &len);
    told++;
    if (told == 1 && weir_tus_metadata(c, upload, "fail", NULL))
        weir_fail(c, 500, "as asked for");
    if (told == 1 && weir_tus_metadata(c, upload, "error", NULL))
        return WEIR_ENOSPC;
    if (weir_tus_metadata(c, upload, "slow", NULL))
        (void)weir_sleep(c, 300);
    char *text = weir_sprintf(c, "%s %" PRId64 " %s", weir_tus_id(upload), weir_tus_length(upload), name ? name : "-");
    weir_set_header(c, "X-Told", text);
    if (!name)
        return 0;
    int error = weir_tus_save(c, upload, weir_server_data(c), name,
                              &(weir_save_options){.exclusive = WEIR_ON, .saved = &saved, .sync = WEIR_ON});
    if (!error && (saved.bytes != weir_tus_length(upload) ||
                   weir_tus_save(c, upload, weir_server_data(c), "twice", NULL) != WEIR_EINVAL))
        return WEIR_EIO;
    const char *hold = weir_sprintf(c, "%s/hold", (const char *)weir_server_data(c));
    while (weir_tus_metadata(c, upload, "hold", NULL) && access(hold, F_OK) == 0 && weir_sleep(c, 5) == 0)
        ;
    return error;
}

static void tell(weir_ctx *c)
{
    weir_reply_printf(c, "text/plain", "%d", told);
}

static bool set(weir_tus_options *options, weir_config *config, const char *argument)
{
    const struct {
        const char *name;
        int *number;
    } settings[] = {
        {"expire_s", &options->expire_s}, {"max_uploads", &options->max_uploads},        {"sync", &options->sync},
        {"mode", &options->mode},         {"body_timeout_ms", &config->body_timeout_ms},
    };
    const char *equals = strchr(argument, '=');
    for (size_t i = 0; equals && i < sizeof(settings) / sizeof(settings[0]); i++) {
        if (strncmp(argument, settings[i].name, (size_t)(equals - argument)) == 0) {
            *settings[i].number = (int)strtol(equals + 1, NULL, 10);
            return true;
        }
    }
    if (equals && strncmp(argument, "max_size", (size_t)(equals - argument)) == 0) {
        options->max_size = strtoll(equals + 1, NULL, 10);
        return true;
    }
    return false;
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    weir_config config = {.port = WEIR_ANY, .workers = 1, .server_data = argv[2]};
    weir_tus_options options = {.root = argv[1], .complete = complete};
    bool tls = false;
    for (int i = 3; i < argc; i++) {
        if (strcmp(argv[i], "tls") == 0) {
            tls = true;
        } else if (!set(&options, &config, argv[i])) {
            fprintf(stderr, "tus: %s is unknown\n", argv[i]);
            return 2;
        }
    }
    weir_server *s = weir_server_new(&config);
    weir_tus(weir_root(s), "/files", &options);
    weir_get(s, "/told", tell);
    weir_get(s, "/ledger", weir_ledger_json);
    if (tls)
        weir_server_listen(s, &(weir_listen_config){.port = WEIR_ANY,
                                                    .tls = &(weir_tls_config){.self_signed = "localhost 127.0.0.1"}});
    return serve(s);
}
