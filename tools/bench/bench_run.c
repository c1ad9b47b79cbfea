/* From cases to rows, and from rows to what was asked for. */
#include "tools/bench/baseline.h"
#include "tools/bench/bench_choice.h"
#include "tools/bench/bench_row.h"
#include "tools/bench/ceiling.h"
#include "tools/bench/measure_case.h"
#include "tools/bench/peers.h"
#include "tools/bench/plot.h"
#include "tools/bench/quality.h"
#include "tools/bench/repro.h"
#include "tools/flashjit/cli.h"
#include "tools/flashjit/document.h"
#include "tools/flashjit/problem.h"
#include "tools/flashjit/version.h"
#include "tools/flashjit/whole_file.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CUT_REQUESTS = 2, CUT_Q_LEN = 32, CUT_KV_LEN = 256 };

struct table {
  const struct bench_choice *choice;
  json_t *head;
  json_t *rows;
  struct baseline baseline; /* empty: none is asked for */
  struct ceilings ceilings;
  bool simulated;
  bool is_cut; /* rows of peers are missing */
};

/* ------------------------------------------------------------------------------------------------ measuring */

/* What a simulator can bear in a second a case. */
static void cut_cases(const struct bench_choice *choice, const struct case_list *list, const struct device *device) {
  if (!device->simulated || choice->whole)
    return;
  for (size_t i = 0; i < list->count; i++)
    bench_batch_cut(&list->cases[i].batch, CUT_REQUESTS, CUT_Q_LEN, CUT_KV_LEN);
  fprintf(stderr,
          "# batches cut to %d requests, %d query tokens and %d tokens of KV, because the device is simulated "
          "(--whole keeps them)\n",
          CUT_REQUESTS, CUT_Q_LEN, CUT_KV_LEN);
}

static void describe(struct table *table, const struct device *device) {
  char version[LIBRARY_VERSION_SIZE];
  table->simulated = device->simulated;
  library_version(version);
  json_object_set_new(table->head, "version", json_string(version));
  json_object_set_new(table->head, "device", json_string(device->name));
  json_object_set_new(table->head, "sms", json_integer(device->sms));
  json_object_set_new(table->head, "driver", json_integer(device->version));
  json_object_set_new(table->head, "simulated", json_boolean(device->simulated));
  if (table->ceilings.bytes > 0)
    json_object_set_new(table->head, "read_tb_s", json_real(table->ceilings.bytes / 1e12));
}

static bool add_row(struct table *table, const struct bench_case *what, json_t *measured) {
  json_t *row = bench_row(what, measured, &table->ceilings);
  char *repro = repro_command(table->choice, what, bench_row_text(row, "provider"));
  json_object_set_new(row, "repro", json_string(repro));
  free(repro);
  return json_array_append_new(table->rows, row) == 0 || problem_set("out of memory");
}

static bool is_own(const json_t *measured) {
  return strcmp(bench_row_text(measured, "provider"), "flashjit") == 0;
}

static bool has_status(const json_t *row, const char *status) {
  return strcmp(bench_row_text(row, "status"), status) == 0;
}

/* What this library could not be given beside its peers is measured here, and what they may have broken. */
static bool has_own(const json_t *measured, bool is_cut) {
  for (size_t i = 0; i < json_array_size(measured); i++) {
    const json_t *one = json_array_get(measured, i);
    if (is_own(one) && !has_status(one, "skipped") && !(is_cut && has_status(one, "failed")))
      return true;
  }
  return false;
}

/* The rows of a case, this library's first. */
static bool add_case(const struct measuring *measuring, const struct bench_case *what, const json_t *by_peers,
                     struct table *table) {
  const bool is_measured = has_own(by_peers, table->is_cut);
  bool added = is_measured || add_row(table, what, measure_case(measuring, what));
  for (size_t i = 0; i < json_array_size(by_peers) && added; i++) {
    json_t *measured = json_array_get(by_peers, i);
    if (is_measured || !is_own(measured))
      added = add_row(table, what, json_incref(measured));
  }
  return added;
}

