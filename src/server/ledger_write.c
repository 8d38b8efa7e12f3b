/*
 * The pieces that the ledger's forms are made of.
 *
 * SPDX-License-Identifier: MIT
 */
#include "server/ledger_write.h"
#include "web/json.h"

#include <inttypes.h>
#include <stdio.h>

void ledger_put(struct ledger_writer *w, const char *fmt, ...)
{
    if (w->error)
        return;
    va_list args;
    va_start(args, fmt);
    w->error = weir_vprintf(w->c, fmt, args);
    va_end(args);
}

const char *ledger_seconds(uint64_t ns, char *buf)
{
    int len = snprintf(buf, LEDGER_SECONDS_SIZE, "%" PRIu64 ".%06u", ns / 1000000000, (unsigned)(ns / 1000 % 1000000));
    while (buf[len - 1] == '0')
        len--;
    if (buf[len - 1] == '.')
        len--;
    buf[len] = '\0';
    return buf;
}

void ledger_put_string(struct ledger_writer *w, const char *text)
{
    char quoted[LEDGER_TEXT_MAX * 6 + 2]; /* a byte takes six at most: \u001f */
    struct slice cut = slice_of(text, strnlen(text, LEDGER_TEXT_MAX));
    size_t len = json_string_write(cut, quoted);
    ledger_put(w, "%.*s", (int)len, quoted);
}

void ledger_put_metric(struct ledger_writer *w, const char *name, const char *type, const char *help)
{
    ledger_put(w, "# HELP weir_%s %s\n# TYPE weir_%s %s\n", name, help, name, type);
}

/* Like a JSON string, which is valid UTF-8 whatever text is; but only three characters may be escaped here. */
void ledger_label(const char *text, char *out)
{
    char quoted[LEDGER_TEXT_MAX * 6 + 2];
    size_t len = json_string_write(slice_of(text, strnlen(text, LEDGER_TEXT_MAX)), quoted);
    for (size_t i = 1; i + 1 < len; i++) {
        if (quoted[i] != '\\') {
            *out++ = quoted[i];
            continue;
        }
        char escaped = quoted[++i];
        if (escaped == '"' || escaped == '\\' || escaped == 'n') {
            *out++ = '\\';
            *out++ = escaped;
        } else {
            *out++ = '?';
            i += escaped == 'u' ? 4 : 0;
        }
    }
    *out = '\0';
}
