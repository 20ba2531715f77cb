/*
 * How long tiny packets need from a publisher through a server to its players. One thread is all of them: it writes a
 * packet, sleeps while the server works, and collects what came. When it came is told by the kernel, which stamps
 * bytes as they reach the player's socket: that players are read one after the other, and late, adds nothing, and
 * nobody is woken by what the server writes.
 *
 * usage: latency PUBLISH_PORT PLAY_PORT PLAYERS INTERVAL_MS < SCRIPT > SAMPLES      all on 127.0.0.1
 *
 * SCRIPT is blobs, each behind its length (32 bits, big endian): the publisher's hello, request and opening; a player's
 * hello and request; the mark of a packet; the packets. A packet ends with the mark and 8 bytes, where its time is put.
 * A request, when not empty, is said when the server has answered the hello as RTMP does.
 * SAMPLES are pairs of doubles of this machine: when a packet was written, and when a player had it (monotonic, ms).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define MAX_PLAYERS 10000
#define MAX_BLOB_BYTES 65536
#define READ_BYTES 65536
/* S0, S1 and S2 */
#define SERVER_HELLO_BYTES 3073
#define TIME_BYTES 8
#define SILENCE_S 10
#define SETTLE_NS 500000000LL
/* How often what came is collected: soon enough for acknowledgements, which some servers wait for. */
#define COLLECT_NS 1000000LL
/* How long is waited for what was sent last. */
#define TAIL_NS 1000000000LL

struct blob {
  char *bytes;
  size_t length;
};

/* A player, with the end of what it has read: it may be the beginning of a mark. */
struct player {
  int fd;
  size_t carried;
  char carry[64];
};

static struct player players[MAX_PLAYERS];
static int player_count;
static int publisher;
static struct blob mark;
static double (*samples)[2];
static size_t sample_count, max_samples;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static int64_t now_ns(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* How far the clock of the kernel's stamps is ahead of the monotonic one: of some looks the least interrupted. */
static int64_t stamp_offset_ns(void) {
  int64_t best = INT64_MAX, offset = 0;
  for (int i = 0; i < 3; i++) {
    int64_t before = now_ns(CLOCK_MONOTONIC);
    int64_t stamp = now_ns(CLOCK_REALTIME);
    int64_t after = now_ns(CLOCK_MONOTONIC);
    if (after - before >= best) continue;
    best = after - before;
    offset = stamp - before - best / 2;
  }
  return offset;
}

static struct blob read_blob(void) {
  uint32_t length;
  struct blob blob = {0};
  if (fread(&length, sizeof length, 1, stdin) != 1) return blob;
  blob.length = ntohl(length);
  if (blob.length > MAX_BLOB_BYTES) fail("latency: blob");
  blob.bytes = malloc(blob.length + 1);
  if (fread(blob.bytes, 1, blob.length, stdin) != blob.length) fail("latency: script");
  return blob;
}

static void say(int fd, struct blob blob) {
  if (write(fd, blob.bytes, blob.length) != (ssize_t)blob.length) fail("latency: write");
}

static int open_client(int port, struct blob hello, struct blob request) {
  static char ignored[SERVER_HELLO_BYTES];
  int on = 1;
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  struct timeval silence = {.tv_sec = SILENCE_S};
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof silence);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) fail("latency: connect");
  say(fd, hello);
  if (request.length == 0) return fd;
  if (recv(fd, ignored, sizeof ignored, MSG_WAITALL) != SERVER_HELLO_BYTES) fail("latency: handshake");
  say(fd, request);
  return fd;
}

static void add_sample(const char *time, int64_t arrived_ns) {
  uint64_t bits;
  if (arrived_ns == 0) {
    fprintf(stderr, "latency: the kernel does not stamp what arrives\n");
    exit(1);
  }
  if (sample_count == max_samples) return;
  memcpy(&bits, time, sizeof bits);
  bits = be64toh(bits);
  memcpy(&samples[sample_count][0], &bits, sizeof bits);
  samples[sample_count++][1] = (double)arrived_ns / 1e6;
}

