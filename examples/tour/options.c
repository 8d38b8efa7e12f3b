/*
 * The arguments of the tour.
 *
 * SPDX-License-Identifier: MIT
 */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tour.h"

static const char usage[] = "usage: tour [options]\n"
                            "  --host ADDRESS       IPv4, IPv6 or unix:PATH (127.0.0.1)\n"
                            "  --port PORT          0: one that is free (60000)\n"
                            "  --root DIR           the files to serve (" WEIR_SAMPLES_DIR ", or $WEIR_SAMPLES)\n"
                            "  --upload-dir DIR     where PUT /upload/{name} saves (none: nowhere)\n"
                            "  --workers N          threads (one for each processor)\n"
                            "  --memory-limit SIZE  bound on the memory, such as 8M (none)\n"
                            "  --tls-port PORT      https as well; 0: a port that is free (none)\n"
                            "  --cert FILE          its certificate, in PEM form (one that is made at the start)\n"
                            "  --key FILE           and the key of that\n"
                            "  --lean-records       connections over TLS in a few hundred bytes\n"
                            "  --quiet              print only where it listens\n"
                            "  --help               this text\n";

/* A number within bounds that is the whole of text; with units, K, M or G may follow. */
static bool parse_number(const char *text, bool units, long long least, long long most, long long *number)
{
    char *end;
    if (!isdigit((unsigned char)text[0]))
        return false;
    errno = 0;
    long long value = strtoll(text, &end, 10), unit = 1;
    if (units && *end && strchr("KMG", *end)) {
        unit = *end == 'K' ? 1LL << 10 : *end == 'M' ? 1LL << 20 : 1LL << 30;
        end++;
    }
    if (errno || *end || value > most / unit || value * unit < least)
        return false;
    *number = value * unit;
    return true;
}

static bool parse_option(struct options *o, int option)
{
    long long number = 0;
    bool good = true;
    switch (option) {
    case 'h':
        o->host = optarg;
        break;
    case 'r':
        o->root = optarg;
        break;
    case 'u':
        o->upload_dir = optarg;
        break;
    case 'q':
        o->quiet = true;
        break;
    case 'p':
        good = parse_number(optarg, false, 0, 65535, &number);
        o->port = number == 0 ? WEIR_ANY : (int)number;
        break;
    case 'w':
        good = parse_number(optarg, false, 1, 1024, &number);
        o->workers = (int)number;
        break;
    case 't':
        good = parse_number(optarg, false, 0, 65535, &number);
        o->tls_port = number == 0 ? WEIR_ANY : (int)number;
        break;
    case 'c':
        o->certificate = optarg;
        break;
    case 'k':
        o->key = optarg;
        break;
    case 'l':
        o->lean_records = true;
        break;
    case 'm':
        good = parse_number(optarg, true, 1, LLONG_MAX, &number);
        o->memory_limit = (size_t)number;
        break;
    default:
        return false; /* getopt has said why */
    }
    if (!good)
        fprintf(stderr, "tour: '%s' is not a value of its option\n", optarg);
    return good;
}

/* Ends the process on wrong arguments and on --help. */
void parse_arguments(struct options *o, int argc, char **argv)
{
    static const struct option known[] = {
        {"host", required_argument, NULL, 'h'},
        {"port", required_argument, NULL, 'p'},
        {"root", required_argument, NULL, 'r'},
        {"workers", required_argument, NULL, 'w'},
        {"memory-limit", required_argument, NULL, 'm'},
        {"quiet", no_argument, NULL, 'q'},
        {"tls-port", required_argument, NULL, 't'},
        {"cert", required_argument, NULL, 'c'},
        {"key", required_argument, NULL, 'k'},
        {"lean-records", no_argument, NULL, 'l'},
        {"upload-dir", required_argument, NULL, 'u'},
        {"help", no_argument, NULL, '?' + 128},
        {0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (option == '?' + 128) {
            fputs(usage, stdout);
            exit(0);
        }
        if (!parse_option(o, option)) {
            fputs(usage, stderr);
            exit(2);
        }
    }
    struct stat root, upload_dir;
    if (!o->certificate != !o->key)
        fprintf(stderr, "tour: --cert and --key go together\n");
    else if (optind < argc)
        fprintf(stderr, "tour: unexpected argument '%s'\n%s", argv[optind], usage);
    else if (stat(o->root, &root) != 0 || !S_ISDIR(root.st_mode))
        fprintf(stderr, "tour: '%s' is not a folder; --root names the one to serve\n", o->root);
    else if (o->upload_dir && (stat(o->upload_dir, &upload_dir) != 0 || !S_ISDIR(upload_dir.st_mode)))
        fprintf(stderr, "tour: '%s' is not a folder; --upload-dir names the one to save to\n", o->upload_dir);
    else
        return;
    exit(2);
}
