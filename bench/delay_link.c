/*
 * A link with delay between two network namespaces, for kernels without netem: a TUN device in each, and this program
 * between them, which hands on every packet after a fixed time. What does not fit its queue is lost, as on any link.
 *
 *     delay_link NAMESPACE NAMESPACE MILLISECONDS
 *
 * Namespaces are paths such as /run/netns/NAME. The devices are called delay0 and have to be given addresses and set
 * up. Prints `ready`, and ends with its standard input.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define PACKET_MAX 1536
#define QUEUE      16384 /* packets; a power of two */

struct packet {
    int64_t due_ns;
    uint32_t len;
    unsigned char bytes[PACKET_MAX];
};

/* One direction. */
struct line {
    int from, to;
    uint32_t first, end; /* of the queue; counted on without bound */
    unsigned long long lost;
    struct packet *queue;
};

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static int open_device(const char *path)
{
    int namespace = open(path, O_RDONLY | O_CLOEXEC);
    if (namespace < 0 || setns(namespace, CLONE_NEWNET) != 0)
        die(path);
    close(namespace);
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    snprintf(request.ifr_name, sizeof(request.ifr_name), "delay0");
    if (fd < 0 || ioctl(fd, TUNSETIFF, &request) != 0)
        die("/dev/net/tun");
    return fd;
}

/* Takes what has come. */
static void receive(struct line *l, int64_t delay_ns)
{
    unsigned char scrap[PACKET_MAX];
    for (;;) {
        bool full = l->end - l->first == QUEUE;
        struct packet *p = &l->queue[l->end % QUEUE];
        ssize_t len = read(l->from, full ? scrap : p->bytes, PACKET_MAX);
        if (len <= 0)
            return;
        if (full) {
            l->lost++;
            continue;
        }
        p->len = (uint32_t)len;
        p->due_ns = now_ns() + delay_ns;
        l->end++;
    }
}

/* Hands on what is due. Nanoseconds until the next is, or -1. */
static int64_t deliver(struct line *l)
{
    while (l->first != l->end) {
        const struct packet *p = &l->queue[l->first % QUEUE];
        int64_t left = p->due_ns - now_ns();
        if (left > 0)
            return left;
        if (write(l->to, p->bytes, p->len) < 0)
            l->lost++;
        l->first++;
    }
    return -1;
}

static void serve(struct line *lines, int64_t delay_ns)
{
    for (;;) {
        int64_t one = deliver(&lines[0]), other = deliver(&lines[1]);
        int64_t next = one < 0 || (other >= 0 && other < one) ? other : one;
        struct timespec wait = {.tv_sec = next / 1000000000, .tv_nsec = next % 1000000000};
        struct pollfd ready[] = {{.fd = lines[0].from, .events = POLLIN},
                                 {.fd = lines[1].from, .events = POLLIN},
                                 {.fd = STDIN_FILENO, .events = POLLIN}};
        if (ppoll(ready, 3, next < 0 ? NULL : &wait, NULL) < 0 && errno != EINTR)
            die("ppoll");
        if (ready[2].revents)
            return;
        receive(&lines[0], delay_ns);
        receive(&lines[1], delay_ns);
    }
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: delay_link NAMESPACE NAMESPACE MILLISECONDS\n");
        return 2;
    }
    int one = open_device(argv[1]), other = open_device(argv[2]);
    struct line lines[] = {{.from = one, .to = other}, {.from = other, .to = one}};
    for (int i = 0; i < 2; i++)
        if (!(lines[i].queue = calloc(QUEUE, sizeof(struct packet))))
            die("calloc");
    prctl(PR_SET_TIMERSLACK, 1000); /* the kernel would add 50 microseconds to every wait */
    puts("ready");
    fflush(stdout);
    serve(lines, strtoll(argv[3], NULL, 10) * 1000000);
    printf("lost=%llu\n", lines[0].lost + lines[1].lost);
    return 0;
}
