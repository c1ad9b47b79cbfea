/* Writes and reads the file of recorded results. */
#include "vector_file.h"

#include "cache/hash.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER_BYTES = 1024 };

static const char header_format[] = "flashjit-vectors 1\ngpu %s\ndriver %d\nptx %s\nlist %016" PRIx64 "\n";
static const char checksum_format[] = "checksum %016" PRIx64 "\n\n";

bool vector_file_create(struct vector_file *file, const struct vector_list *list) {
  *file = (struct vector_file){.cases = list, .list = vector_list_hash(list)};
  for (size_t i = 0; i < list->count; i++)
    file->count += vector_words(&list->cases[i]);
  file->words = calloc(file->count, sizeof *file->words);
  return file->words;
}

void vector_file_free(struct vector_file *file) {
  free(file->words);
  file->words = NULL;
}

uint32_t *vector_file_results(const struct vector_file *file, const struct vector_case *vector) {
  uint32_t *words = file->words;
  for (const struct vector_case *before = file->cases->cases; before < vector; before++)
    words += vector_words(before);
  return words;
}

/* The lines above the checksum. */
static size_t write_header(const struct vector_file *file, char header[HEADER_BYTES]) {
  return (size_t)snprintf(header, HEADER_BYTES, header_format, file->gpu, file->driver, vector_ptx_version, file->list);
}

static uint64_t checksum(const struct vector_file *file, const char *header) {
  return XXH3_64bits_withSeed(file->words, file->count * sizeof *file->words, XXH3_64bits(header, strlen(header)));
}

bool vector_file_write(const struct vector_file *file, const char *path, char *why, size_t why_bytes) {
  char header[HEADER_BYTES];
  FILE *stream = fopen(path, "wb");
  if (!stream) {
    snprintf(why, why_bytes, "cannot write %s: %s", path, strerror(errno));
    return false;
  }
  write_header(file, header);
  fputs(header, stream);
  fprintf(stream, checksum_format, checksum(file, header));
  bool written = fwrite(file->words, sizeof *file->words, file->count, stream) == file->count;
  written &= fclose(stream) == 0;
  if (!written)
    snprintf(why, why_bytes, "cannot write %s: %s", path, strerror(errno));
  return written;
}

/* The values of lines "name value"; the reason of a refusal is a constant. */
static const char *read_header(struct vector_file *file, FILE *stream, uint64_t *expected) {
  char ptx[16];
  uint64_t list;
  if (fscanf(stream, "flashjit-vectors 1 gpu %127[^\n] driver %d ptx %15s list %16" SCNx64, file->gpu, &file->driver,
             ptx, &list) != 4)
    return "is no file of vectors";
  if (fscanf(stream, " checksum %16" SCNx64, expected) != 1 || fgetc(stream) != '\n' || fgetc(stream) != '\n')
    return "has no checksum";
  if (list != file->list || strcmp(ptx, vector_ptx_version) != 0)
    return "is of another list of kernels: record it again";
  return NULL;
}

static const char *read_stream(struct vector_file *file, FILE *stream) {
  char header[HEADER_BYTES];
  uint64_t expected;
  const char *wrong = read_header(file, stream, &expected);
  if (wrong)
    return wrong;
  if (fread(file->words, sizeof *file->words, file->count, stream) != file->count || fgetc(stream) != EOF)
    return "has another size than its list of kernels asks for";
  write_header(file, header);
  return checksum(file, header) == expected ? NULL : "is damaged: its checksum differs";
}

bool vector_file_read(struct vector_file *file, const struct vector_list *list, const char *path, char *why,
                      size_t why_bytes) {
  FILE *stream = fopen(path, "rb");
  if (!stream) {
    snprintf(why, why_bytes, "cannot read %s: %s", path, strerror(errno));
    return false;
  }
  const char *wrong = vector_file_create(file, list) ? read_stream(file, stream) : "needs more memory than there is";
  fclose(stream);
  if (!wrong)
    return true;
  snprintf(why, why_bytes, "%s %s", path, wrong);
  vector_file_free(file);
  return false;
}
