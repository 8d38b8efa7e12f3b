/*
 * The page of a folder: one table, whose heads are links that sort it. No script, and nothing from elsewhere, which its
 * Content-Security-Policy holds; the style is in the page, and is named there by its hash.
 *
 * Entries that fit LISTING_MEMORY are in order. For those the memory is a mapping of the account "listings", and of no
 * pool, since few requests need it and for long. Where it is refused, and for folders with more entries, each piece is
 * written before the next one is read: in a part of the request's memory, however many entries there are.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/date.h"
#include "web/folder/escape.h"
#include "web/folder/listing.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

/* The hash in the policy is of the style as it stands here; a test tells the new one. */
#define STYLE                                                                                                          \
    ":root{color-scheme:light dark}"                                                                                   \
    "body{margin:0 auto;max-width:60rem;padding:1rem;font:1rem/1.5 "                                                   \
    "system-ui,sans-serif;color:#1b1f23;background:#fff}"                                                              \
    "h1{margin:.5rem;font-size:1.2rem;overflow-wrap:anywhere}"                                                         \
    "a{color:#0b57d0;text-decoration:none}"                                                                            \
    "a:hover,a:focus-visible{text-decoration:underline}"                                                               \
    "table{width:100%;border-collapse:collapse;table-layout:fixed}"                                                    \
    "th,td{padding:.4rem .5rem;text-align:left;vertical-align:top;border-bottom:1px solid #8884}"                      \
    "td{overflow-wrap:anywhere}"                                                                                       \
    "td a{display:block;unicode-bidi:plaintext}"                                                                       \
    "th+th,td+td{width:6rem;text-align:right;font-variant-numeric:tabular-nums}"                                       \
    "th+th+th,td+td+td{width:10rem}"                                                                                   \
    "[aria-sort=ascending] a::after{content:' \\2191'}"                                                                \
    "[aria-sort=descending] a::after{content:' \\2193'}"                                                               \
    "p{margin:1rem .5rem;color:#59636e}"                                                                               \
    "@media(max-width:40rem){body{padding:.25rem}table,thead,tbody{display:block}"                                     \
    "tr{display:flex;flex-wrap:wrap;gap:0 1.25rem;padding:.6rem .5rem;border-bottom:1px solid #8884}"                  \
    "th,td{padding:0;border:0}th+th,td+td,th+th+th,td+td+td{width:auto;text-align:left}"                               \
    "td:first-child{width:100%}td+td{font-size:.85rem;color:#59636e}td:empty{display:none}}"                           \
    "@media(prefers-color-scheme:dark){body{color:#e6e8eb;background:#14171a}a{color:#8ab4f8}p{color:#9aa4af}"         \
    "@media(max-width:40rem){td+td{color:#9aa4af}}}"

#define STYLE_HASH "sha256-Redoljn54k2kubV7FozDqAYv5ncXOL4HzU9T86kHP9I="

#define POLICY                                                                                                         \
    "default-src 'none'; style-src '" STYLE_HASH "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

#define STREAM_MEMORY ((size_t)8 * 1024) /* of the request's, for a piece of a folder that is not sorted */
#define PIECE_MAX     ((size_t)3072)     /* bytes of a row, or of another piece of the page */

_Static_assert(PIECE_MAX > NAME_MAX * (ESCAPE_HTML_MOST + ESCAPE_URL_MOST) + 256, "a row holds any name");

/* A listing, and what it holds until the request is over. */
struct page {
    struct listing list;
    struct account *account;
    void *memory; /* of entries that are sorted; NULL: none */
    uint32_t folders, files;
    uint32_t most;     /* entries that could be sorted, where there are more; 0: there are not */
    const char *query; /* of links to folders, so that they are sorted in the same way */
};

/* A piece of the page that is put together. */
struct piece {
    char text[PIECE_MAX];
    size_t len;
};

static void page_unmap(struct page *p)
{
    if (!p->memory)
        return;
    account_give_any(p->account, LISTING_MEMORY);
    memory_unmap(p->account, p->memory, LISTING_MEMORY);
    p->memory = NULL;
}

static void page_release(void *arg)
{
    struct page *p = arg;
    page_unmap(p);
    close(p->list.fd);
}

/* ---- Pieces of the page ---- */

static void add(struct piece *p, struct slice text)
{
    weir_assert(text.len <= PIECE_MAX - p->len);
    memcpy(p->text + p->len, text.data, text.len);
    p->len += text.len;
}

