/* Runs a fuzz program once on each file of the folders that are named, with no libFuzzer. */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>

enum { LARGEST = 1 << 20, PATH_ROOM = 4096 };

static void run_file(const char *path) {
  FILE *file = fopen(path, "rb");
  uint8_t *data = malloc(LARGEST);
  if (!file || !data) {
    fprintf(stderr, "cannot read %s\n", path);
    exit(1);
  }
  const size_t size = fread(data, 1, LARGEST, file);
  fclose(file);
  LLVMFuzzerTestOneInput(data, size);
  free(data);
}

static unsigned run_folder(const char *folder) {
  unsigned count = 0;
  DIR *entries = opendir(folder);
  if (!entries) {
    fprintf(stderr, "cannot open %s\n", folder);
    exit(1);
  }
  const struct dirent *entry;
  while ((entry = readdir(entries))) {
    char path[PATH_ROOM];
    if (entry->d_type != DT_REG)
      continue;
    snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
    run_file(path);
    count++;
  }
  closedir(entries);
  return count;
}

int main(int argc, char **argv) {
  unsigned count = 0;
  for (int i = 1; i < argc; i++)
    count += run_folder(argv[i]);
  printf("%u inputs read\n", count);
  return count > 0 ? 0 : 1;
}
