/*
 * Lines and rows of tables that fit the screen.
 *
 * SPDX-License-Identifier: MIT
 */
#include "cli/lines.h"

#include <stdarg.h>
#include <stdio.h>

#define LINE_MAX_BYTES 1024
#define NARROW         60 /* columns below which labels and names are short */

/* The number of bytes that the first `width` characters of UTF-8 take. */
static size_t bytes_of_width(const char *text, int width)
{
    size_t i = 0;
    for (; text[i]; i++) {
        bool begins = ((unsigned char)text[i] & 0xc0) != 0x80;
        if (begins && width-- == 0)
            break;
    }
    return i;
}

static void append(struct screen *s, const char *text, size_t len)
{
    if (s->len + len >= SCREEN_SIZE)
        return;
    memcpy(s->buf + s->len, text, len);
    s->len += len;
}

static void append_text(struct screen *s, const char *text)
{
    append(s, text, strlen(text));
}

void screen_line(struct screen *s, const char *emphasis, const char *fmt, ...)
{
    if (s->lines >= s->height)
        return;
    char line[LINE_MAX_BYTES];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    size_t len = bytes_of_width(line, s->width);
    while (len > 0 && line[len - 1] == ' ')
        len--;
    append_text(s, s->line_begin);
    if (emphasis && s->colour) {
        append_text(s, "\x1b[");
        append_text(s, emphasis);
        append_text(s, "m");
    }
    append(s, line, len);
    if (emphasis && s->colour)
        append_text(s, "\x1b[0m");
    append_text(s, "\n");
    s->lines++;
}

void lines_put_total(struct screen *s, const char *emphasis, const char *label, const char *fmt, ...)
{
    char text[LINE_MAX_BYTES];
    size_t begin = (size_t)snprintf(text, sizeof text, "%-*s ", s->width < NARROW ? 0 : 12, label);
    va_list args;
    va_start(args, fmt);
    vsnprintf(text + begin, sizeof text - begin, fmt, args);
    va_end(args);
    size_t len = bytes_of_width(text, s->width);
    if (text[len]) {
        size_t cut = len;
        while (cut > begin && memcmp(text + cut, ", ", 2) != 0 && memcmp(text + cut, "  ", 2) != 0)
            cut--;
        len = cut > begin ? cut : len;
    }
    screen_line(s, emphasis, "%.*s", (int)len, text);
}

/* ---- Tables ---- */

static int name_width(const struct screen *s)
{
    int width = s->width < 80 ? s->width - 28 : 22 + (s->width - 80) / 2;
    int most = s->width < 80 ? 22 : 40;
    return width < most ? width : most;
}

/* Appends a cell to a line of len bytes, cut or filled up to the width. Returns the line's length. */
static size_t put_cell(char *line, size_t len, const char *text, int width, enum side side)
{
    size_t bytes = bytes_of_width(text, width);
    int used = 0;
    for (size_t i = 0; i < bytes; i++)
        used += ((unsigned char)text[i] & 0xc0) != 0x80;
    int before = side == RIGHT ? width - used : 0, behind = side == LEFT ? width - used : 0;
    int n = snprintf(line + len, LINE_MAX_BYTES - len, "%*s%.*s%*s", before, "", (int)bytes, text, behind, "");
    return len + (size_t)n < LINE_MAX_BYTES ? len + (size_t)n : LINE_MAX_BYTES - 1;
}

void lines_put_row(struct screen *s, const char *emphasis, const struct column *columns, const char *const *cells)
{
    char line[LINE_MAX_BYTES];
    int used = name_width(s);
    size_t len = put_cell(line, 0, cells[0], used, LEFT);
    for (int i = 1; columns[i].head; i++) {
        int gap = columns[i].side == LEFT ? 2 : 1, width = columns[i].width;
        used += gap + width;
        if (used > s->width)
            break;
        if (columns[i].side == LEFT && !columns[i + 1].head)
            width += s->width - used; /* text at the end has the rest */
        len = put_cell(line, len, "", gap, LEFT);
        len = put_cell(line, len, cells[i], width, columns[i].side);
    }
    screen_line(s, emphasis, "%s", line);
}

void lines_put_heads(struct screen *s, const struct column *columns)
{
    const char *heads[COLUMNS_MAX] = {columns[0].head};
    for (int i = 1; columns[i].head; i++)
        heads[i] = columns[i].head;
    lines_put_row(s, BOLD, columns, heads);
}
