/* flashjit doctor: looks at everything that the library needs, and says what to do about what is missing. */
#include "cache/contents.h"
#include "cache/crypto.h"
#include "cache/walk.h"
#include "tools/common/device.h"
#include "tools/flashjit/cli.h"
#include "tools/flashjit/commands.h"
#include "tools/flashjit/document.h"
#include "tools/flashjit/environment.h"
#include "tools/flashjit/http_state.h"
#include "tools/flashjit/machine.h"
#include "tools/flashjit/version.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>
#include <unistd.h>

enum verdict { FINE, WARNING, PROBLEM };
static const char *const verdict_names[] = {[FINE] = "fine", [WARNING] = "warning", [PROBLEM] = "problem"};

enum { NFS_MAGIC = 0x6969, LEAST_FREE = 256 << 20 };

struct examination {
  struct options options;
  json_t *findings;
  enum verdict worst;
  char target[TARGET_SIZE]; /* "": no device tells one */
};

/* Adds a finding; `remedy` is NULL when nothing is to be done. */
static void __attribute__((format(printf, 5, 6)))
find(struct examination *examination, const char *what, enum verdict verdict, const char *remedy, const char *format,
     ...) {
  char text[1536];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  json_array_append_new(examination->findings, json_pack("{s:s, s:s, s:s, s:s?}", "what", what, "verdict",
                                                         verdict_names[verdict], "finding", text, "remedy", remedy));
  examination->worst = verdict > examination->worst ? verdict : examination->worst;
}

/* ------------------------------------------------------------------------------------------------ driver, compiler */

static void examine_library(struct examination *examination) {
  char text[LIBRARY_VERSION_SIZE];
  const uint32_t version = fi_library_version();
  const uint32_t own = FLASHJIT_VERSION_MAJOR * 1000000 + FLASHJIT_VERSION_MINOR * 1000 + FLASHJIT_VERSION_PATCH;
  library_version(text);
  find(examination, "library", version == own ? FINE : WARNING,
       version == own ? NULL : "install command and library together, or set LD_LIBRARY_PATH", "%s", text);
}

static int examine_driver(struct examination *examination) {
  struct device device;
  bool simulated;
  const int version = device_driver_version(examination->options.driver, &simulated);
  if (!version) {
    const char *driver = examination->options.driver ? examination->options.driver : "libcuda.so.1";
    const bool is_simulator = strcmp(driver, "sim") == 0;
    find(examination, "driver", WARNING,
         is_simulator
             ? "install libflashjit-sim.so with the command, or unset FLASHJIT_DRIVER to use the NVIDIA driver"
             : "install the NVIDIA driver, or set FLASHJIT_DRIVER to the path of libcuda, or to sim to simulate one",
         "%s cannot be opened: kernels can be compiled and not run",
         is_simulator ? "libflashjit-sim.so, the simulator of FLASHJIT_DRIVER=sim," : driver);
    return 0;
  }
  if (!device_open(&device, examination->options.driver))
    find(examination, "driver", PROBLEM, "see that a GPU is visible to this process (nvidia-smi, CUDA_VISIBLE_DEVICES)",
         "CUDA %d.%d, and no device: %s", version / 1000, version % 1000 / 10, device.error);
  else
    find(examination, "driver", FINE, NULL, "CUDA %d.%d, %s%s", version / 1000, version % 1000 / 10, device.name,
         simulated ? " (simulated)" : "");
  device_close(&device);
  return version;
}

static void examine_compiler(struct examination *examination, int driver) {
  const char *path;
  const int version = nvrtc_version(&path);
  const bool compiles = examination->options.mode == FI_MODE_ON;
  if (!version)
    find(examination, "compiler", compiles ? WARNING : FINE,
         compiles
             ? "install NVRTC (cuda-nvrtc of NVIDIA's repository, or nvidia-cuda-nvrtc of PyPI) or set FLASHJIT_NVRTC; "
               "or ship kernels with 'flashjit bundle create'"
             : NULL,
         "%s cannot be opened: only cached kernels can be used", path);
  else if (driver && version / 1000 > driver / 1000)
    find(examination, "compiler", WARNING, "update the driver, or set FLASHJIT_NVRTC to libnvrtc.so.12",
         "%s is of CUDA %d.%d, newer than the driver, which may refuse what it makes", path, version / 1000,
         version % 1000 / 10);
  else
    find(examination, "compiler", FINE, NULL, "%s, CUDA %d.%d", path, version / 1000, version % 1000 / 10);
}

static void examine_target(struct examination *examination) {
  const char *target = examination->target;
  const char *path;
  if (machine_target(NULL, examination->target))
    return;
  const int arch = atoi(target + strcspn(target, "0123456789"));
  if (examination->options.mode != FI_MODE_ON || !nvrtc_version(&path) || nvrtc_compiles(arch))
    find(examination, "target", FINE, NULL, "%s", target);
  else
    find(examination, "target", WARNING, "install a newer NVRTC, or ship kernels with 'flashjit bundle create'",
         "%s, for which %s does not compile", target, path);
}