static bool measure_all(const struct measuring *measuring, const struct case_list *list, const json_t *by_peers,
                        struct table *table) {
  bool added = true;
  for (size_t i = 0; i < list->count && added; i++) {
    if (!by_peers)
      fprintf(stderr, "# %zu of %zu: %s, %s\n", i + 1, list->count, list->cases[i].spec_text,
              list->cases[i].batch.text);
    added = add_case(measuring, &list->cases[i], json_array_get(by_peers, i), table);
  }
  return added;
}

static bool has_rows(const json_t *by_peers) {
  size_t rows = 0;
  for (size_t i = 0; i < json_array_size(by_peers); i++)
    rows += json_array_size(json_array_get(by_peers, i));
  return rows > 0;
}

/* Peers run before, in a process of their own. Where it gives up later, the rows that it has told are kept. */
static bool measure_peers(const struct bench_choice *choice, const struct case_list *list,
                          const struct measuring *measuring, struct table *table) {
  struct peer_results results;
  const bool measured = peers_measure(choice, list, measuring->device->simulated, &results);
  table->ceilings.operations = results.products;
  if (results.products > 0)
    json_object_set_new(table->head, "products_tflop_s", json_real(results.products / 1e12));
  if (json_object_size(results.absent) > 0)
    json_object_set(table->head, "absent", results.absent);
  table->is_cut = !measured && has_rows(results.measured);
  if (table->is_cut)
    complain("%s; this library's rows that are missing are measured without peers", problem_last());
  const bool added = (measured || table->is_cut) && measure_all(measuring, list, results.measured, table);
  peers_free(&results);
  return added;
}

static bool measure_on(const struct bench_choice *choice, const struct case_list *list, struct device *device,
                       fi_ctx *ctx, struct table *table) {
  struct measuring measuring = {.device = device,
                                .ctx = ctx,
                                .stream = device_stream_create(device),
                                .replays = (uint32_t)choice->repeat,
                                .seed = choice->seed};
  table->ceilings.bytes = ceiling_of(device);
  cut_cases(choice, list, device);
  describe(table, device);
  bool measured = !device_failed(device) || problem_set("%s", device->error);
  if (measured)
    measured =
        choice->peers ? measure_peers(choice, list, &measuring, table) : measure_all(&measuring, list, NULL, table);
  device_stream_destroy(device, measuring.stream);
  return measured;
}

static bool measure_here(const struct bench_choice *choice, const struct case_list *list, struct table *table) {
  struct device device;
  fi_ctx *ctx = NULL;
  bool measured = false;
  if (!device_open(&device, NULL))
    problem_set("%s", device.error);
  else if (fi_ctx_create(NULL, &ctx))
    problem_set("%s", fi_last_error());
  else
    measured = measure_on(choice, list, &device, ctx, table);
  fi_ctx_destroy(ctx);
  device_close(&device);
  return measured;
}

/* ------------------------------------------------------------------------------------------------ results */

/* Peers may be absent or wrong; this library's rows must be right. */
static int judge(const struct table *table) {
  int code = CLI_OK;
  for (size_t i = 0; i < json_array_size(table->rows); i++) {
    const json_t *row = json_array_get(table->rows, i);
    if (!is_own(row) || has_status(row, "ok"))
      continue;
    complain("%s: %s%s%s", bench_row_text(row, "case"), bench_row_text(row, "status"),
             *bench_row_text(row, "reason") ? ": " : "", bench_row_text(row, "reason"));
    code = CLI_FAILED;
  }
  return code;
}

