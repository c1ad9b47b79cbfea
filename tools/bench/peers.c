/* A request to the process, and its answers. */
#include "tools/bench/peers.h"

#include "tools/bench/bench_row.h"
#include "tools/flashjit/document.h"
#include "tools/flashjit/problem.h"

#include <errno.h>
#include <stdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATH_SIZE = 4096 };

/* ------------------------------------------------------------------------------------------------ the request */

/* Every axis of a spec by its name: the name of its value, or the number. */
static json_t *axes_of(const fi_spec *spec) {
  json_t *axes = json_object();
  fi_axis axis = {.struct_size = sizeof axis};
  for (uint32_t i = 0; fi_axis_describe(i, &axis) == FI_OK; i++) {
    uint32_t value;
    memcpy(&value, (const char *)spec + axis.offset, sizeof value);
    json_t *member = json_integer(value);
    for (uint32_t j = 0; axis.value_names && j < axis.value_count; j++) {
      if (axis.values[j] == value)
        json_object_set_new(axes, axis.name, json_string(axis.value_names[j]));
    }
    if (!json_object_get(axes, axis.name))
      json_object_set(axes, axis.name, member);
    json_decref(member);
  }
  return axes;
}

static json_t *case_request(const struct bench_case *what) {
  char text[CASE_TEXT_SIZE];
  json_t *requests = json_array();
  json_t *borrowed = json_array();
  bool shares = false;
  for (uint32_t r = 0; r < what->batch.count; r++) {
    const struct bench_request *request = &what->batch.requests[r];
    json_array_append_new(requests, json_pack("[i, i]", (int)request->q_len, (int)request->kv_len));
    json_array_append_new(borrowed, json_pack("[i, i]", (int)request->owner,
                                              (int)bench_batch_borrowed(&what->batch, r, what->spec.page_size)));
    shares |= request->shared > 0;
  }
  bench_case_text(what, text);
  return json_pack("{s:s, s:s, s:i, s:o, s:o, s:b, s:o}", "text", text, "spec", what->spec_text, "heads",
                   (int)what->kv_heads, "requests", requests, "borrowed", borrowed, "shares", shares, "axes",
                   axes_of(&what->spec));
}

static json_t *names_of(const char *list) {
  json_t *names = json_array();
  for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
    json_array_append_new(names, json_stringn(at, strcspn(at, ",")));
  return names;
}

static json_t *make_request(const struct bench_choice *choice, const struct case_list *list, bool simulated) {
  json_t *request = document_new("flashjit.bench.peers");
  json_t *cases = json_array();
  for (size_t i = 0; i < list->count; i++)
    json_array_append_new(cases, case_request(&list->cases[i]));
  json_object_set_new(request, "peers", names_of(choice->peers));
  json_object_set_new(request, "from", choice->peers_from ? json_string(choice->peers_from) : json_null());
  json_object_set_new(request, "replays", json_integer((json_int_t)choice->repeat));
  json_object_set_new(request, "seed", json_integer((json_int_t)(choice->seed & INT32_MAX)));
  json_object_set_new(request, "simulated", json_boolean(simulated));
  json_object_set_new(request, "cases", cases);
  return request;
}

/* A file that the process reads as its standard input; NULL with a problem. */
static FILE *write_request(const struct bench_choice *choice, const struct case_list *list, bool simulated) {
  FILE *file = tmpfile();
  json_t *request = make_request(choice, list, simulated);
  if (!file || json_dumpf(request, file, JSON_COMPACT) || fflush(file)) {
    problem_set("the request to peers: %s", strerror(errno));
    if (file)
      fclose(file);
    file = NULL;
  }
  json_decref(request);
  if (file)
    rewind(file);
  return file;
}

/* ------------------------------------------------------------------------------------------------ the process */

/* Beside the command where it is built, in share/ where it is installed. */
static bool find_driver(char path[PATH_SIZE]) {
  static const char *const places[] = {"peers", "../share/flashjit/peers"};
  char folder[PATH_SIZE / 2];
  const ssize_t length = readlink("/proc/self/exe", folder, sizeof folder - 1);
  folder[length > 0 ? length : 0] = '\0';
  char *slash = strrchr(folder, '/');
  if (slash)
    *slash = '\0';
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    snprintf(path, PATH_SIZE, "%s/%s/drive.py", folder, places[i]);
    if (access(path, R_OK) == 0)
      return true;
  }
  return problem_set("--peers needs %s/peers/drive.py or %s/../share/flashjit/peers/drive.py", folder, folder);
}

