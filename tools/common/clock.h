/* The time that has passed on the host. */
#ifndef TOOLS_COMMON_CLOCK_H
#define TOOLS_COMMON_CLOCK_H

/* Seconds of a clock that only goes forward; their differences mean something. */
double clock_seconds(void);

#endif