/* Adds the beginning of a name that is not longer than names of files are. */
static void add_html(struct piece *p, struct slice name)
{
    if (name.len > NAME_MAX)
        name.len = NAME_MAX;
    weir_assert(name.len * ESCAPE_HTML_MOST <= PIECE_MAX - p->len);
    p->len += escape_html(p->text + p->len, name);
}

static void add_url(struct piece *p, struct slice name)
{
    weir_assert(name.len * ESCAPE_URL_MOST <= PIECE_MAX - p->len);
    p->len += escape_url(p->text + p->len, name);
}

/* Adds a number of bytes in the unit in which it has one to three digits before its point. */
static void add_size(struct piece *p, int64_t size)
{
    static const char units[] = "BKMGTPE";
    char text[24];
    uint64_t whole = (uint64_t)size, tenths = 0;
    size_t unit = 0;
    for (; whole >= 1000 && unit < sizeof units - 2; unit++) {
        tenths = whole % 1024 * 10 / 1024;
        whole /= 1024;
    }
    int len = unit == 0     ? snprintf(text, sizeof text, "%u B", (unsigned)whole)
              : whole < 100 ? snprintf(text, sizeof text, "%u.%u %ciB", (unsigned)whole, (unsigned)tenths, units[unit])
                            : snprintf(text, sizeof text, "%u %ciB", (unsigned)whole, units[unit]);
    add(p, slice_of(text, (size_t)len));
}

#define LAST_SECOND INT64_C(253402300799) /* of the year 9999 */

/* Adds a time as "2026-11-29 04:36", in UTC. */
static void add_time(struct piece *p, int64_t seconds)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char date[DATE_LEN], text[16];
    date_format(date, seconds < 0 ? 0 : seconds > LAST_SECOND ? LAST_SECOND : seconds);
    unsigned month = 1;
    while (month < 12 && memcmp(months + 3 * (month - 1), date + 8, 3) != 0)
        month++;
    memcpy(text, date + 12, 4);
    text[4] = text[7] = '-';
    text[5] = (char)('0' + month / 10);
    text[6] = (char)('0' + month % 10);
    memcpy(text + 8, date + 5, 2);
    text[10] = ' ';
    memcpy(text + 11, date + 17, 5);
    add(p, slice_of(text, sizeof text));
}

static int write_piece(weir_ctx *c, const struct piece *p)
{
    return weir_write(c, p->text, p->len);
}

/* ---- The page from its head to its foot ---- */

/* The last name in the path of a folder, which ends with a slash; empty: there is none. */
static struct slice last_folder(struct slice path)
{
    if (path.len > 0)
        path.len--;
    const char *slash = path.len > 0 ? memrchr(path.data, '/', path.len) : NULL;
    return slash ? slice_of(slash + 1, path.len - (size_t)(slash + 1 - path.data)) : path;
}

static int write_head(weir_ctx *c)
{
    struct piece p = {.len = 0};
    add(&p, SLICE("<!doctype html><html lang=en><meta charset=utf-8>"
                  "<meta name=viewport content='width=device-width,initial-scale=1'><title>"));
    struct slice name = last_folder(c->path.decoded);
    add_html(&p, name.len > 0 ? name : SLICE("/"));
    add(&p, SLICE("</title><style>" STYLE "</style><main>"));
    return write_piece(c, &p);
}

/* Writes one step of the way to the folder, as a link over so many folders. name empty: the root of the site. */
static int write_step(weir_ctx *c, struct slice name, size_t up, const char *query)
{
    struct piece p = {.len = 0};
    const bool is_root = name.len == 0;
    if (is_root)
        name = SLICE("/");
    if (up > 0) {
        add(&p, SLICE("<a href='"));
        for (; up > 0 && p.len + 3 < PIECE_MAX / 4; up--) /* a folder that is that deep is not reached in one step */
            add(&p, SLICE("../"));
        add(&p, slice_from(query));
        add(&p, SLICE("'>"));
    }
    const bool is_link = p.len > 0;
    add_html(&p, name);
    if (is_link)
        add(&p, SLICE("</a>"));
    if (!is_root)
        add(&p, SLICE("/"));
    if (is_link)
        add(&p, SLICE("<wbr>"));
    return write_piece(c, &p);
}