/* Its standard output; -1 with a problem. */
static int start(const char *python, const char *driver, FILE *request, pid_t *pid) {
  int ends[2];
  const pid_t parent = getpid();
  if (pipe(ends)) {
    problem_set("pipe: %s", strerror(errno));
    return -1;
  }
  *pid = fork();
  if (*pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* nobody reads what it does after the parent */
    if (getppid() != parent)
      _exit(127);
    dup2(fileno(request), STDIN_FILENO);
    dup2(ends[1], STDOUT_FILENO);
    close(ends[0]);
    close(ends[1]);
    execlp(python, python, driver, (char *)NULL);
    fprintf(stderr, "flashjit: %s: %s\n", python, strerror(errno));
    _exit(127);
  }
  close(ends[1]);
  if (*pid > 0)
    return ends[0];
  problem_set("fork: %s", strerror(errno));
  close(ends[0]);
  return -1;
}

/* False when it did not end well. What it said of that stays the problem. */
static bool ended_well(pid_t pid, const char *python, bool has_told) {
  int status;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
    continue;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
    return true;
  if (has_told)
    return false;
  if (WIFSIGNALED(status))
    return problem_set("%s with peers was stopped by signal %d", python, WTERMSIG(status));
  return problem_set("%s with peers exited with %d", python, WEXITSTATUS(status));
}

/* ------------------------------------------------------------------------------------------------ the answers */

/* False when it tells a problem, which is then the last one. */
static bool take_answer(struct peer_results *results, json_t *answer) {
  const char *problem = json_string_value(json_object_get(answer, "problem"));
  const char *absent = json_string_value(json_object_get(answer, "absent"));
  const json_t *number = json_object_get(answer, "case");
  const double products = bench_row_number(answer, "products_tflop_s");
  if (problem)
    return problem_set("peers: %s", problem);
  if (absent) {
    fprintf(stderr, "# peer %s is absent: %s\n", absent, bench_row_text(answer, "reason"));
    json_object_set(results->absent, absent, json_object_get(answer, "reason"));
  }
  if (products > 0)
    results->products = products * 1e12;
  if (json_is_integer(number)) {
    json_t *rows = json_array_get(results->measured, (size_t)json_integer_value(number));
    json_object_del(answer, "case");
    json_array_append(rows, answer);
  }
  return true;
}

static bool read_answers(FILE *file, struct peer_results *results) {
  char *line = NULL;
  size_t room = 0;
  bool taken = true;
  while (getline(&line, &room, file) >= 0) {
    json_error_t error;
    json_t *answer = json_loads(line, 0, &error);
    if (!answer)
      taken = problem_set("peers: \"%.60s\" is no answer: %s", line, error.text);
    else
      taken = take_answer(results, answer) && taken;
    json_decref(answer);
  }
  free(line);
  return taken;
}

bool peers_measure(const struct bench_choice *choice, const struct case_list *list, bool simulated,
                   struct peer_results *results) {
  char driver[PATH_SIZE];
  pid_t pid;
  *results = (struct peer_results){.measured = json_array(), .absent = json_object()};
  for (size_t i = 0; i < list->count; i++)
    json_array_append_new(results->measured, json_array());
  if (!find_driver(driver))
    return false;
  FILE *request = write_request(choice, list, simulated);
  if (!request)
    return false;
  const int output = start(choice->python, driver, request, &pid);
  fclose(request);
  if (output < 0)
    return false;
  FILE *answers = fdopen(output, "r");
  const bool read = answers ? read_answers(answers, results) : problem_set("peers: %s", strerror(errno));
  if (answers)
    fclose(answers);
  return ended_well(pid, choice->python, !read) && read;
}

void peers_free(struct peer_results *results) {
  json_decref(results->measured);
  json_decref(results->absent);
  *results = (struct peer_results){0};
}
