/* Machines that share kernels on a real nginx, which this program starts in a folder and on ports of its own: with a
 * token, with TLS, and while it is gone. Ends with 77, which ctest counts as skipped, where there is no nginx. */
#include "expect.h"
#include "fakes.h"

#include "cache/curl.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char attention[] = "attention group=4 rows=16 page=16";
static const char secret[] = "s3cret-t0ken";
enum { KERNELS = 2, SKIPPED = 77, START_TRIES = 500, PATH_SIZE = 512 };

static const char configuration[] = "daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log error.log;\n"
                                    "events {}\n"
                                    "http {\n"
                                    "  access_log access.log;\n"
                                    "  client_body_temp_path body;\n  proxy_temp_path proxy;\n"
                                    "  fastcgi_temp_path fastcgi;\n  uwsgi_temp_path uwsgi;\n  scgi_temp_path scgi;\n"
                                    "  server {\n"
                                    "    listen 127.0.0.1:%u;\n    listen 127.0.0.1:%u ssl;\n"
                                    "    ssl_certificate server.pem;\n    ssl_certificate_key server.key;\n"
                                    "    root kernels;\n    client_max_body_size 64m;\n"
                                    "    if ($http_authorization != \"Bearer %s\") { return 401; }\n"
                                    "    location / { dav_methods PUT; create_full_put_path on; }\n"
                                    "  }\n"
                                    "}\n";

struct nginx {
  char *folder;
  unsigned port;
  unsigned tls_port;
  pid_t process;
};

/* -------------------------------------------------------------------------------- nginx */

extern char **environ;

static bool runs(const char *const *arguments) {
  pid_t process;
  int status = 1;
  return posix_spawnp(&process, arguments[0], NULL, NULL, (char *const *)arguments, environ) == 0 &&
         waitpid(process, &status, 0) == process && status == 0;
}

