/* What others could have written is not read, and links are not followed. */
#include "fault.h"
#include "support.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(cache_trust, .init = scratch_begin, .fini = scratch_end);

enum { NOBODY = 65534 };

/* A store in scratch/cache with sample 1 in it, and the path of each part of it. */
struct made {
  char *root, *v1, *subdirectory, *file;
};

static struct made make_store(void) {
  struct cache_key key = sample_key(1);
  struct made made = {
      .root = scratch_path("cache"), .v1 = scratch_path("cache/v1"), .subdirectory = scratch_path("cache/v1/ab")};
  made.file = entry_file(made.root, &key, SAMPLE_TOOLCHAIN);
  struct cache_store *store = store_on(made.root, &cache_io_posix);
  cr_assert(publish_sample(store, 1) && finds_sample(store, 1));
  cache_store_close(store);
  return made;
}

static void made_free(struct made *made) {
  free(made->root);
  free(made->v1);
  free(made->subdirectory);
  free(made->file);
}

/* Is sample 1 found by a new store that has the root as its user directory, or as its read-only layer? */
static bool found_as(const char *root, bool read_only, const struct cache_io *io) {
  struct cache_reason reason;
  struct cache_config config = {.user = read_only ? NULL : root, .read_only = read_only ? root : NULL};
  struct cache_store *store = cache_store_open(&config, io, &reason);
  cr_assert_not_null(store);
  bool found = finds_sample(store, 1);
  cache_store_close(store);
  return found;
}

Test(cache_trust, what_others_may_write_is_refused) {
  struct made made = make_store();
  const char *parts[] = {made.root, made.v1, made.subdirectory, made.file};
  static const mode_t modes[] = {0020, 0002, 0022, 0070, 0007, 01777};
  for (size_t i = 0; i < 4; i++) {
    struct stat status;
    if (geteuid() == 0)
      cr_assert_eq(chown(parts[i], 0, NOBODY), 0); /* root's own group is trusted */
    cr_assert_eq(stat(parts[i], &status), 0);
    for (size_t j = 0; j < sizeof modes / sizeof *modes; j++) {
      cr_assert_eq(chmod(parts[i], (status.st_mode & 07777) | modes[j]), 0);
      for (int read_only = 0; read_only < 2; read_only++)
        cr_expect(!found_as(made.root, read_only == 1, &cache_io_posix), "%s with %04o", parts[i], modes[j]);
      cr_expect(file_exists(made.file), "refused is not damaged");
    }
    cr_assert_eq(chmod(parts[i], (status.st_mode & 07777) | 055), 0);
    cr_expect(found_as(made.root, false, &cache_io_posix), "%s: others may read", parts[i]);
    cr_assert_eq(chmod(parts[i], status.st_mode & 07777), 0);
  }
  made_free(&made);
}

Test(cache_trust, a_refused_user_directory_is_not_written) {
  struct made made = make_store();
  cr_assert_eq(chmod(made.root, 0777), 0);
  struct cache_reason reason;
  struct cache_config config = {.user = made.root};
  struct cache_store *store = cache_store_open(&config, &cache_io_posix, &reason);
  cr_expect(strstr(reason.text, "may be written by anybody (mode 0777)"), "%s", reason.text);
  cr_expect(!publish_sample(store, 2));
  cache_store_close(store);
  cr_expect_eq(count_names(made.subdirectory, cache_is_file_name), 1);
  made_free(&made);
}

Test(cache_trust, owners) {
  struct made made = make_store();
  if (geteuid() == 0) {
    cr_assert_eq(chmod(scratch, 0755) | chmod(made.root, 0755) | chmod(made.v1, 0755), 0);
    cr_assert_eq(chmod(made.subdirectory, 0755) | chmod(made.file, 0644), 0);
    cr_assert_eq(seteuid(NOBODY), 0);
  }
  static const struct {
    uid_t relative; /* 1: `owner` is added to the effective user */
    uid_t owner;
    bool as_user, as_read_only;
  } cases[] = {{1, 0, true, true}, {0, 0, false, true}, {1, 1, false, false}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct fault state = {.fake_owner = true, .owner = cases[i].relative * geteuid() + cases[i].owner};
    struct cache_io io = fault_io(&state);
    cr_expect_eq(found_as(made.root, false, &io), cases[i].as_user, "user directory of %u", state.owner);
    cr_expect_eq(found_as(made.root, true, &io), cases[i].as_read_only, "read-only layer of %u", state.owner);
    cr_expect_eq(state.open_files, 0);
  }
  if (getuid() == 0)
    cr_assert_eq(seteuid(0), 0);
  made_free(&made);
}

