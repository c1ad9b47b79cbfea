/* Files that the command reads. */
#ifndef TOOLS_FLASHJIT_INPUT_H
#define TOOLS_FLASHJIT_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/*
 * Also pipes and devices. A named pipe without a writer is waited for a few seconds, and not for ever. NULL with a
 * problem that begins with the path.
 */
FILE *input_open(const char *path);

/* Lines of text. After the last one, or a problem, text is NULL. */
struct input_lines {
  const char *path;
  size_t number; /* of the line, from 1 on */
  char *text;    /* with its line feed; it may be changed */
  bool is_broken;
  FILE *file;
  char *memory;
  size_t room;
};

/* The path - is standard input. False with a problem. */
bool input_lines_open(struct input_lines *lines, const char *path);

/* False after the last line, or with a problem: then it is broken. */
bool input_lines_next(struct input_lines *lines);

/* A problem of the line: "PATH:NUMBER: ...". The last problem may be an argument. Returns false. */
bool input_lines_problem(const struct input_lines *lines, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* False if it is broken. */
bool input_lines_close(struct input_lines *lines);

#endif