static struct sockaddr_in address_of(unsigned port) {
  return (struct sockaddr_in){
      .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static unsigned free_port(void) {
  struct sockaddr_in address = address_of(0);
  socklen_t size = sizeof address;
  const int file = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(file, (struct sockaddr *)&address, sizeof address) || getsockname(file, (struct sockaddr *)&address, &size))
    abort();
  close(file);
  return ntohs(address.sin_port);
}

static bool listens(unsigned port) {
  const struct sockaddr_in address = address_of(port);
  const int file = socket(AF_INET, SOCK_STREAM, 0);
  const bool is_open = connect(file, (const struct sockaddr *)&address, sizeof address) == 0;
  close(file);
  return is_open;
}

static const char *in_folder(const struct nginx *nginx, const char *name) {
  static char path[PATH_SIZE];
  snprintf(path, sizeof path, "%s/%s", nginx->folder, name);
  return path;
}

static void write_configuration(const struct nginx *nginx) {
  FILE *file = fopen(in_folder(nginx, "nginx.conf"), "w");
  if (!file || fprintf(file, configuration, nginx->port, nginx->tls_port, secret) < 0 || fclose(file))
    abort();
}

/* For localhost and no other name. */
static bool make_certificate(const struct nginx *nginx) {
  char key[PATH_SIZE];
  snprintf(key, sizeof key, "%s/server.key", nginx->folder);
  const char *const arguments[] = {"openssl",
                                   "req",
                                   "-x509",
                                   "-newkey",
                                   "ec",
                                   "-pkeyopt",
                                   "ec_paramgen_curve:prime256v1",
                                   "-nodes",
                                   "-days",
                                   "2",
                                   "-subj",
                                   "/CN=localhost",
                                   "-addext",
                                   "subjectAltName=DNS:localhost",
                                   "-keyout",
                                   key,
                                   "-out",
                                   in_folder(nginx, "server.pem"),
                                   NULL};
  return runs(arguments);
}

static bool start(struct nginx *nginx) {
  char prefix[PATH_SIZE];
  snprintf(prefix, sizeof prefix, "%s/", nginx->folder);
  char *const arguments[] = {"nginx", "-p", prefix, "-c", "nginx.conf", "-e", "error.log", NULL};
  if (posix_spawnp(&nginx->process, arguments[0], NULL, NULL, arguments, environ))
    return false;
  for (unsigned i = 0; i < START_TRIES && !listens(nginx->tls_port); i++)
    usleep(10000);
  return listens(nginx->tls_port);
}

static void stop(const struct nginx *nginx) {
  int status;
  kill(nginx->process, SIGTERM);
  waitpid(nginx->process, &status, 0);
}

/* -------------------------------------------------------------------------------- machines */

struct told {
  unsigned problems;
  char problem[1024]; /* the last one */
};

static void take_event(void *user, const fi_event *event) {
  struct told *told = user;
  if (event->kind != FI_EVENT_CACHE_PROBLEM)
    return;
  expect(!strstr(event->message, secret), "the token was told");
  told->problems++;
  snprintf(told->problem, sizeof told->problem, "%s", event->message);
}

/* A machine of its own gets the kernel in so many compiles; `problem` is part of what is told, NULL: nothing is. */
static void expect_machine(const char *what, const char *url, unsigned compiles, const char *problem) {
  struct told told = {.problems = 0};
  char *directory = make_directory();
  fi_ctx *ctx =
      make_context_with((fi_options){.cache_dir = directory, .http_url = url, .on_event = take_event, .user = &told});
  const unsigned before = fakes.compiles;
  kernel_of(ctx, attention);
  expect(fakes.compiles - before == compiles, "%s: %u compiles", what, fakes.compiles - before);
  expect(counters_of(ctx).http_hits == KERNELS - compiles, "%s: %u from the server", what,
         (unsigned)counters_of(ctx).http_hits);
  expect(problem ? told.problems && strstr(told.problem, problem) : !told.problems, "%s: told %s", what, told.problem);
  fi_ctx_destroy(ctx);
  remove_directory(directory);
}

static void use(struct nginx *nginx) {
  char plain[64];
  char tls[64];
  char other_name[64];
  char below[64];
  snprintf(plain, sizeof plain, "http://127.0.0.1:%u", nginx->port);
  snprintf(below, sizeof below, "http://127.0.0.1:%u/team/v1/", nginx->port);
  snprintf(tls, sizeof tls, "https://localhost:%u", nginx->tls_port);
  snprintf(other_name, sizeof other_name, "https://127.0.0.1:%u", nginx->tls_port);

  setenv("FLASHJIT_HTTP_TOKEN", "another", 1);
  expect_machine("a wrong token", plain, KERNELS, "the answer is 401");
  setenv("FLASHJIT_HTTP_TOKEN", secret, 1);
  expect_machine("the first", plain, KERNELS, NULL);
  expect_machine("the second", plain, 0, NULL);
  expect_machine("in a folder that does not exist yet", below, KERNELS, NULL);
  expect_machine("in a folder", below, 0, NULL);

  expect_machine("TLS, by an unknown authority", tls, KERNELS, "ertificate");
  setenv("FLASHJIT_HTTP_CA", in_folder(nginx, "server.pem"), 1);
  expect_machine("TLS", tls, 0, NULL);
  expect_machine("TLS, by another name", other_name, KERNELS, "ertificate");
  expect_machine("TLS where there is none", "https://localhost:1", KERNELS, "onnect");

  stop(nginx);
  expect_machine("while it is gone", plain, KERNELS, "onnect");
  expect(start(nginx), "nginx does not start again");
  expect_machine("when it is back", plain, 0, NULL);
}

/* What this test needs and the machine lacks; NULL: nothing. */
static const char *missing(void) {
  static const char *const nginx[] = {"nginx", "-v", NULL};
  static const char *const openssl[] = {"openssl", "version", NULL};
  struct cache_reason reason = {""};
  if (!runs(nginx))
    return "nginx (Debian's package nginx-light)";
  if (!runs(openssl))
    return "openssl (Debian's package openssl)";
  return curl_open(&reason) ? NULL : "libcurl (Debian's package libcurl4)";
}

/* nginx is where the PATH of a user who is not root may not lead. */
static void set_environment(void) {
  char path[4096];
  const char *given = getenv("PATH");
  snprintf(path, sizeof path, "%s:/usr/sbin", given ? given : "/usr/bin");
  setenv("PATH", path, 1);
  setenv("no_proxy", "*", 1);
}

int main(void) {
  set_environment();
  const char *lack = missing();
  if (lack) {
    printf("skipped: there is no %s\n", lack);
    return SKIPPED;
  }
  fakes_reset();
  struct nginx nginx = {.folder = make_directory(), .port = free_port(), .tls_port = free_port()};
  write_configuration(&nginx);
  if (mkdir(in_folder(&nginx, "kernels"), 0700) || !make_certificate(&nginx) || !start(&nginx)) {
    fputs("nginx does not start\n", stderr);
    return 1;
  }
  use(&nginx);
  stop(&nginx);
  remove_directory(nginx.folder);
  printf("%u failures\n", failures);
  return failures != 0;
}
