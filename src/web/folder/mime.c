/*
 * Reading a system's database of types, and looking ends of names up.
 *
 * The table is one block: rows of two offsets, sorted, and behind them the texts. Types are stored once where they
 * follow each other, as both formats have them: all of shared-mime-info takes about 60 KiB.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/folder/mime.h"
#include "web/folder/sort.h"
#include "weir.h"

#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DATABASE_MAX ((size_t)1 << 20) /* bytes of a database that are read */
#define ROWS_MAX     16384             /* ends that are kept */
#define TYPE_MAX     127               /* bytes of a type */
#define CHARSET      "; charset=utf-8"

struct row {
    uint32_t end, type; /* offsets in the texts, each NUL-terminated */
};

struct mime_types {
    size_t size;     /* of the block */
    size_t text_len; /* bytes of texts that are used */
    uint32_t count;
    uint32_t capacity;  /* rows that there is room for */
    struct row rows[1]; /* and the texts */
};

static char *texts_of(const struct mime_types *t)
{
    return (char *)(uintptr_t)(t->rows + t->capacity);
}

/* ---- Lines of a database ---- */

/* Cuts the next line off text; false: there is none. */
static bool line_next(struct slice *text, struct slice *line)
{
    if (text->len == 0)
        return false;
    const char *end = memchr(text->data, '\n', text->len);
    line->data = text->data;
    line->len = end ? (size_t)(end - text->data) : text->len;
    size_t taken = line->len + (end ? 1 : 0);
    *text = slice_of(text->data + taken, text->len - taken);
    return true;
}

/* Cuts what stands before the next mark off text, or all of it. */
static struct slice cut(struct slice *text, char mark)
{
    const char *end = memchr(text->data, mark, text->len);
    struct slice before = slice_of(text->data, end ? (size_t)(end - text->data) : text->len);
    size_t taken = before.len + (end ? 1 : 0);
    *text = slice_of(text->data + taken, text->len - taken);
    return before;
}

/* The next word between blanks; empty: there is none. */
static struct slice word_next(struct slice *text)
{
    while (text->len > 0 && (text->data[0] == ' ' || text->data[0] == '\t' || text->data[0] == '\r'))
        *text = slice_of(text->data + 1, text->len - 1);
    size_t len = 0;
    while (len < text->len && !memchr(" \t\r", text->data[len], 3))
        len++;
    struct slice word = slice_of(text->data, len);
    *text = slice_of(text->data + len, text->len - len);
    return word;
}

/* What a type, or an end, may be made of: visible ASCII that is no delimiter. */
static bool is_plain(struct slice text, size_t most)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] <= ' ' || text.data[i] > '~' || strchr("*?[]\\\",;:()<>@={}", text.data[i]))
            return false;
    return text.len > 0 && text.len <= most;
}

static bool type_is_good(struct slice type)
{
    const char *slash = is_plain(type, TYPE_MAX) ? memchr(type.data, '/', type.len) : NULL;
    return slash && slash > type.data && slash < type.data + type.len - 1;
}

/* Called with each end of names, and its type. */
typedef void (*database_each)(void *arg, struct slice end, struct slice type);

static void globs_read(struct slice text, database_each each, void *arg)
{
    struct slice line;
    while (line_next(&text, &line)) {
        if (line.len == 0 || line.data[0] == '#')
            continue;
        (void)cut(&line, ':'); /* the weight: lines are sorted by that */
        struct slice type = cut(&line, ':'), glob = cut(&line, ':');
        bool by_case = line.len > 0; /* a flag, of which there is one: "cs" */
        if (by_case || glob.len < 3 || memcmp(glob.data, "*.", 2) != 0)
            continue;
        struct slice end = slice_of(glob.data + 2, glob.len - 2);
        if (type_is_good(type) && is_plain(end, MIME_END_MAX))
            each(arg, end, type);
    }
}

static void types_read(struct slice text, database_each each, void *arg)
{
    struct slice line;
    while (line_next(&text, &line)) {
        line = cut(&line, '#');
        struct slice type = word_next(&line);
        if (!type_is_good(type))
            continue;
        for (struct slice end = word_next(&line); end.len > 0; end = word_next(&line))
            if (is_plain(end, MIME_END_MAX))
                each(arg, end, type);
    }
}

static void database_read(struct slice text, enum mime_format format, database_each each, void *arg)
{
    (format == MIME_GLOBS2 ? globs_read : types_read)(text, each, arg);
}

/* ---- Making the table ---- */

/* What a type has behind it. */
static struct slice charset_of(struct slice type)
{
    bool is_text = type.len > 5 && slice_equal_nocase(slice_of(type.data, 5), SLICE("text/"));
    return is_text ? SLICE(CHARSET) : SLICE("");
}

struct measure {
    size_t rows, text;
    struct slice last; /* the type of the row before */
};

static void measure_row(void *arg, struct slice end, struct slice type)
{
    struct measure *m = arg;
    if (m->rows == ROWS_MAX)
        return;
    m->rows++;
    m->text += end.len + 1;
    if (!slice_equal(type, m->last))
        m->text += type.len + charset_of(type).len + 1;
    m->last = type;
}

static uint32_t put_text(struct mime_types *t, struct slice text, struct slice more)
{
    char *to = texts_of(t) + t->text_len;
    uint32_t at = (uint32_t)t->text_len;
    for (size_t i = 0; i < text.len; i++)
        to[i] = ascii_lower(text.data[i]);
    memcpy(to + text.len, more.data, more.len);
    to[text.len + more.len] = '\0';
    t->text_len += text.len + more.len + 1;
    return at;
}