/* ------------------------------------------------------------------------------------------------ cache */

struct targeted {
  const char *target;
  uint64_t kernels;
};

static void count_targeted(void *user, const struct cache_entry *entry) {
  struct targeted *targeted = user;
  targeted->kernels += strcmp(entry->target, targeted->target) == 0;
}

static void find_shipped(struct examination *examination, const struct cache_contents *contents,
                         const struct targeted *targeted) {
  const bool is_for_another = targeted->target[0] && !targeted->kernels;
  const bool is_fine = !contents->damaged && contents->is_whole && !is_for_another;
  const char *reason = contents->reason.text;
  find(examination, contents->is_bundle ? "bundle" : "read-only", is_fine ? FINE : WARNING,
       contents->damaged     ? "make it anew, or replace it"
       : !contents->is_whole ? "mend what is named here: who reads it must be allowed to, and nobody else may write"
       : is_for_another      ? "make it for the target, with --target"
                             : NULL,
       "%s: %" PRIu64 " kernels, %" PRIu64 " of them for %s, %" PRIu64 " damaged%s%s", contents->path,
       contents->kernels, targeted->kernels, targeted->target[0] ? targeted->target : "a target that is not known",
       contents->damaged, reason[0] ? "; " : "", reason);
}

/* Bundles and read-only folders. Returns how many are used; those that cannot be are counted in *unused. */
static uint64_t examine_shipped(struct examination *examination, const struct cache_store *store, uint64_t *unused) {
  struct cache_contents contents;
  struct targeted targeted = {.target = examination->target};
  uint64_t used = 0;
  for (size_t layer = 0; cache_contents(store, layer, count_targeted, &targeted, &contents); layer++) {
    if (!contents.is_users && contents.is_open)
      find_shipped(examination, &contents, &targeted);
    used += !contents.is_users && contents.is_open;
    *unused += !contents.is_users && !contents.is_open;
    targeted.kernels = 0;
  }
  return used;
}

/* A process that compiles, and has nowhere to keep what it compiles, can still load what was shipped; one that does not
 * compile lacks nothing. */
static enum verdict layers_verdict(const struct examination *examination, bool has_user, uint64_t used,
                                   uint64_t unused) {
  if (!has_user && !used)
    return PROBLEM;
  return unused || has_user || examination->options.mode == FI_MODE_ON ? WARNING : FINE;
}

static void examine_layers(struct examination *examination, const char *directory) {
  struct cache_reason reason;
  struct cache_store *store = environment_open_store_quietly(&reason);
  uint64_t unused = 0;
  if (!store)
    return;
  const bool has_user = cache_store_has_user_directory(store);
  const uint64_t used = examine_shipped(examination, store, &unused);
  const enum verdict verdict = layers_verdict(examination, has_user, used, unused);
  if (reason.text[0])
    find(examination, "cache", verdict,
         verdict == FINE
             ? NULL
             : "mend what is named here: it must be there, its owner you (or root, for what is only read), and nobody "
               "else may write; or set FLASHJIT_CACHE_DIR to a folder that you may write to, and FLASHJIT_BUNDLES and "
               "FLASHJIT_CACHE_RO to what is there",
         "%s", reason.text);
  else if (!has_user)
    find(examination, "cache", verdict, verdict == FINE ? NULL : "set FLASHJIT_CACHE_DIR or HOME",
         "there is no cache directory: %s",
         verdict == FINE ? "nothing is written" : "kernels are compiled again by every process");
  if (has_user)
    find(examination, "cache", FINE, NULL, "%s", directory);
  struct cache_lock lock;
  const struct cache_key key = {{0}};
  const enum cache_lock_result result = cache_store_lock(store, &key, 0, &lock, &reason);
  if (has_user && result == CACHE_LOCK_UNAVAILABLE)
    find(examination, "lock", WARNING, "set FLASHJIT_LOCK_DIR to a folder on this machine",
         "no locks: processes may compile the same kernel at the same time; %s", reason.text);
  cache_store_unlock(store, &lock);
  cache_store_close(store);
}

static void examine_space(struct examination *examination, const char *directory) {
  struct statfs space;
  if (statfs(directory, &space) != 0)
    return;
  const uint64_t free_bytes = (uint64_t)space.f_bavail * (uint64_t)space.f_bsize;
  find(examination, "space", free_bytes < LEAST_FREE ? WARNING : FINE,
       free_bytes < LEAST_FREE ? "free some, or 'flashjit cache prune --bytes N'" : NULL, "%" PRIu64 " MiB are free",
       free_bytes >> 20);
  if ((unsigned long)space.f_type == NFS_MAGIC && !examination->options.lock_dir)
    find(examination, "lock", WARNING, "set FLASHJIT_LOCK_DIR to a folder on this machine",
         "the cache is on NFS, whose locks may be slow or missing");
}

struct health {
  uint64_t files[CACHE_WALK_FOREIGN + 1];
};

static bool count(void *user, const struct cache_walk_file *file) {
  struct health *health = user;
  health->files[file->state]++;
  return false;
}

