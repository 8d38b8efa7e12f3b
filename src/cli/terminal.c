/*
 * The terminal.
 *
 * SPDX-License-Identifier: MIT
 */
#include "cli/terminal.h"
#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

static struct termios before;
static bool begun, input_changed;
static volatile sig_atomic_t resized, ended;

bool terminal_is_at(int fd)
{
    const char *kind = getenv("TERM");
    return isatty(fd) && kind && *kind && strcmp(kind, "dumb") != 0;
}

bool terminal_has_colour(void)
{
    const char *none = getenv("NO_COLOR");
    return terminal_is_at(STDOUT_FILENO) && !(none && *none);
}

static void write_all(const char *text)
{
    ssize_t n = write(STDOUT_FILENO, text, strlen(text));
    (void)n; /* a terminal that is not there any more needs nothing */
}

static void on_signal(int number)
{
    if (number == SIGWINCH)
        resized = 1;
    else
        ended = 1;
}

static void watch_signal(int number)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

void terminal_begin(void)
{
    static const int numbers[] = {SIGWINCH, SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        watch_signal(numbers[i]);
    if (tcgetattr(STDIN_FILENO, &before) == 0) {
        struct termios raw = before;
        raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        input_changed = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
    }
    write_all("\x1b[?1049h\x1b[?25l\x1b[?7l"); /* a line that is too wide is cut, and does not scroll */
    begun = true;
}

void terminal_end(void)
{
    if (!begun)
        return;
    begun = false;
    write_all("\x1b[?7h\x1b[?25h\x1b[?1049l");
    if (input_changed)
        tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

void terminal_size(int fd, int *width, int *height)
{
    struct winsize size;
    *width = 80;
    *height = 24;
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0) {
        *width = size.ws_col;
        *height = size.ws_row;
    }
}

/* Whether a key that asks for the end was pressed. An escape sequence, of an arrow key, does not ask for it. */
static bool key_quits(void)
{
    char keys[64];
    ssize_t n = read(STDIN_FILENO, keys, sizeof keys);
    if (n <= 0)
        return n == 0 || (errno != EINTR && errno != EAGAIN);
    return keys[0] == 'q' || keys[0] == 'Q' || keys[0] == 3 || (keys[0] == 27 && n == 1);
}

enum terminal_event terminal_wait(int ms)
{
    uint64_t until = clock_monotonic_ns() + (uint64_t)ms * 1000000;
    for (;;) {
        uint64_t now = clock_monotonic_ns();
        if (ended)
            return TERMINAL_QUIT;
        if (resized) {
            resized = 0;
            return TERMINAL_RESIZED;
        }
        if (now >= until)
            return TERMINAL_TIME;
        struct pollfd input = {.fd = input_changed ? STDIN_FILENO : -1, .events = POLLIN};
        int n = poll(&input, 1, (int)((until - now + 999999) / 1000000));
        if (n > 0 && key_quits())
            return TERMINAL_QUIT;
    }
}
