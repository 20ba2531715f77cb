/*
 * The floor: what the kernel alone costs. Writes the same bytes in the same rhythm to every socket that connects, and
 * does nothing else, so no server that sends by TCP can be cheaper by much.
 *
 * usage: floor BATCH_BYTES INTERVAL_MS     prints its port, serves 127.0.0.1, ends with its parent
 *        floor relay                       as well; what a client sends is written to all others, for the latency bench
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_FDS 65536
#define MAX_EVENTS 512
#define BACKLOG 512
/* A client that is further behind gets no new batch, as a live server would do. */
#define MAX_BATCHES_BEHIND 10

static char *batch;
static size_t batch_bytes;
static int relays;
static int clients[MAX_FDS];
static int client_count;
static size_t pending[MAX_FDS];
static int position[MAX_FDS];

static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void drop(int fd) {
  int last = clients[--client_count];
  clients[position[fd]] = last;
  position[last] = position[fd];
  close(fd);
}

/* Writes what `fd` still has to get. Returns 0 when the client is gone. */
static int flush(int fd) {
  while (pending[fd] > 0) {
    size_t part = pending[fd] % batch_bytes;
    if (part == 0) part = batch_bytes;
    ssize_t n = write(fd, batch + batch_bytes - part, part);
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    pending[fd] -= (size_t)n;
    if ((size_t)n < part) return 1;
  }
  return 1;
}

static void send_batch(void) {
  for (int i = client_count - 1; i >= 0; i--) {
    int fd = clients[i];
    if (pending[fd] < MAX_BATCHES_BEHIND * batch_bytes) pending[fd] += batch_bytes;
    if (!flush(fd)) drop(fd);
  }
}

static void accept_all(int listener, int poll) {
  for (;;) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    if (fd < 0) return;
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.fd = fd};
    if (fd >= MAX_FDS || epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event) < 0) {
      close(fd);
      continue;
    }
    pending[fd] = 0;
    position[fd] = client_count;
    clients[client_count++] = fd;
  }
}

/* Who cannot take it at once goes without; the packets are tiny. */
static void relay(int from, const char *bytes, size_t length) {
  for (int i = 0; i < client_count; i++) {
    if (clients[i] != from) send(clients[i], bytes, length, 0);
  }
}

static void serve_event(const struct epoll_event *event) {
  static char bytes[4096];
  int fd = event->data.fd;
  int alive = !(event->events & (EPOLLERR | EPOLLHUP));
  while (alive && (event->events & EPOLLIN)) {
    ssize_t n = read(fd, bytes, sizeof bytes);
    if (n > 0 && relays) relay(fd, bytes, (size_t)n);
    if (n > 0) continue;
    alive = n < 0 && errno == EAGAIN;
    break;
  }
  if (alive) alive = flush(fd);
  if (!alive) drop(fd);
}

static int listen_on_loopback(void) {
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  if (bind(listener, (struct sockaddr *)&address, length) < 0 || listen(listener, BACKLOG) < 0) {
    perror("floor: listen");
    exit(1);
  }
  getsockname(listener, (struct sockaddr *)&address, &length);
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  return listener;
}

int main(int argc, char **argv) {
  relays = argc == 2 && strcmp(argv[1], "relay") == 0;
  if (argc != 3 && !relays) {
    fprintf(stderr, "usage: floor BATCH_BYTES INTERVAL_MS | floor relay\n");
    return 2;
  }
  batch_bytes = relays ? 1 : strtoul(argv[1], NULL, 10);
  int64_t interval_ns = (relays ? 1000 : strtol(argv[2], NULL, 10)) * 1000000LL;
  batch = malloc(batch_bytes);
  memset(batch, 'x', batch_bytes);
  signal(SIGPIPE, SIG_IGN);
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);

  pid_t parent = getppid();
  int listener = listen_on_loopback();
  int poll = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
  epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);

  struct epoll_event events[MAX_EVENTS];
  for (int64_t due = now_ns() + interval_ns; getppid() == parent;) {
    int64_t left = due - now_ns();
    int count = left > 0 ? epoll_wait(poll, events, MAX_EVENTS, (int)(left / 1000000 + 1)) : 0;
    for (int i = 0; i < count; i++) {
      if (events[i].data.fd == listener) accept_all(listener, poll);
      else serve_event(&events[i]);
    }
    if (now_ns() < due) continue;
    if (!relays) send_batch();
    due += interval_ns;
  }
  return 0;
}
