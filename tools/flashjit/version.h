/* The compiler that the library would find. */
#ifndef TOOLS_FLASHJIT_VERSION_H
#define TOOLS_FLASHJIT_VERSION_H

/* Its version, 1000 * major + 10 * minor, as drivers count theirs; 0: none. *path is its name, or that of the last one
 * that was looked for. */
int nvrtc_version(const char **path);

#endif
