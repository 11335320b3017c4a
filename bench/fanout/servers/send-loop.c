/*
 * The limit: what a machine can do that has nothing to do but send(). Accepts connections with epoll, answers each request
 * by the head of an SSE response, and on the line "publish" on stdin makes the frames of all its messages once, in chunked
 * coding, and send()s them to every socket. Lines and answers are those of host.ts.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_CLIENTS 40000
#define MAX_BYTES (1 << 20)

static const char head[] = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-store, no-transform\r\n"
                           "x-content-type-options: nosniff\r\nx-accel-buffering: no\r\ntransfer-encoding: chunked\r\n\r\n";
static int clients[MAX_CLIENTS];
static int client_count;
static char frames[MAX_BYTES], chunked[MAX_BYTES + 32];

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void watch(int epoll, int fd) {
  struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0) fail("epoll_ctl");
}

static long long now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static void publish(int count, int bytes, int first) {
  static int id;
  size_t length = 0;
  for (int i = 0; i < count; i++) {
    length += sprintf(frames + length, "id: bench=abcdefghi.%d\ndata: ", ++id);
    memset(frames + length, 'x', bytes - 25);
    length += bytes - 25;
    length += sprintf(frames + length, "%08d%016lld^\n\n", first + i, now_us());
  }
  int total = sprintf(chunked, "%zx\r\n", length);
  memcpy(chunked + total, frames, length);
  total += length;
  memcpy(chunked + total, "\r\n", 2);
  total += 2;
  for (int i = 0; i < client_count; i++) {
    if (send(clients[i], chunked, total, MSG_NOSIGNAL) != total) fail("send");
  }
}

static void tell_usage(void) {
  struct rusage usage;
  long pages = 0;
  FILE *statm = fopen("/proc/self/statm", "r");
  if (statm == NULL || fscanf(statm, "%*d %ld", &pages) != 1) fail("statm");
  fclose(statm);
  getrusage(RUSAGE_SELF, &usage);
  printf("{\"user\":%ld,\"system\":%ld,\"rss\":%ld}\n", usage.ru_utime.tv_sec * 1000000L + usage.ru_utime.tv_usec,
         usage.ru_stime.tv_sec * 1000000L + usage.ru_stime.tv_usec, pages * sysconf(_SC_PAGESIZE));
}

static void obey(void) {
  static char line[256];
  static size_t length;
  ssize_t got = read(0, line + length, sizeof line - 1 - length);
  if (got <= 0) exit(0);
  length += got;
  for (char *end; (end = memchr(line, '\n', length)) != NULL;) {
    int count, bytes, first;
    *end = 0;
    if (sscanf(line, "publish %d %d %d", &count, &bytes, &first) == 3) publish(count, bytes, first);
    else if (strcmp(line, "count") == 0) printf("%d\n", client_count);
    else tell_usage();
    length -= end + 1 - line;
    memmove(line, end + 1, length);
  }
}

/* A request of a client of the benchmark comes in one piece; what comes later is of no interest. */
static void answer(int epoll, int fd) {
  char request[2048];
  if (read(fd, request, sizeof request) <= 0) {
    close(fd);
    return;
  }
  epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL);
  if (send(fd, head, sizeof head - 1, MSG_NOSIGNAL) < 0 || client_count == MAX_CLIENTS) fail("head");
  clients[client_count++] = fd;
}

int main(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  int on = 1, listener = socket(AF_INET, SOCK_STREAM, 0), epoll = epoll_create1(0);
  if (bind(listener, (struct sockaddr *)&address, size) < 0 || listen(listener, 4096) < 0) fail("listen");
  getsockname(listener, (struct sockaddr *)&address, &size);
  watch(epoll, listener);
  watch(epoll, 0);
  setvbuf(stdout, NULL, _IOLBF, 0);
  printf("%d\n", ntohs(address.sin_port));
  for (;;) {
    struct epoll_event events[256];
    int count = epoll_wait(epoll, events, 256, -1);
    for (int i = 0; i < count; i++) {
      int fd = events[i].data.fd;
      if (fd == 0) obey();
      else if (fd == listener) {
        int client = accept(listener, NULL, NULL);
        if (client < 0) fail("accept");
        setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        watch(epoll, client);
      } else answer(epoll, fd);
    }
  }
}
