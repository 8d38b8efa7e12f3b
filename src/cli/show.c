/*
 * Numbers for people.
 *
 * SPDX-License-Identifier: MIT
 */
#include "cli/show.h"

#include <stdbool.h>
#include <stdio.h>

static const char *show(char *buf, double value, const char *unit)
{
    int digits = value < 10 ? 2 : value < 100 ? 1 : 0;
    snprintf(buf, TEXT_SIZE, "%.*f%s", digits, value, unit);
    return buf;
}

const char *show_bytes(char *buf, double value)
{
    static const char *const units[] = {" B", " KiB", " MiB", " GiB", " TiB"};
    size_t unit = 0;
    while (value >= 1024 && unit + 1 < sizeof units / sizeof units[0]) {
        value /= 1024;
        unit++;
    }
    if (unit > 0)
        return show(buf, value, units[unit]);
    snprintf(buf, TEXT_SIZE, "%.0f B", value);
    return buf;
}

const char *show_count(char *buf, double value)
{
    if (value >= 1e9)
        return show(buf, value / 1e9, " G");
    if (value >= 1e6)
        return show(buf, value / 1e6, " M");
    if (value >= 1e5)
        return show(buf, value / 1e3, " k");
    snprintf(buf, TEXT_SIZE, "%.0f", value);
    return buf;
}

const char *show_time(char *buf, double seconds)
{
    if (seconds < 0)
        snprintf(buf, TEXT_SIZE, "-");
    else if (seconds < 0.001)
        snprintf(buf, TEXT_SIZE, "< 1 ms");
    else if (seconds < 1)
        show(buf, seconds * 1e3, " ms");
    else if (seconds < 120)
        show(buf, seconds, " s");
    else if (seconds < 7200)
        show(buf, seconds / 60, " min");
    else if (seconds < 172800)
        show(buf, seconds / 3600, " h");
    else
        show(buf, seconds / 86400, " days");
    return buf;
}

const char *show_bound(char *buf, double seconds, double longest)
{
    bool beyond = seconds < 0;
    double shown = beyond ? longest : seconds;
    if (shown <= 0)
        snprintf(buf, TEXT_SIZE, beyond ? "beyond" : "-");
    else
        snprintf(buf, TEXT_SIZE, "%s%.4g %s", beyond ? "> " : "", shown < 1 ? shown * 1e3 : shown,
                 shown < 1 ? "ms" : "s");
    return buf;
}
