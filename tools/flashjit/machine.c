/* Asking the machine. */
#include "tools/flashjit/machine.h"

#include "tools/common/device.h"
#include "tools/flashjit/cli.h"
#include "tools/flashjit/roles.h"
#include "tools/flashjit/version.h"
#include "tools/flashjit/workers.h"

#include "flashjit_args.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>

/* ------------------------------------------------------------------------------------------------ read */

/* The facts of a kernel tell it, whether the cache has it or not. */
fi_status machine_target(const char *given, char target[TARGET_SIZE]) {
  const fi_options context_options = {
      .struct_size = sizeof context_options, .mode = FI_MODE_LOAD_ONLY, .target = given};
  const fi_spec plan = plan_spec();
  fi_facts facts = {.struct_size = sizeof facts};
  fi_ctx *ctx;
  fi_status status = fi_ctx_create(&context_options, &ctx);
  if (status)
    return status;
  status = fi_precompile(ctx, &plan, &facts);
  fi_ctx_destroy(ctx);
  memcpy(target, facts.target, TARGET_SIZE);
  return target[0] ? FI_OK : status;
}

/* In a worker, which shares the machine's memory. */
static bool ask(void *user, const struct job *job, struct job_result *result) {
  struct machine *machine = user;
  struct device device;
  if (!device_open(&device, NULL)) {
    result->status = FI_ERROR_NO_DRIVER;
    snprintf(result->message, sizeof result->message, "%s", device.error);
    return false;
  }
  result->status = machine_target(job->target, machine->target);
  if (result->status)
    snprintf(result->message, sizeof result->message, "%s", fi_last_error());
  snprintf(machine->device, sizeof machine->device, "%s", device.name);
  machine->simulated = device.simulated;
  machine->driver = device.version;
  machine->sms = device.sms;
  machine->l2_bytes = device.l2_bytes;
  return false;
}

static void take_answer(void *user, const struct job *job, const struct job_result *result) {
  (void)user, (void)job;
  if (result->status)
    complain("%s", result->message);
}

int machine_read(struct machine *machine, const char *target) {
  const struct job job = {.target = target};
  struct machine *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) {
    complain("out of memory");
    return CLI_FAILED;
  }
  const struct workers workers = {
      .jobs = &job, .count = 1, .processes = 1, .work = ask, .on_result = take_answer, .user = shared};
  const int signal_number = workers_run(&workers);
  *machine = *shared;
  munmap(shared, sizeof *shared);
  if (signal_number)
    return 128 + signal_number;
  return machine->target[0] ? CLI_OK : CLI_FAILED;
}

/* ------------------------------------------------------------------------------------------------ JSON */

/* "13.0" */
static json_t *cuda_version(int version) {
  return version ? json_sprintf("%d.%d", version / 1000, version % 1000 / 10) : json_null();
}

/* Of NVIDIA's kernel module, such as "580.95.05"; null when there is none. */
static json_t *driver_release(void) {
  char line[256] = "";
  char release[32];
  FILE *file = fopen("/proc/driver/nvidia/version", "r");
  const bool is_read = file && fgets(line, sizeof line, file);
  if (file)
    fclose(file);
  for (const char *word = is_read ? strtok(line, " ") : NULL; word; word = strtok(NULL, " ")) {
    if (sscanf(word, "%31[0-9.]", release) == 1 && strcmp(word, release) == 0 && strchr(word, '.'))
      return json_string(release);
  }
  return json_null();
}

static json_t *device_json(const struct machine *machine) {
  return json_pack("{s:s, s:b, s:i, s:I, s:o, s:o}", "name", machine->device, "simulated", machine->simulated, "sms",
                   machine->sms, "l2_bytes", (json_int_t)machine->l2_bytes, "driver_cuda",
                   cuda_version(machine->driver), "driver_release",
                   machine->simulated ? json_null() : driver_release());
}

json_t *machine_json(const struct machine *machine) {
  char library[LIBRARY_VERSION_SIZE];
  const char *path;
  struct utsname system;
  uname(&system);
  library_version(library);
  return json_pack("{s:s, s:i, s:{s:s, s:s}, s:o, s:o, s:s}", "library", library, "arguments", FLASHJIT_ARGS_VERSION,
                   "system", "name", system.sysname, "machine", system.machine, "device", device_json(machine), "nvrtc",
                   cuda_version(nvrtc_version(&path)), "target", machine->target);
}
