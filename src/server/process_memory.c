/*
 * Reading /proc/self/smaps.
 *
 * SPDX-License-Identifier: MIT
 */
#include "server/process_memory.h"
#include "base/clock.h"
#include "weir.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SAMPLE_NS    1000000000u /* least time between samples */
#define SAMPLE_SHARE 20          /* a pause lasts so many times what the last sample took: many mappings take long */
#define LINE_MAX_LEN 4096

/* A mapping whose lines are being read, and the sums so far. */
struct reading {
    uint64_t private_bytes; /* of the mapping */
    bool own;               /* the mapping is one of weir's */
    uint64_t resident, all_private, own_private;
};

static void reading_flush(struct reading *r)
{
    r->all_private += r->private_bytes;
    if (r->own)
        r->own_private += r->private_bytes;
    r->private_bytes = 0;
    r->own = false;
}

static uint64_t line_bytes(const char *line)
{
    return strtoull(strchr(line, ':') + 1, NULL, 10) * 1024;
}

/* A mapping begins with its addresses in small hexadecimal digits; the lines about it begin with a name. */
static void reading_line(struct reading *r, const char *line)
{
    if ((line[0] >= '0' && line[0] <= '9') || (line[0] >= 'a' && line[0] <= 'f'))
        reading_flush(r);
    else if (strncmp(line, "Rss:", 4) == 0)
        r->resident += line_bytes(line);
    else if (strncmp(line, "Private_Dirty:", 14) == 0)
        r->private_bytes = line_bytes(line);
    else if (strncmp(line, "VmFlags:", 8) == 0)
        r->own = strstr(line, " nr ") && strstr(line, " nh ");
}

static int read_mappings(int fd, struct reading *r)
{
    char buf[LINE_MAX_LEN + 1];
    size_t len = 0;
    for (;;) {
        ssize_t n = read(fd, buf + len, LINE_MAX_LEN - len);
        if (n < 0)
            return WEIR_EIO;
        if (n == 0)
            break;
        len += (size_t)n;
        char *line = buf, *end;
        while ((end = memchr(line, '\n', len - (size_t)(line - buf)))) {
            *end = '\0';
            reading_line(r, line);
            line = end + 1;
        }
        len -= (size_t)(line - buf);
        memmove(buf, line, len);
        if (len == LINE_MAX_LEN)
            len = 0; /* a path of such a length: its end says nothing */
    }
    reading_flush(r);
    return 0;
}

bool process_memory_due(const struct process_memory *p, uint64_t now_ns)
{
    return now_ns >= counter_read(&p->due_ns);
}

int process_memory_sample(struct process_memory *p, const _Atomic uint64_t *allocated)
{
    uint64_t begin_ns = clock_monotonic_ns();
    if (!process_memory_due(p, begin_ns) || atomic_exchange(&p->busy, true))
        return 0;
    struct reading r = {0};
    int fd = open("/proc/self/smaps", O_RDONLY | O_CLOEXEC);
    int error = fd < 0 ? WEIR_EIO : read_mappings(fd, &r);
    if (fd >= 0)
        close(fd);
    uint64_t end_ns = clock_monotonic_ns(), pause_ns = (end_ns - begin_ns) * SAMPLE_SHARE;
    if (!error) {
        uint64_t known = r.own_private + counter_read(allocated);
        atomic_store(&p->resident, r.resident);
        atomic_store(&p->private_bytes, r.all_private);
        atomic_store(&p->remainder, r.all_private > known ? r.all_private - known : 0);
        atomic_store(&p->taken_ns, end_ns);
    }
    atomic_store(&p->due_ns, begin_ns + (pause_ns > SAMPLE_NS ? pause_ns : SAMPLE_NS));
    atomic_store(&p->busy, false);
    return error;
}
