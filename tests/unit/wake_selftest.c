/*
 * Waking a worker that has ended: a thread that has sent its message writes to what wakes the worker when the message
 * has long been taken, the worker and the wait for the server have ended, and the program has opened other files.
 * write() is this program's own, and holds that thread up.
 *
 * SPDX-License-Identifier: MIT
 */
#include "selftest.h"
#include "weir.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <semaphore.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Thread_local bool late; /* this thread's next write waits */
static sem_t sent, go;
static char written[64]; /* what it was to then */

ssize_t write(int fd, const void *buf, size_t len)
{
    if (late) {
        late = false;
        sem_post(&sent);
        sem_wait(&go);
        char path[64];
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ssize_t n = readlink(path, written, sizeof written - 1);
        written[n > 0 ? n : 0] = '\0';
    }
    return syscall(SYS_write, fd, buf, len);
}

static int be_late(void *arg)
{
    (void)arg;
    late = true;
    return 0;
}

static void offloading(weir_ctx *c)
{
    CHECK(weir_offload(c, be_late, NULL) == 0);
    weir_reply_text(c, "done");
}

/* Asks, and waits for the end of the reply. */
static void ask(int port)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    char reply[1024];
    size_t len = 0;
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect(fd, (struct sockaddr *)&server, sizeof server) == 0);
    CHECK(send(fd, request, strlen(request), 0) == (ssize_t)strlen(request));
    ssize_t n;
    while (len < sizeof reply - 1 && (n = recv(fd, reply + len, sizeof reply - 1 - len, 0)) > 0)
        len += (size_t)n;
    reply[len] = '\0';
    CHECK(strstr(reply, "done") != NULL);
    close(fd);
}

int main(void)
{
    int others[64];
    CHECK(sem_init(&sent, 0, 0) == 0 && sem_init(&go, 0, 0) == 0);
    weir_server *s = weir_server_new(&(weir_config){.port = WEIR_ANY, .workers = 1});
    CHECK(weir_get(s, "/", offloading) == 0);
    CHECK(weir_server_start(s) == 0);
    ask(weir_server_port(s)); /* the worker finds the message in a turn that something else has begun */
    sem_wait(&sent);
    weir_server_stop(s);
    CHECK(weir_server_wait(s) == 0);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        others[i] = dup(STDIN_FILENO); /* in the place of all that has been closed */
    sem_post(&go);
    weir_server_free(s);
    CHECK(strcmp(written, "anon_inode:[eventfd]") == 0);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        close(others[i]);
    return selftest_end();
}