/* Where the root points to is the user's choice: home directories are small. */
Test(cache_trust, a_root_may_be_a_link_to_a_trusted_directory) {
  struct made made = make_store();
  char *alias = scratch_path("alias");
  cr_assert_eq(symlink(made.root, alias), 0);
  cr_expect(found_as(alias, false, &cache_io_posix) && found_as(alias, true, &cache_io_posix));
  cr_assert_eq(chmod(made.root, 0777), 0);
  cr_expect(!found_as(alias, false, &cache_io_posix) && !found_as(alias, true, &cache_io_posix));
  free(alias);
  made_free(&made);
}

Test(cache_trust, links_below_the_root_are_not_followed) {
  struct made made = make_store();
  const char *parts[] = {made.v1, made.subdirectory, made.file};
  for (size_t i = 0; i < 3; i++) {
    char *moved = scratch_path("moved");
    cr_assert(rename(parts[i], moved) == 0 && symlink(moved, parts[i]) == 0);
    cr_expect(!found_as(made.root, false, &cache_io_posix), "%s", parts[i]);
    cr_expect(!found_as(made.root, true, &cache_io_posix), "%s", parts[i]);
    cr_expect(file_exists(parts[i]), "refused is not damaged");
    cr_assert(unlink(parts[i]) == 0 && rename(moved, parts[i]) == 0);
    cr_expect(found_as(made.root, false, &cache_io_posix), "%s is back", parts[i]);
    free(moved);
  }
  made_free(&made);
}

/* A link where an entry should be is replaced, and its target left alone. */
Test(cache_trust, publishing_replaces_a_link) {
  struct made made = make_store();
  char *target = scratch_path("target");
  cr_assert(file_put(target, "precious", 8) && unlink(made.file) == 0 && symlink(target, made.file) == 0);
  struct cache_store *store = store_on(made.root, &cache_io_posix);
  cr_expect(publish_sample(store, 1) && finds_sample(store, 1));
  cache_store_close(store);
  size_t size;
  unsigned char *bytes = file_bytes(target, &size);
  cr_expect(size == 8 && memcmp(bytes, "precious", 8) == 0);
  free(bytes);
  free(target);
  made_free(&made);
}

Test(cache_trust, a_file_in_place_of_a_directory) {
  struct made made = make_store();
  const char *parts[] = {made.root, made.v1, made.subdirectory};
  for (size_t i = 0; i < 3; i++) {
    char *moved = scratch_path("moved");
    cr_assert(rename(parts[i], moved) == 0 && file_put(parts[i], "file", 4));
    struct cache_store *store = store_on(made.root, &cache_io_posix);
    cr_expect(!finds_sample(store, 1) && !publish_sample(store, 1), "%s", parts[i]);
    cache_store_close(store);
    cr_assert(unlink(parts[i]) == 0 && rename(moved, parts[i]) == 0);
    free(moved);
  }
  cr_expect(found_as(made.root, false, &cache_io_posix));
  made_free(&made);
}

Test(cache_trust, a_directory_or_pipe_in_place_of_an_entry, .timeout = 20) {
  struct made made = make_store();
  cr_assert(unlink(made.file) == 0 && mkdir(made.file, 0700) == 0);
  struct cache_store *store = store_on(made.root, &cache_io_posix);
  cr_expect(!finds_sample(store, 1) && !publish_sample(store, 1));
  cr_expect_eq(count_names(made.subdirectory, cache_is_temporary_name), 0);
  cr_assert(rmdir(made.file) == 0 && mkfifo(made.file, 0600) == 0);
  cr_expect(!finds_sample(store, 1), "and does not wait for a writer");
  cr_expect(file_exists(made.file), "refused is not damaged");
  cr_expect(publish_sample(store, 1) && finds_sample(store, 1));
  cache_store_close(store);
  made_free(&made);
}