/* Writes the way to the folder: from the mount down, a link each. */
static int write_way(weir_ctx *c, const struct page *page)
{
    const char *path = page->list.path;
    size_t deep = 0, len = strlen(path);
    for (const char *p = path; *p; p++)
        deep += *p == '/';
    struct slice mounted = slice_of(c->path.decoded.data, c->path.decoded.len - len);
    int error = weir_write(c, "<h1>", 4);
    if (!error)
        error = write_step(c, last_folder(mounted), deep, page->query);
    for (const char *p = path; *p && !error; p += strcspn(p, "/") + 1)
        error = write_step(c, slice_of(p, strcspn(p, "/")), --deep, page->query);
    return error ? error : weir_write(c, "</h1>", 5);
}

/* The heads of the columns, by enum listing_key. */
static const struct {
    const char *name, *text;
    bool descends; /* the first order that is of use */
} columns[] = {
    [LISTING_NAME] = {"name", "Name", false},
    [LISTING_SIZE] = {"size", "Size", true},
    [LISTING_TIME] = {"time", "Modified (UTC)", true},
};

#define COLUMNS (sizeof columns / sizeof *columns)

static void add_column(struct piece *p, const struct listing *l, size_t i)
{
    bool active = l->sorted && l->key == (enum listing_key)i;
    bool descending = active ? !l->descending : columns[i].descends;
    add(p, SLICE("<th scope=col"));
    if (active)
        add(p, l->descending ? SLICE(" aria-sort=descending>") : SLICE(" aria-sort=ascending>"));
    else
        add(p, SLICE(">"));
    if (l->sorted) {
        add(p, SLICE("<a href='?sort="));
        add(p, slice_from(columns[i].name));
        add(p, descending ? SLICE("&amp;order=desc'>") : SLICE("'>"));
    }
    add(p, slice_from(columns[i].text));
    if (l->sorted)
        add(p, SLICE("</a>"));
}

static int write_table_head(weir_ctx *c, const struct page *page)
{
    struct piece p = {.len = 0};
    const struct listing *l = &page->list;
    if (page->most > 0) {
        char text[128];
        int len = snprintf(text, sizeof text, "<p>More than %u entries: not sorted, but as the file system has them.",
                           page->most);
        add(&p, slice_of(text, (size_t)len));
    } else if (!l->sorted) {
        add(&p, SLICE("<p>Not sorted, for want of memory just now, but as the file system has them."));
    }
    add(&p, SLICE("<table><thead><tr>"));
    for (size_t i = 0; i < COLUMNS; i++)
        add_column(&p, l, i);
    add(&p, SLICE("<tbody>"));
    if (l->path[0]) {
        add(&p, SLICE("\n<tr><td><a href='../"));
        add(&p, slice_from(page->query));
        add(&p, SLICE("'>../</a><td><td>"));
    }
    return write_piece(c, &p);
}

static int write_row(weir_ctx *c, struct page *page, const struct listing_entry *e)
{
    struct piece p = {.len = 0};
    add(&p, SLICE("\n<tr><td><a href='"));
    add_url(&p, e->name);
    if (e->folder) {
        add(&p, SLICE("/"));
        add(&p, slice_from(page->query));
    }
    add(&p, SLICE("'>"));
    add_html(&p, e->name);
    if (e->folder) {
        add(&p, SLICE("/</a><td><td>"));
        page->folders++;
    } else {
        add(&p, SLICE("</a><td>"));
        add_size(&p, e->size);
        add(&p, SLICE("<td>"));
        page->files++;
    }
    add_time(&p, e->modified);
    return write_piece(c, &p);
}

static int write_rows(weir_ctx *c, struct page *page)
{
    int error = 0;
    size_t at = 0;
    for (uint32_t i = 0; i < page->list.count && !error; i++) {
        struct listing_entry e = listing_item(&page->list, i, &at);
        error = write_row(c, page, &e);
    }
    return error;
}

/* Writes the rows of a folder that is not sorted. */
static int write_pieces(weir_ctx *c, struct page *page)
{
    int error = 0;
    while (!error && !page->list.ended) {
        error = weir_offload(c, listing_read, &page->list);
        if (error)
            weir_fail(c, 500, "a folder cannot be read to its end");
        error = write_rows(c, page);
    }
    return error;
}

