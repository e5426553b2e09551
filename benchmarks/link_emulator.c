/* A wide-area link in user space: carries packets between two TUN devices with a rate, a delay and loss.

       link_emulator CLIENT_NETNS SERVER_NETNS RATE_MBIT RTT_MS LOSS_PERCENT BUFFER_MS SEED

   Makes the device `wan0` in both network namespaces (names below /run/netns), prints "ready" and carries packets
   until it is killed; the devices go with it. Each direction has the rate (0: no limit), half of the round trip, and
   a buffer that drops what would wait for longer than BUFFER_MS. Packets to the client are lost at random.
   Linux only, for kernels without tc-netem; benchmarks/wide_area.py compiles it. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum { SLOTS = 1 << 14, PACKET_BYTES = 2048, BATCH = 64 };

struct packet {
    double due; /* seconds, monotonic */
    int size;
    unsigned char bytes[PACKET_BYTES];
};

struct direction {
    int from, to;                      /* file descriptors of TUN devices */
    double rate, delay, loss, patience; /* bytes per second, seconds, probability, seconds in the buffer */
    double free_at;                    /* when the wire has sent all that was put on it */
    unsigned long first, count;        /* of the ring of packets under way */
    struct packet *ring;
};

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec * 1e-9;
}

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

/* Make `wan0` in a namespace. */
static int open_device(const char *namespace)
{
    char path[256];
    struct ifreq request = {0};
    snprintf(path, sizeof path, "/run/netns/%s", namespace);
    int place = open(path, O_RDONLY | O_CLOEXEC);
    if (place < 0 || setns(place, CLONE_NEWNET))
        fail(path);
    close(place);
    int device = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    request.ifr_flags = IFF_TUN | IFF_NO_PI;
    strcpy(request.ifr_name, "wan0");
    if (device < 0 || ioctl(device, TUNSETIFF, &request))
        fail("/dev/net/tun");
    return device;
}

/* Take one packet in; 0 when there is none. Lost packets count as taken. */
static int take(struct direction *way)
{
    struct packet *packet = &way->ring[(way->first + way->count) % SLOTS];
    packet->size = read(way->from, packet->bytes, PACKET_BYTES);
    if (packet->size <= 0)
        return 0;
    double begins = now();
    if (way->count + 1 == SLOTS || drand48() < way->loss)
        return 1;
    if (way->rate > 0) {
        double waits_until = way->free_at > begins ? way->free_at : begins;
        if (waits_until - begins > way->patience)
            return 1;
        way->free_at = begins = waits_until + packet->size / way->rate;
    }
    packet->due = begins + way->delay;
    way->count++;
    return 1;
}

/* Deliver what is due; return when the next packet will be. */
static double deliver(struct direction *way, double time)
{
    while (way->count) {
        struct packet *packet = &way->ring[way->first % SLOTS];
        if (packet->due > time)
            return packet->due;
        if (write(way->to, packet->bytes, packet->size) < 0 && errno == EAGAIN)
            return time + 1e-4;
        way->first++, way->count--;
    }
    return time + 1;
}

static void carry(struct direction ways[2])
{
    struct pollfd waiting[2] = {{ways[0].from, POLLIN, 0}, {ways[1].from, POLLIN, 0}};
    for (;;) {
        double time = now(), next = time + 1;
        for (int i = 0; i < 2; i++) {
            double due = deliver(&ways[i], time);
            next = due < next ? due : next;
        }
        double pause = next - now();
        struct timespec limit = {0, pause > 0 ? (pause < 1 ? pause * 1e9 : 999999999) : 0};
        if (ppoll(waiting, 2, &limit, NULL) <= 0)
            continue;
        for (int i = 0; i < 2; i++)
            for (int n = 0; n < BATCH && take(&ways[i]); n++)
                ;
    }
}

int main(int count, char **words)
{
    if (count != 8) {
        fprintf(stderr, "usage: %s CLIENT_NETNS SERVER_NETNS RATE_MBIT RTT_MS LOSS_PERCENT BUFFER_MS SEED\n", words[0]);
        return 2;
    }
    int client = open_device(words[1]), server = open_device(words[2]);
    double rate = atof(words[3]) * 1e6 / 8, delay = atof(words[4]) / 2e3, patience = atof(words[6]) / 1e3;
    struct direction ways[2] = {
        {.from = server, .to = client, .loss = atof(words[5]) / 100},
        {.from = client, .to = server, .loss = 0},
    };
    for (int i = 0; i < 2; i++) {
        ways[i].rate = rate, ways[i].delay = delay, ways[i].patience = patience;
        ways[i].ring = calloc(SLOTS, sizeof *ways[i].ring);
        if (!ways[i].ring)
            fail("memory");
    }
    srand48(atol(words[7]));
    prctl(PR_SET_TIMERSLACK, 1);
    puts("ready");
    fflush(stdout);
    carry(ways);
}