/* Real permission bits, which do not bind root. */
Test(cache_trust, a_directory_without_write_permission) {
  if (geteuid() == 0)
    cr_assert(chown(scratch, NOBODY, NOBODY) == 0 && seteuid(NOBODY) == 0);
  struct made made = make_store();
  cr_assert_eq(chmod(made.subdirectory, 0500), 0);
  struct cache_store *store = store_on(made.root, &cache_io_posix);
  struct sample second;
  struct cache_reason reason;
  sample_make(&second, 2, 100);
  cr_expect(!cache_store_publish(store, &second.entry, &reason));
  cr_expect(strstr(reason.text, "Permission denied"), "%s", reason.text);
  cr_expect(finds_sample(store, 1));
  cr_assert_eq(chmod(made.subdirectory, 0700), 0);
  cr_expect(cache_store_publish(store, &second.entry, &reason), "may work again: %s", reason.text);
  cache_store_close(store);
  sample_free(&second);
  if (getuid() == 0)
    cr_assert_eq(seteuid(0), 0);
  made_free(&made);
}

/* The true reason, for each way in which a layer is not as it should be. */
Test(cache_trust, the_reason_names_what_is_wrong) {
  static const struct {
    uid_t owner;
    gid_t group;
    mode_t mode;
    bool read_only;
    const char *reason; /* "": none */
  } cases[] = {
      {1000, NOBODY, 0755, true, "/cache belongs to user 1000, who is not trusted; it must be root or 65534"},
      {1000, NOBODY, 0777, true, "/cache belongs to user 1000, who is not trusted"},
      {1000, NOBODY, 0755, false, "/cache belongs to user 1000, who is not trusted; it must be 65534"},
      {0, NOBODY, 0755, false, "/cache belongs to user 0, who is not trusted; it must be 65534"},
      {0, NOBODY, 0755, true, ""},
      {0, NOBODY, 0775, true, "/cache may be written by its group, 65534 (mode 0775)"},
      {0, NOBODY, 0757, true, "/cache may be written by anybody (mode 0757)"},
      {65534, NOBODY, 0770, false, "/cache may be written by its group, 65534 (mode 0770)"},
      {65534, NOBODY, 0000, true, ": Permission denied, as it is for its owner alone; what flashjit build makes"},
      {65534, NOBODY, 0755, true, ""},
      {0, 0, 0775, true, ""},
      {0, 0, 0775, false, "/cache belongs to user 0"},
      {65534, 0, 0775, false, "/cache may be written by its group, 0 (mode 0775)"},
      {0, 0, 0777, true, "/cache may be written by anybody"},
  };
  if (geteuid() != 0)
    cr_skip_test("other users are root's");
  char *root = scratch_path("cache");
  cr_assert_eq(chown(scratch, NOBODY, NOBODY) | chmod(scratch, 0755), 0);
  cr_assert_eq(setegid(NOBODY) | seteuid(NOBODY), 0);
  cr_assert_eq(mkdir(root, 0755), 0);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct cache_reason reason;
    const struct cache_config config = {.user = cases[i].read_only ? NULL : root,
                                        .read_only = cases[i].read_only ? root : NULL};
    cr_assert_eq(seteuid(0), 0);
    cr_assert_eq(chown(root, cases[i].owner, cases[i].group) | chmod(root, cases[i].mode), 0);
    cr_assert_eq(seteuid(NOBODY), 0);
    cache_store_close(cache_store_open(&config, &cache_io_posix, &reason));
    if (cases[i].reason[0])
      cr_expect(strstr(reason.text, cases[i].reason), "case %zu: %s", i, reason.text);
    else
      cr_expect_str_eq(reason.text, "", "case %zu: %s", i, reason.text);
  }
  cr_assert_eq(seteuid(0), 0);
  free(root);
}

/* What root has filled, for shipping, another user reads. */
Test(cache_trust, a_shared_cache_of_root_is_a_read_only_layer_of_others) {
  if (geteuid() != 0)
    cr_skip_test("other users are root's");
  char *root = scratch_path("cache");
  for (int shared = 0; shared < 2; shared++) {
    struct cache_reason reason;
    struct cache_config config = {.user = root, .shared = shared};
    cr_assert_eq(chmod(scratch, 0755), 0);
    struct cache_store *store = cache_store_open(&config, &cache_io_posix, &reason);
    cr_expect(publish_sample(store, 1));
    cache_store_close(store);
    cr_assert_eq(seteuid(NOBODY), 0);
    cr_expect_eq(found_as(root, true, &cache_io_posix), shared == 1);
    cr_assert_eq(seteuid(0), 0);
    free(root);
    root = scratch_path("another");
  }
  free(root);
}