/* When the last of the bytes that a message brought came, monotonic; 0 when that is unknown. */
static int64_t arrival_ns(struct msghdr *message, int64_t offset_ns) {
  for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
    struct timespec t;
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS) continue;
    memcpy(&t, CMSG_DATA(c), sizeof t);
    return t.tv_sec * 1000000000LL + t.tv_nsec - offset_ns;
  }
  return 0;
}

/* Reads what a player has got. */
static void collect(struct player *player, int64_t offset_ns) {
  static char buffer[sizeof player->carry + READ_BYTES];
  char control[256];
  for (;;) {
    struct iovec room = {buffer + player->carried, READ_BYTES};
    struct msghdr message = {
        .msg_iov = &room, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t n = recvmsg(player->fd, &message, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) fail("latency: the server closed a player");
    memcpy(buffer, player->carry, player->carried);
    char *from = buffer, *end = room.iov_base + n;
    for (char *at; (at = memmem(from, (size_t)(end - from), mark.bytes, mark.length)); from = at + mark.length) {
      if (end - at < (ssize_t)(mark.length + TIME_BYTES)) break;
      add_sample(at + mark.length, arrival_ns(&message, offset_ns));
    }
    size_t most = mark.length + TIME_BYTES - 1;
    player->carried = (size_t)(end - from) < most ? (size_t)(end - from) : most;
    memcpy(player->carry, end - player->carried, player->carried);
  }
}

static void collect_all_until(int64_t end_ns) {
  static char ignored[4096];
  for (int64_t at = now_ns(CLOCK_MONOTONIC); at < end_ns; at = now_ns(CLOCK_MONOTONIC)) {
    int64_t next = at + COLLECT_NS < end_ns ? at + COLLECT_NS : end_ns;
    struct timespec until = {.tv_sec = next / 1000000000, .tv_nsec = next % 1000000000};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
    if (next == end_ns) return;
    while (recv(publisher, ignored, sizeof ignored, MSG_DONTWAIT) > 0) continue;
    int64_t offset_ns = stamp_offset_ns();
    for (int i = 0; i < player_count; i++) collect(&players[i], offset_ns);
  }
}

static void send_packet(struct blob packet) {
  double ms = (double)now_ns(CLOCK_MONOTONIC) / 1e6;
  uint64_t bits;
  memcpy(&bits, &ms, sizeof bits);
  bits = htobe64(bits);
  memcpy(packet.bytes + packet.length - TIME_BYTES, &bits, sizeof bits);
  say(publisher, packet);
}

int main(int argc, char **argv) {
  if (argc != 5) {
    fprintf(stderr, "usage: latency PUBLISH_PORT PLAY_PORT PLAYERS INTERVAL_MS < SCRIPT > SAMPLES\n");
    return 2;
  }
  int wanted = atoi(argv[3]);
  int64_t interval_ns = atol(argv[4]) * 1000000LL;
  if (wanted > MAX_PLAYERS) wanted = MAX_PLAYERS;
  signal(SIGPIPE, SIG_IGN);

  struct blob hello = read_blob(), request = read_blob(), opening = read_blob();
  publisher = open_client(atoi(argv[1]), hello, request);
  collect_all_until(now_ns(CLOCK_MONOTONIC) + SETTLE_NS);
  say(publisher, opening);
  struct blob player_hello = read_blob(), player_request = read_blob();
  mark = read_blob();
  if (mark.length + TIME_BYTES > sizeof players[0].carry) fail("latency: mark");
  while (player_count < wanted) players[player_count++].fd = open_client(atoi(argv[2]), player_hello, player_request);
  collect_all_until(now_ns(CLOCK_MONOTONIC) + SETTLE_NS);

  int64_t due = now_ns(CLOCK_MONOTONIC);
  for (struct blob packet; (packet = read_blob()).length > 0; due += interval_ns) {
    max_samples += (size_t)player_count;
    samples = realloc(samples, max_samples * sizeof *samples);
    collect_all_until(due);
    send_packet(packet);
  }
  collect_all_until(due + TAIL_NS);
  return fwrite(samples, sizeof *samples, sample_count, stdout) == sample_count ? 0 : 1;
}