struct filling {
    struct mime_types *types;
    struct slice last;
    uint32_t last_type;
};

static void fill_row(void *arg, struct slice end, struct slice type)
{
    struct filling *f = arg;
    struct mime_types *t = f->types;
    if (t->count == t->capacity)
        return;
    if (!slice_equal(type, f->last)) {
        f->last_type = put_text(t, type, charset_of(type));
        f->last = type;
    }
    struct row *row = &t->rows[t->count++];
    row->type = f->last_type;
    row->end = put_text(t, end, SLICE(""));
}

/* By end; of rows with the same end, the one that the database has first. */
static bool row_before(const void *things, size_t a, size_t b)
{
    const struct mime_types *t = things;
    int order = strcmp(texts_of(t) + t->rows[a].end, texts_of(t) + t->rows[b].end);
    return order < 0 || (order == 0 && t->rows[a].end < t->rows[b].end);
}

static void row_swap(void *things, size_t a, size_t b)
{
    struct mime_types *t = things;
    struct row row = t->rows[a];
    t->rows[a] = t->rows[b];
    t->rows[b] = row;
}

struct mime_types *mime_types_new(struct account *account, struct slice text, enum mime_format format)
{
    static const struct sort_ops ops = {.before = row_before, .swap = row_swap};
    struct measure m = {0};
    database_read(text, format, measure_row, &m);
    size_t size = sizeof(struct mime_types) + m.rows * sizeof(struct row) + m.text;
    struct mime_types *t = memory_alloc(account, size);
    if (!t)
        return NULL;
    *t = (struct mime_types){.size = size, .capacity = (uint32_t)m.rows};
    struct filling f = {.types = t};
    database_read(text, format, fill_row, &f);
    sort_in_place(t, t->count, &ops);
    return t;
}

void mime_types_free(struct account *account, struct mime_types *types)
{
    if (types)
        memory_free(account, types, types->size);
}

/* Reads a whole file, or what of it is within a bound, into a mapping of size bytes, which leaves no hole in the heap.
 * data NULL: it is not there, or not to be had. */
static struct slice file_read(struct account *account, const char *path, size_t *size)
{
    struct stat is;
    char *data = NULL;
    size_t len = 0;
    ssize_t n = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd >= 0 && fstat(fd, &is) == 0 && S_ISREG(is.st_mode) && is.st_size > 0) {
        *size = memory_whole_pages(is.st_size < (off_t)DATABASE_MAX ? (size_t)is.st_size : DATABASE_MAX);
        data = memory_map(account, *size, (size_t)sysconf(_SC_PAGESIZE));
    }
    while (data && len < *size && (n = read(fd, data + len, *size - len)) > 0)
        len += (size_t)n;
    if (fd >= 0)
        close(fd);
    if (data && n < 0) {
        memory_unmap(account, data, *size);
        data = NULL;
    }
    return slice_of(data, len);
}

struct mime_types *mime_types_load(struct account *account)
{
    static const struct {
        const char *path;
        enum mime_format format;
    } databases[] = {
        {"/usr/local/share/mime/globs2", MIME_GLOBS2},
        {"/usr/share/mime/globs2", MIME_GLOBS2},
        {"/etc/mime.types", MIME_TYPES},
    };
    for (size_t i = 0; i < sizeof databases / sizeof *databases; i++) {
        size_t size = 0;
        struct slice text = file_read(account, databases[i].path, &size);
        if (!text.data)
            continue;
        struct mime_types *types = mime_types_new(account, text, databases[i].format);
        memory_unmap(account, (char *)(uintptr_t)text.data, size);
        if (!types || types->count > 0)
            return types;
        mime_types_free(account, types); /* nothing in it */
    }
    return NULL;
}

/* ---- Looking up ---- */

static const char *table_find(const struct mime_table *table, const char *end)
{
    size_t low = 0, high = table->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(table->rows[middle].end, end);
        if (order == 0)
            return table->rows[middle].type;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* The first row of that end. */
static const char *system_find(const struct mime_types *t, const char *end)
{
    const char *texts = texts_of(t);
    size_t low = 0, high = t->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(texts + t->rows[middle].end, end) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < t->count && strcmp(texts + t->rows[low].end, end) == 0 ? texts + t->rows[low].type : NULL;
}

const char *mime_type_of(const struct mime_types *system, const char *name)
{
    const char *slash = name ? strrchr(name, '/') : NULL;
    const char *base = slash ? slash + 1 : name;
    /* A dot that the name begins with hides it, and begins no end. */
    const char *dot = base && base[0] ? strchr(base + 1, '.') : NULL;
    for (; dot; dot = strchr(dot + 1, '.')) {
        char end[MIME_END_MAX + 1];
        size_t len = strlen(dot + 1);
        if (len == 0 || len > MIME_END_MAX)
            continue;
        for (size_t i = 0; i <= len; i++)
            end[i] = ascii_lower(dot[1 + i]);
        const char *type = table_find(&mime_web, end);
        if (!type && system)
            type = system_find(system, end);
        if (!type)
            type = table_find(&mime_usual, end);
        if (type)
            return type;
    }
    return "application/octet-stream";
}

/* Set once on each worker's thread, and thus read without a lock; what is there is the server's and outlives it. */
static _Thread_local const struct mime_types *system_here;

void mime_use(const struct mime_types *system)
{
    system_here = system;
}

const char *weir_mime_type(const char *name)
{
    return mime_type_of(system_here, name);
}