static void examine_entries(struct examination *examination, const char *directory) {
  struct health health = {{0}};
  struct cache_walk_result result;
  struct cache_reason reason;
  cache_walk(directory, &cache_io_posix, count, &health, &result, &reason);
  const uint64_t damaged = health.files[CACHE_WALK_DAMAGED];
  const uint64_t unreadable = health.files[CACHE_WALK_UNREADABLE];
  find(examination, "entries", damaged || unreadable ? WARNING : FINE,
       damaged      ? "flashjit cache verify --repair"
       : unreadable ? "'flashjit cache verify' names them"
                    : NULL,
       "%" PRIu64 " kernels, %" PRIu64 " damaged, %" PRIu64 " that cannot be read or are not trusted",
       health.files[CACHE_WALK_ENTRY], damaged, unreadable);
}

static void examine_cache(struct examination *examination) {
  char *directory = options_cache_directory(&examination->options);
  examine_layers(examination, directory);
  if (directory) {
    examine_space(examination, directory);
    examine_entries(examination, directory);
  }
  free(directory);
}

static void examine_http(struct examination *examination) {
  struct http_state state;
  char text[HTTP_STATE_TEXT_SIZE];
  if (!http_state_read(&examination->options, &state))
    return;
  http_state_describe(&state, text);
  find(examination, "http", state.is_refused ? PROBLEM : state.remedy ? WARNING : FINE, state.remedy, "%s", text);
}

/* As the library opens it, which makes it where it is not there. */
static void examine_miss_log(struct examination *examination) {
  const char *path = examination->options.miss_log;
  if (!path)
    return;
  const int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
  if (file < 0)
    find(examination, "miss log", WARNING, "set FLASHJIT_MISS_LOG to a file that you may write to",
         "%s cannot be opened: %s", path, strerror(errno));
  else
    find(examination, "miss log", FINE, NULL, "%s", path);
  if (file >= 0)
    close(file);
}

static void examine_signatures(struct examination *examination) {
  struct crypto crypto;
  struct cache_reason reason = {""};
  if (!examination->options.bundle_key)
    return;
  if (crypto_open(&crypto, &reason))
    find(examination, "signatures", FINE, NULL, "libcrypto can be opened");
  else
    find(examination, "signatures", PROBLEM, "install libssl3, or every bundle is refused", "%s", reason.text);
}

/* Some variables are read by the library alone: FLASHJIT_SOURCE names a file. */
static void examine_context(struct examination *examination) {
  fi_ctx *ctx = NULL;
  if (fi_ctx_create(NULL, &ctx))
    find(examination, "context", PROBLEM, "mend what is named here: until then no kernel can be had", "%s",
         fi_last_error());
  else
    find(examination, "context", FINE, NULL, "can be made");
  fi_ctx_destroy(ctx);
}

/* ------------------------------------------------------------------------------------------------ doctor */

static void print_findings(const json_t *findings) {
  const json_t *finding;
  size_t i;
  json_array_foreach(findings, i, finding) {
    const char *remedy = json_string_value(json_object_get(finding, "remedy"));
    printf("%-8s %-11s %s\n", json_string_value(json_object_get(finding, "verdict")),
           json_string_value(json_object_get(finding, "what")), json_string_value(json_object_get(finding, "finding")));
    if (remedy)
      printf("%-20s -> %s\n", "", remedy);
  }
}

static bool take_option(void *user, int code, char *text) {
  (void)code, (void)text;
  *(bool *)user = true;
  return true;
}

static int run(const struct cli_command *command, int argc, char **argv) {
  struct examination examination = {.worst = FINE};
  bool is_json = false;
  int first;
  const int code = cli_parse(command, argc, argv, take_option, &is_json, &first);
  if (code >= 0)
    return code;
  if (first < argc)
    return usage_error(command->name, "unexpected argument \"%s\"", argv[first]);
  if (!environment_read(&examination.options))
    return CLI_FAILED;
  examination.findings = json_array();
  examine_library(&examination);
  examine_compiler(&examination, examine_driver(&examination));
  examine_target(&examination);
  examine_cache(&examination);
  examine_http(&examination);
  examine_miss_log(&examination);
  examine_signatures(&examination);
  examine_context(&examination);
  if (is_json)
    document_print("flashjit.doctor", json_pack("{s:s, s:O}", "verdict", verdict_names[examination.worst], "findings",
                                                examination.findings));
  else
    print_findings(examination.findings);
  json_decref(examination.findings);
  options_free(&examination.options);
  return examination.worst == PROBLEM ? CLI_FAILED : CLI_OK;
}

static const struct cli_option options[] = {
    {"json", 0, NULL, "print JSON", 1},
    {0},
};

const struct cli_command doctor_command = {
    .name = "doctor",
    .summary = "look for what is missing or wrong on this machine",
    .arguments = "[--json]",
    .about = "Looks at driver, compiler, their versions, cache, permissions, space and server, with the environment\n"
             "as it is, and says what to do about each finding. Exits with 1 when something will not work.",
    .options = options,
    .run = run,
};