static int write_foot(weir_ctx *c, const struct page *page)
{
    char text[128];
    int len = snprintf(text, sizeof text, "</table><p>%u folder%s, %u file%s</main>\n", page->folders,
                       page->folders == 1 ? "" : "s", page->files, page->files == 1 ? "" : "s");
    return weir_write(c, text, (size_t)len);
}

/* ---- Making it ---- */

/* Takes memory to sort entries in. False: refused. */
static bool page_map(weir_ctx *c, struct page *p)
{
    if (admission_make_room(c->x->http, LISTING_MEMORY))
        p->memory = memory_map(p->account, LISTING_MEMORY, (size_t)sysconf(_SC_PAGESIZE));
    if (!p->memory)
        return false;
    account_take_any(p->account, LISTING_MEMORY);
    p->list.buf = p->memory;
    p->list.room = LISTING_MEMORY;
    p->list.sorted = true;
    return true;
}

/* Begins anew, without sorting. 0 or an error. */
static int page_stream(weir_ctx *c, struct page *p)
{
    struct arena *a = &c->x->arena;
    struct listing *l = &p->list;
    p->most = l->overflowed ? l->count : 0;
    page_unmap(p);
    l->sorted = l->overflowed = l->ended = false;
    l->used = l->count = 0;
    l->room = arena_room(a) < 2 * STREAM_MEMORY ? arena_room(a) / 2 : STREAM_MEMORY;
    l->buf = l->room >= LISTING_LEAST ? arena_alloc(a, l->room) : NULL;
    return !l->buf ? WEIR_ENOMEM : lseek(l->fd, 0, SEEK_SET) == 0 ? 0 : WEIR_EIO;
}

/* Reads all entries and sorts them, or finds that this cannot be. 0 or an error. */
static int page_read(weir_ctx *c, struct page *p)
{
    int error = page_map(c, p) ? 0 : page_stream(c, p);
    while (!error && p->list.sorted && !p->list.ended && !p->list.overflowed)
        error = weir_offload(c, listing_read, &p->list);
    return !error && p->list.overflowed ? page_stream(c, p) : error;
}

/* Reads from the request how the page is to be sorted. */
static void page_ask(weir_ctx *c, struct page *p)
{
    struct listing *l = &p->list;
    const char *sort = weir_query(c, "sort"), *order = weir_query(c, "order");
    for (size_t i = 0; sort && i < COLUMNS; i++)
        if (strcmp(sort, columns[i].name) == 0)
            l->key = (enum listing_key)i;
    l->descending = order && strcmp(order, "desc") == 0;
    static const char *const queries[COLUMNS][2] = {{"", "?sort=name&amp;order=desc"},
                                                    {"?sort=size", "?sort=size&amp;order=desc"},
                                                    {"?sort=time", "?sort=time&amp;order=desc"}};
    p->query = queries[l->key][l->descending];
}

static int page_describe(weir_ctx *c)
{
    static const char *const fields[][2] = {{"Content-Type", "text/html; charset=utf-8"},
                                            {"Content-Security-Policy", POLICY},
                                            {"Cache-Control", "no-cache"}};
    int error = 0;
    for (size_t i = 0; i < sizeof fields / sizeof *fields && !error; i++)
        error = reply_add_field(c, slice_from(fields[i][0]), slice_from(fields[i][1]), true);
    return error;
}

int listing_reply(weir_ctx *c, const struct folder_mount *m, const char *path, int fd)
{
    struct page *p = arena_alloc(&c->x->arena, sizeof *p);
    if (!p) {
        close(fd);
        return WEIR_ENOMEM;
    }
    *p = (struct page){.list = {.mount = m, .path = path, .fd = fd}, .account = &m->folders->listings_account};
    int error = weir_defer(c, page_release, p);
    if (!error)
        error = page_describe(c);
    if (error)
        return error;
    if (reply_is_bodyless(&c->x->reply))
        return weir_flush(c); /* without a length, which nobody knows before the folder is read */
    page_ask(c, p);
    error = page_read(c, p);
    if (error)
        return error;
    error = write_head(c);
    if (!error)
        error = write_way(c, p);
    if (!error)
        error = write_table_head(c, p);
    if (!error)
        error = p->list.sorted ? write_rows(c, p) : write_pieces(c, p);
    if (!error)
        (void)write_foot(c, p);
    return 0; /* a reply that could not be written has been told of, or its client has gone */
}
