/* What a reader of a config assumed, for its user to know: each sentence once. */
#ifndef TOOLS_FLASHJIT_MODEL_NOTES_H
#define TOOLS_FLASHJIT_MODEL_NOTES_H

#include <stdint.h>

enum { MOST_NOTES = 24, NOTE_SIZE = 256 };

struct notes {
  uint32_t count;
  char text[MOST_NOTES][NOTE_SIZE];
};

void note(struct notes *notes, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