static void tell_comparison(const struct comparison *comparison, const char *path) {
  enum { FEW_ROWS = 5 };
  fprintf(stderr, "# %zu of %zu rows are slower than in %s\n", comparison->slower, comparison->compared, path);
  if (comparison->missing > 0)
    fprintf(stderr, "# %zu rows of it have no time in this run\n", comparison->missing);
  if (comparison->compared >= FEW_ROWS && fabs(comparison->drift - 1) > 0.02)
    fprintf(stderr, "# the median row takes %.3f of its time there: the machines may differ\n", comparison->drift);
}

static int compare(const struct bench_choice *choice, struct table *table) {
  const char *device = bench_row_text(table->baseline.head, "device");
  if (strcmp(device, bench_row_text(table->head, "device")) != 0)
    fprintf(stderr, "# %s is of another device: %s\n", choice->baseline, device);
  const struct comparison comparison = baseline_compare(&table->baseline, table->rows, (double)choice->tolerance / 100);
  tell_comparison(&comparison, choice->baseline);
  const int code = baseline_holds(&comparison, table->simulated) ? CLI_OK : CLI_FAILED;
  if (code != CLI_OK && comparison.slower == 0)
    complain("no row could be compared with %s", choice->baseline);
  return code;
}

static int write_table(const struct bench_choice *choice, const struct bench_layout *layout,
                       const struct table *table) {
  FILE *file = choice->out ? fopen(choice->out, "w") : stdout;
  if (!file) {
    complain("%s: %s", choice->out, strerror(errno));
    return CLI_FAILED;
  }
  bench_write(file, choice->format, layout, table->head, table->rows);
  const bool written = fflush(file) == 0 && !ferror(file);
  if (!written)
    complain("%s: %s", choice->out ? choice->out : "standard output", strerror(errno));
  if (choice->out)
    fclose(file);
  return written ? CLI_OK : CLI_FAILED;
}

static int finish(const struct bench_choice *choice, struct table *table) {
  int code = judge(table);
  if (table->is_cut)
    code = CLI_FAILED;
  if (choice->baseline && compare(choice, table) != CLI_OK)
    code = CLI_FAILED;
  if (write_table(choice, &bench_times, table) != CLI_OK)
    code = CLI_FAILED;
  if (choice->plot && !plot_write(choice->plot, table->head, table->rows)) {
    complain("%s", problem_last());
    code = CLI_FAILED;
  }
  return code;
}

/* Before anything is measured: what it would be compared with, and where it would go. */
static bool prepare(const struct bench_choice *choice, struct table *table) {
  if (choice->out && choice->plot && strcmp(choice->out, choice->plot) == 0) {
    complain("--out and --plot are both %s", choice->out);
    return false;
  }
  if ((choice->out && !output_file_check(choice->out)) || (choice->plot && !output_file_check(choice->plot)))
    return false;
  if (!choice->baseline || baseline_read(&table->baseline, choice->baseline))
    return true;
  complain("%s", problem_last());
  return false;
}

static int measure(const struct bench_choice *choice, const struct case_list *list, struct table *table) {
  int code = CLI_FAILED;
  const bool measured = measure_here(choice, list, table);
  if (!measured)
    complain("%s", problem_last());
  if (measured || json_array_size(table->rows) > 0)
    code = finish(choice, table);
  return measured ? code : CLI_FAILED;
}

int bench_run(const struct bench_choice *choice, const struct case_list *list) {
  struct table table = {.choice = choice, .head = document_new("flashjit.bench"), .rows = json_array()};
  const int code = prepare(choice, &table) ? measure(choice, list, &table) : CLI_FAILED;
  baseline_free(&table.baseline);
  json_decref(table.head);
  json_decref(table.rows);
  return code;
}

int bench_quality_run(const struct bench_choice *choice) {
  struct table table = {.head = document_new("flashjit.bench.quality"), .rows = quality_rows(choice->seed)};
  const int code = table.rows ? write_table(choice, &bench_quality, &table) : CLI_FAILED;
  if (!table.rows)
    complain("out of memory");
  json_decref(table.head);
  json_decref(table.rows);
  return code;
}
