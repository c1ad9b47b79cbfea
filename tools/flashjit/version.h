/* The library, and the compiler that it would find. */
#ifndef TOOLS_FLASHJIT_VERSION_H
#define TOOLS_FLASHJIT_VERSION_H

#include <stdbool.h>

enum { LIBRARY_VERSION_SIZE = 32 };

/* "0.1.0", of the library that runs. */
void library_version(char text[LIBRARY_VERSION_SIZE]);

/* The compiler's version, 1000 * major + 10 * minor, as drivers count theirs; 0: none. *path is its name, or that of
 * the last one that was looked for. */
int nvrtc_version(const char **path);

/* Whether that compiler makes code for a compute capability times 10. */
bool nvrtc_compiles(int arch);

#endif
